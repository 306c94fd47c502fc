// A dialog for what takes one's own password, whatever the session is worth.
import { html, useState } from "../lib/dom.js";
import { t } from "../lib/i18n.js";
import { me } from "../lib/state.js";
import { Button } from "./basics.js";
import { FormError, Password, Submit, useSend } from "./forms.js";
import { Dialog } from "./overlays.js";

/** `act(password, options)` does it; `why` is what is still missing beside the password; `fields` are shown by the children. */
export function ByPassword({ title, verb, act, onClose, why = "", fields = [], children, danger = true }) {
  const [password, setPassword] = useState("");
  const sending = useSend(async (given, options) => {
    await act(given.password, options);
    onClose(true);
  });
  const mistyped = sending.error?.code === "invalid_credentials";
  const missing = why || (password ? "" : t("Type your password first"));
  return html`<${Dialog} title=${title} onClose=${() => onClose(false)} onSubmit=${() => missing || sending.run({ password, fields })}
    footer=${html`<${Button} onClick=${() => onClose(false)}>${t("Cancel")}<//><${Submit} sending=${sending} kind="primary ${danger ? "danger" : ""}" why=${missing}>${verb}<//>`}>
    ${typeof children === "function" ? children(sending) : children}
    <input type="text" class="visually-hidden" tabindex="-1" aria-hidden="true" autocomplete="username" value=${me.value?.user.email} readonly />
    <${Password} label=${t("Your password")} name="password" autocomplete="current-password" value=${password} onInput=${setPassword} wrong=${mistyped ? t("That isn't your password.") : sending.wrong("password")} />
    ${mistyped ? null : html`<${FormError} sending=${sending} fields=${["password", ...Object.keys(fields)]} />`}<//>`;
}
