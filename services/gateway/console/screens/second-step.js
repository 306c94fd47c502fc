// The second step of signing in: a code, a passkey, or setting up a first second factor where an organization requires one.
import { post } from "../lib/api.js";
import { html, useEffect, useState } from "../lib/dom.js";
import { t } from "../lib/i18n.js";
import { makePasskey, passkeysWork, showPasskey } from "../lib/passkeys.js";
import { recognize } from "../lib/state.js";
import { Button, Skeleton } from "../ui/basics.js";
import { CodeList } from "../ui/codes.js";
import { Field, FormError, Submit, useSend } from "../ui/forms.js";
import { Doorway } from "../ui/shell.js";

const APP_CODE = /^\d{6}$/;

export function SecondStep({ challenge, back, done }) {
  const [code, setCode] = useState("");
  const [codes, setCodes] = useState(null);
  const answer = async (given) => {
    const { data } = await post(`/v1/auth/challenges/${challenge.id}/answers`, { token: challenge.token, ...given });
    await recognize();
    if (data.recovery_codes.length) setCodes(data.recovery_codes);
    else await done();
  };
  const sending = useSend(() => {
    const typed = code.replace(/\s/g, "");
    return answer(APP_CODE.test(typed) ? { totp: typed } : { recovery_code: code.trim() });
  });
  const withKey = useSend(async () => {
    if (!challenge.enrolment) return answer({ passkey: await showPasskey(challenge.passkey) });
    const { data: begun } = await post(`/v1/auth/challenges/${challenge.id}/passkey`, { token: challenge.token });
    const [{ deviceOf }, credential] = await Promise.all([import("./sessions.js"), makePasskey(begun.passkey)]);
    return answer({ new_passkey: { name: deviceOf(navigator.userAgent), credential } });
  });
  if (codes) return html`<${Codes} codes=${codes} done=${done} />`;
  const keys = passkeysWork() && (challenge.enrolment || (challenge.factors.includes("passkey") && challenge.passkey));
  const typed = challenge.enrolment || challenge.factors.includes("totp");
  return html`<${Doorway} title=${challenge.enrolment ? t("Set up a second factor") : t("Confirm that it's you")}
    lead=${challenge.enrolment ? t("Your organization asks for one. It takes a minute.") : undefined} aside=${html`<${Button} kind="plain" onClick=${back}>${t("Back to sign-in")}<//>`}>
    <form class="stack" novalidate onSubmit=${(event) => (event.preventDefault(), sending.run())}>
      ${challenge.enrolment ? html`<${Secret} challenge=${challenge} />` : null}
      <${FormError} sending=${sending} fields=${["totp", "recovery_code"]} />
      <${Field} label=${challenge.enrolment ? t("Code of the app") : t("Code")} name="code" autocomplete="one-time-code" value=${code} onInput=${setCode} wrong=${sending.wrong("totp") ?? sending.wrong("recovery_code")}
        hint=${challenge.enrolment ? t("Six digits.") : typed ? t("Six digits of your authenticator app, or one of your recovery codes.") : t("One of your recovery codes.")} />
      <${Submit} sending=${sending} kind="primary wide" why=${code.trim() ? "" : t("Type the code first")}>${t("Go on")}<//>
    </form>
    ${keys ? html`<div class="stack"><${FormError} sending=${withKey} /><${Button} kind="wide" busy=${withKey.busy} onClick=${() => withKey.run()}>${challenge.enrolment ? t("Set up a passkey instead") : t("Use a passkey")}<//></div>` : null}<//>`;
}

function Secret({ challenge }) {
  const [begun, setBegun] = useState(null);
  const sending = useSend(async () => setBegun((await post(`/v1/auth/challenges/${challenge.id}/totp`, { token: challenge.token })).data));
  useEffect(() => void sending.run(), [challenge.id]);
  if (!begun) return html`<${FormError} sending=${sending} /><${Skeleton} lines=${3} />`;
  return html`<p>${t("Scan this with an authenticator app, or type the key into it.")}</p>
    <img class="qr" width="180" height="180" alt=${t("QR code of the key below")} src=${`data:image/svg+xml,${encodeURIComponent(begun.qr_svg)}`} />
    <p><code>${begun.secret}</code></p>`;
}

function Codes({ codes, done }) {
  return html`<${Doorway} title=${t("Keep your recovery codes")} lead=${t("Each signs you in once when your app is out of reach. They are shown only now.")}>
    <div class="stack"><${CodeList} codes=${codes} />
    <${Button} kind="primary wide" onClick=${done}>${t("I have stored them")}<//></div><//>`;
}
