// A dialog for what takes one's own password, whatever the session is worth; or, at one's provider, another sign-in there.
import { html, useState } from "../lib/dom.js";
import { t } from "../lib/i18n.js";
import { me } from "../lib/state.js";
import { comesFromProvider, proveAtProvider } from "../lib/way-in.js";
import { Button, Notice } from "./basics.js";
import { FormError, Password, Submit, useSend } from "./forms.js";
import { Dialog } from "./overlays.js";

/** `act(password, options)` does it, the password null for who has proven themselves at their provider; `why` is what is still missing beside it; `fields` are shown by the children; `passwordOnly` where no provider speaks for the person. */
export function ByPassword({ title, verb, act, onClose, why = "", fields = [], children, danger = true, passwordOnly = false }) {
  const askable = !passwordOnly && comesFromProvider();
  const [there, turn] = useState(askable);
  const [password, setPassword] = useState("");
  const sending = useSend(async (given, options) => {
    await act(given.password, { ...options, quietly: given.password === null });
    onClose(true);
  });
  const leaving = useSend(proveAtProvider);
  const mistyped = sending.error?.code === "invalid_credentials";
  const unproven = there && sending.error?.code === "insufficient_user_authentication";
  const missing = why || (there || password ? "" : t("Type your password first"));
  const turnTo = (next) => () => {
    sending.forget();
    turn(next);
  };
  const proof = there
    ? html`${unproven ? html`<${Notice} kind="accent" icon="key" role="alert" title=${t("Confirm at your provider that it's you")}><p>${t("You sign in there once more and come back to this page; then do it again within five minutes.")}</p><${Button} kind="primary" busy=${leaving.busy} onClick=${() => leaving.run()}>${t("Go to your provider")}<//><//>` : html`<p class="quiet">${t("You sign in at a provider: it is asked who you are, in place of a password.")}</p>`}
      <${FormError} sending=${leaving} /><div><${Button} kind="plain" onClick=${turnTo(false)}>${t("Use the password instead")}<//></div>`
    : html`<input type="text" class="visually-hidden" tabindex="-1" aria-hidden="true" autocomplete="username" value=${me.value?.user.email} readonly />
      <${Password} label=${t("Your password")} name="password" autocomplete="current-password" value=${password} onInput=${setPassword} wrong=${mistyped ? t("That isn't your password.") : sending.wrong("password")} />
      ${askable ? html`<div><${Button} kind="plain" onClick=${turnTo(true)}>${t("Ask your provider instead")}<//></div>` : null}`;
  return html`<${Dialog} title=${title} onClose=${() => onClose(false)} onSubmit=${() => missing || sending.run({ password: there ? null : password, fields })}
    footer=${html`<${Button} onClick=${() => onClose(false)}>${t("Cancel")}<//><${Submit} sending=${sending} kind="primary ${danger ? "danger" : ""}" why=${missing}>${verb}<//>`}>
    ${typeof children === "function" ? children(sending) : children}${proof}
    ${mistyped || unproven ? null : html`<${FormError} sending=${sending} fields=${["password", ...Object.keys(fields)]} />`}<//>`;
}
