// One dialog for every request that wants a fresh proof, or whose session has ended: it asks, and the request goes on.
import { post } from "../lib/api.js";
import { html, useState } from "../lib/dom.js";
import { t } from "../lib/i18n.js";
import { asked, go, me, recognize } from "../lib/state.js";
import { Button } from "./basics.js";
import { FormError, Password, Submit, useSend } from "./forms.js";
import { Dialog } from "./overlays.js";

export function Proof({ waiting }) {
  const [password, setPassword] = useState("");
  const ended = waiting.kind === "session";
  const finish = (ok) => {
    asked.value = null;
    waiting.done(ok);
    if (!ok && ended) {
      me.value = null;
      go("/sign-in", { replace: true });
    }
  };
  const sending = useSend(async () => {
    if (ended) {
      await post("/v1/auth/sessions", { email: me.value.user.email, password, keep: "cookie" }, { quietly: true });
      await recognize();
    } else {
      await post("/v1/auth/reauthentications", { password }, { quietly: true });
    }
    finish(true);
  });
  return html`<${Dialog} title=${ended ? t("Your session has ended") : t("Confirm that it's you")} onClose=${() => finish(false)} onSubmit=${() => sending.run()}
    footer=${html`<${Button} onClick=${() => finish(false)}>${ended ? t("Sign out") : t("Cancel")}<//><${Submit} sending=${sending} why=${password ? "" : t("Type your password first")}>${t("Confirm")}<//>`}>
    <p class="quiet">${ended ? t("Sign in again as {email} to go on. What you typed is still here.", { email: me.value?.user.email }) : t("This step asks for your password once more. It holds for ten minutes.")}</p>
    <input type="text" class="visually-hidden" tabindex="-1" aria-hidden="true" autocomplete="username" value=${me.value?.user.email} readonly />
    <${Password} label=${t("Password")} value=${password} onInput=${setPassword} autocomplete="current-password" wrong=${sending.wrong("password")} data-first />
    <${FormError} sending=${sending} fields=${["password"]} /><//>`;
}
