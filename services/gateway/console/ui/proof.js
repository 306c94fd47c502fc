// One dialog for every request that wants a fresh proof, or whose session has ended: it asks, and the request goes on.
import { get, post } from "../lib/api.js";
import { html, useState } from "../lib/dom.js";
import { t } from "../lib/i18n.js";
import { passkeysWork, showPasskey } from "../lib/passkeys.js";
import { asked, go, me, recognize, useLoad } from "../lib/state.js";
import { Button } from "./basics.js";
import { Field, FormError, Password, Submit, useSend } from "./forms.js";
import { Dialog } from "./overlays.js";

export function Proof({ waiting }) {
  const ended = waiting.kind === "session";
  const finish = (ok) => {
    asked.value = null;
    waiting.done(ok);
    if (!ok && ended) {
      me.value = null;
      go("/sign-in", { replace: true });
    }
  };
  return ended ? html`<${Ended} finish=${finish} />` : html`<${Fresh} finish=${finish} />`;
}

/** The session goes on under another id; with a second factor in two steps. */
function Ended({ finish }) {
  const [challenge, setChallenge] = useState(null);
  const [secret, setSecret] = useState("");
  const done = async () => {
    await recognize();
    finish(true);
  };
  const answer = async (given) => {
    await post(`/v1/auth/challenges/${challenge.id}/answers`, { token: challenge.token, ...given }, { quietly: true });
    await done();
  };
  const sending = useSend(async () => {
    if (challenge) return answer(/^\d{6}$/.test(secret.trim()) ? { totp: secret.trim() } : { recovery_code: secret.trim() });
    const { data } = await post("/v1/auth/sessions", { email: me.value.user.email, password: secret, keep: "cookie" }, { quietly: true });
    setSecret("");
    return data.challenge ? setChallenge(data.challenge) : done();
  });
  const byKey = useSend(async () => answer({ passkey: await showPasskey(challenge.passkey) }));
  const footer = html`<${Button} onClick=${() => finish(false)}>${t("Sign out")}<//>${challenge?.passkey && passkeysWork() ? html`<${Button} icon="fingerprint" busy=${byKey.busy} onClick=${() => byKey.run()}>${t("Use a passkey")}<//>` : null}
    <${Submit} sending=${sending} why=${secret ? "" : challenge ? t("Type the code first") : t("Type your password first")}>${t("Confirm")}<//>`;
  return html`<${Dialog} key=${challenge ? "code" : "password"} title=${t("Your session has ended")} onClose=${() => finish(false)} onSubmit=${() => secret && sending.run()} footer=${footer}>
    <p class="quiet">${t("Sign in again as {email} to go on. What you typed is still here.", { email: me.value?.user.email })}</p>
    ${challenge ? html`<${Field} label=${t("Code")} name="code" autocomplete="one-time-code" value=${secret} onInput=${setSecret} hint=${t("Six digits of your authenticator app, or one of your recovery codes.")} data-first />` : html`<${MyPassword} value=${secret} onInput=${setSecret} wrong=${sending.wrong("password")} />`}
    <${FormError} sending=${byKey.error ? byKey : sending} fields=${["password"]} /><//>`;
}

/** By password, by a code, or by passkey, as the person likes. */
function Fresh({ finish }) {
  const [kind, setKind] = useState("password");
  const [secret, setSecret] = useState("");
  const factors = useLoad(async () => ({ data: await factorsOfMine() }), "factors");
  const prove = async (proof) => {
    await post("/v1/auth/reauthentications", proof, { quietly: true });
    await recognize();
    finish(true);
  };
  const sending = useSend(() => prove({ [kind]: kind === "totp" ? secret.replace(/\s/g, "") : secret }));
  const byKey = useSend(async () => {
    const { data: challenge } = await post("/v1/auth/challenges", {}, { quietly: true });
    await prove({ passkey: { challenge_id: challenge.id, token: challenge.token, credential: await showPasskey(challenge.passkey) } });
  });
  const turn = () => {
    setSecret("");
    setKind(kind === "password" ? "totp" : "password");
    sending.forget();
  };
  const others = html`${factors.data?.totp ? html`<${Button} onClick=${turn}>${kind === "password" ? t("Use a code instead") : t("Use the password instead")}<//>` : null}
    ${factors.data?.passkeys && passkeysWork() ? html`<${Button} icon="fingerprint" busy=${byKey.busy} onClick=${() => byKey.run()}>${t("Use a passkey")}<//>` : null}`;
  return html`<${Dialog} key=${kind} title=${t("Confirm that it's you")} onClose=${() => finish(false)} onSubmit=${() => secret && sending.run()}
    footer=${html`<${Button} onClick=${() => finish(false)}>${t("Cancel")}<//><${Submit} sending=${sending} why=${secret ? "" : kind === "totp" ? t("Type the code first") : t("Type your password first")}>${t("Confirm")}<//>`}>
    <p class="quiet">${t("This step asks who you are once more. It holds for ten minutes.")}</p>
    ${kind === "totp" ? html`<${Field} label=${t("Code")} name="totp" inputmode="numeric" autocomplete="one-time-code" value=${secret} onInput=${setSecret} wrong=${sending.wrong("totp")} hint=${t("Six digits of your authenticator app.")} data-first />`
      : html`<${MyPassword} value=${secret} onInput=${setSecret} wrong=${sending.wrong("password")} />`}
    <${FormError} sending=${byKey.error ? byKey : sending} fields=${["password", "totp"]} />
    <div class="row">${others}</div><//>`;
}

async function factorsOfMine() {
  const [app, keys] = await Promise.all([get("/v1/me/totp", { quietly: true }), get("/v1/me/passkeys?limit=1", { quietly: true })]);
  return { totp: app.data.status === "active", passkeys: keys.data.data.length > 0 };
}

function MyPassword({ value, onInput, wrong }) {
  return html`<input type="text" class="visually-hidden" tabindex="-1" aria-hidden="true" autocomplete="username" value=${me.value?.user.email} readonly />
    <${Password} label=${t("Password")} value=${value} onInput=${onInput} autocomplete="current-password" wrong=${wrong} data-first />`;
}
