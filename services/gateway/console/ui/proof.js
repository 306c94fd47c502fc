// One dialog for every request that wants a fresh proof, or whose session has ended: it asks, and the request goes on.
import { get, post } from "../lib/api.js";
import { html, useState } from "../lib/dom.js";
import { t } from "../lib/i18n.js";
import { passkeysWork, showPasskey } from "../lib/passkeys.js";
import { asked, go, me, recognize, ROOT, useLoad } from "../lib/state.js";
import { comesFromProvider, proveAtProvider } from "../lib/way-in.js";
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
  if (ended && comesFromProvider()) return html`<${EndedAtProvider} finish=${finish} />`;
  return ended ? html`<${Ended} finish=${finish} />` : html`<${Fresh} finish=${finish} />`;
}

/** Who has no password here goes to their provider, and comes back to this page. */
function EndedAtProvider({ finish }) {
  const leave = () => {
    const query = new URLSearchParams({ email: me.value.user.email, to: location.pathname.slice(ROOT.length) + location.search });
    finish(false);
    go(`/sign-in?${query}`, { replace: true });
  };
  return html`<${Dialog} title=${t("Your session has ended")} onClose=${leave} onSubmit=${leave} footer=${html`<${Button} type="submit" kind="primary">${t("Sign in again")}<//>`}>
    <p class="quiet">${t("Sign in at your provider again. You come back to this page.")}</p><//>`;
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

/** By password, by a code, by passkey, or at one's provider, as the person likes. */
function Fresh({ finish }) {
  const [kind, setKind] = useState(comesFromProvider() ? "provider" : "password");
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
  const leaving = useSend(proveAtProvider);
  const turnTo = (next) => () => {
    setSecret("");
    setKind(next);
    sending.forget();
  };
  const others = html`${kind !== "provider" && comesFromProvider() ? html`<${Button} onClick=${turnTo("provider")}>${t("Ask your provider instead")}<//>` : null}
    ${kind === "provider" ? html`<${Button} onClick=${turnTo("password")}>${t("Use the password instead")}<//>` : null}
    ${factors.data?.totp ? html`<${Button} onClick=${turnTo(kind === "totp" ? "password" : "totp")}>${kind === "totp" ? t("Use the password instead") : t("Use a code instead")}<//>` : null}
    ${factors.data?.passkeys && passkeysWork() ? html`<${Button} icon="fingerprint" busy=${byKey.busy} onClick=${() => byKey.run()}>${t("Use a passkey")}<//>` : null}`;
  if (kind === "provider") return html`<${Dialog} key=${kind} title=${t("Confirm that it's you")} onClose=${() => finish(false)} onSubmit=${() => leaving.run()}
    footer=${html`<${Button} onClick=${() => finish(false)}>${t("Cancel")}<//><${Submit} sending=${leaving}>${t("Go to your provider")}<//>`}>
    <p class="quiet">${t("This step asks who you are once more, at your provider. You come back to this page; then do it again. It holds for ten minutes.")}</p>
    <${FormError} sending=${byKey.error ? byKey : leaving} /><div class="row">${others}</div><//>`;
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
