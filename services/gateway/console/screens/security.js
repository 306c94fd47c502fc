// One's own security: password, second factors, and where one is signed in.
import { put } from "../lib/api.js";
import { html, useSignal, useState } from "../lib/dom.js";
import { t } from "../lib/i18n.js";
import { me, say } from "../lib/state.js";
import { comesFromProvider } from "../lib/way-in.js";
import { Button, Card, Page } from "../ui/basics.js";
import { FormError, Password, Submit, useSend } from "../ui/forms.js";
import { Sessions } from "./sessions.js";
import { TwoFactor } from "./two-factor.js";

export function Security() {
  const who = useSignal(me);
  return html`<${Page} title=${t("Security")} org=${who.organization?.name} lead=${t("How you prove that it's you, and where you are signed in.")}><${TwoFactor} />${comesFromProvider() ? html`<${AtProvider} />` : html`<${ChangePassword} />`}<${Sessions} /><//>`;
}

/** Who signs in at a provider has their password there; the one that they may have here is behind a click. */
function AtProvider() {
  const [here, show] = useState(false);
  if (here) return html`<${ChangePassword} />`;
  return html`<${Card} title=${t("Password")} footer=${html`<${Button} onClick=${() => show(true)}>${t("Change the password that I have here…")}<//>`}><p class="quiet">${t("You sign in at your organization's provider, and your password is managed there.")}</p><//>`;
}

function ChangePassword() {
  const [given, set] = useState({ current_password: "", new_password: "" });
  const change = (name) => (value) => set((was) => ({ ...was, [name]: value }));
  const sending = useSend(async (body, options) => {
    await put("/v1/me/password", body, options);
    set({ current_password: "", new_password: "" });
    say(t("Your password is changed. Your other sessions have ended."));
  });
  const why = given.current_password && given.new_password ? "" : t("Type both passwords first");
  const send = (event) => {
    event.preventDefault();
    if (!why) sending.run(given);
  };
  return html`<form novalidate onSubmit=${send}><${Card} title=${t("Password")} lead=${t("Changing it ends all your other sessions.")} footer=${html`<${Submit} sending=${sending} kind="" why=${why}>${t("Change password")}<//>`}>
    <div class="stack"><${FormError} sending=${sending} fields=${["current_password", "new_password"]} /><div class="columns">
    <${Password} label=${t("Current password")} name="current_password" autocomplete="current-password" value=${given.current_password} onInput=${change("current_password")} wrong=${sending.wrong("current_password")} />
    <${Password} label=${t("New password")} name="new_password" autocomplete="new-password" value=${given.new_password} onInput=${change("new_password")} wrong=${sending.wrong("new_password")} hint=${t("At least 12 characters. A few unrelated words make a good one.")} /></div></div><//></form>`;
}
