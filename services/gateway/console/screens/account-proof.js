// The first sign-in at a provider of somebody whose account was there before: once, they show that it is theirs.
import { post } from "../lib/api.js";
import { html, useState } from "../lib/dom.js";
import { t } from "../lib/i18n.js";
import { passkeysWork, showPasskey } from "../lib/passkeys.js";
import { go, ROOT } from "../lib/state.js";
import { Button, Notice } from "../ui/basics.js";
import { FormError, Password, Submit, useSend } from "../ui/forms.js";
import { Doorway } from "../ui/shell.js";

/** `asked` is the API's `account_proof`; `done` gets what comes next: a session, or the challenge for the second factor. */
export function AccountProof({ asked, done }) {
  const [password, setPassword] = useState("");
  const show = async (proof) => done((await post("/v1/auth/sso/links", { challenge_id: asked.id, token: asked.token, ...proof }, { quietly: true })).data);
  const sending = useSend(() => show(asked.ways.includes("mail") ? { mail: true } : { password }));
  const withKey = useSend(async () => show({ passkey: await showPasskey(asked.passkey) }));
  const mistyped = sending.error?.code === "invalid_credentials";
  const waiting = sending.error?.meta?.because === "not_confirmed";
  const byKey = asked.ways.includes("passkey") && passkeysWork();
  const fields = asked.ways.includes("mail")
    ? html`<p>${t("We sent you a mail. Follow its link, and come back to this window.")}</p>
      ${waiting ? html`<${Notice} kind="warn" icon="warn" role="alert" title=${t("The link wasn't followed yet")} />` : html`<${FormError} sending=${sending} />`}
      <${Submit} sending=${sending} kind="primary wide">${t("I have followed it")}<//>`
    : asked.ways.includes("password") ? html`${mistyped ? null : html`<${FormError} sending=${sending} fields=${["password"]} />`}
      <${Password} label=${t("Your password")} name="password" autocomplete="current-password" value=${password} onInput=${setPassword} wrong=${mistyped ? t("That isn't your password.") : sending.wrong("password")} />
      <${Submit} sending=${sending} kind="primary wide" why=${password ? "" : t("Type your password first")}>${t("Go on")}<//>
      <p class="small"><a href="${ROOT}/forgot">${t("Forgot your password?")}</a></p>` : null;
  return html`<${Doorway} title=${t("Is this account yours?")} aside=${html`<${Button} kind="plain" onClick=${() => go("/sign-in")}>${t("Back to sign-in")}<//>`}
    lead=${t("Your account was there before {organization} signed in at a provider. Show once that it is yours; from then on the provider is enough.", { organization: asked.organization })}>
    ${fields ? html`<form class="stack" novalidate onSubmit=${(event) => (event.preventDefault(), sending.run())}>${fields}</form>` : null}
    ${byKey ? html`<div class="stack"><${FormError} sending=${withKey} /><${Button} kind="wide" icon="fingerprint" busy=${withKey.busy} onClick=${() => withKey.run()}>${t("Use a passkey")}<//></div>` : null}<//>`;
}

/** The mailed link: nothing happens until the person says so, since mail scanners open links too. */
export function ConfirmLink({ id: token }) {
  const [done, setDone] = useState(null);
  const sending = useSend(async ({ key }) => setDone((await post("/v1/auth/sso/link-confirmations", { token }, { key, quietly: true })).data));
  if (done) return html`<${Doorway} title=${t("Your account is confirmed")} lead=${t("Go on in the window in which you began to sign in by {connection}.", { connection: done.connection })} />`;
  if (sending.error?.code === "gone") return html`<${Doorway} title=${t("This link no longer works")} lead=${t("It works for thirty minutes. Sign in at your provider again, and another one comes.")}><a class="button primary wide" href="${ROOT}/sign-in">${t("Sign in")}</a><//>`;
  return html`<${Doorway} title=${t("Is it you who signs in?")} lead=${t("Confirm only if you began a sign-in at your organization's provider a moment ago. Your account then belongs to your user there.")}>
    <form class="stack" novalidate onSubmit=${(event) => (event.preventDefault(), sending.run())}>
      <${FormError} sending=${sending} /><${Submit} sending=${sending} kind="primary wide">${t("It's me")}<//></form><//>`;
}
