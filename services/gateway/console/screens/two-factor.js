// One's own second factors: the authenticator app and the recovery codes.
import { get, post } from "../lib/api.js";
import { html, useState } from "../lib/dom.js";
import { day, t, tn } from "../lib/i18n.js";
import { say, useLoad } from "../lib/state.js";
import { Badge, Button, Card, Copy, Icon, Loaded, Refused } from "../ui/basics.js";
import { ByPassword } from "../ui/by-password.js";
import { CodesDialog } from "../ui/codes.js";
import { Field, FormError, Submit, useSend } from "../ui/forms.js";
import { Confirm, Dialog } from "../ui/overlays.js";
import { PasskeyLines, usePasskeys } from "./passkeys.js";

const FEW = 3;

export function TwoFactor() {
  const app = useLoad(() => get("/v1/me/totp"), "totp");
  const codes = useLoad(() => get("/v1/me/recovery-codes"), "codes");
  const keys = usePasskeys();
  const [dialog, open] = useState(null);
  const reload = () => [app, codes, keys].forEach((one) => one.reload());
  const close = (done) => {
    open(null);
    if (done) reload();
  };
  const shown = (list) => {
    reload();
    if (list.length) open(html`<${CodesDialog} codes=${list} onClose=${close} />`);
    else open(null);
  };
  const on = app.data && (["active", "frozen"].includes(app.data.status) || keys.rows?.length > 0);
  return html`<${Card} plain title=${t("Second factor")} lead=${t("Something that only you have, asked for after your password.")}>
    <${Loaded} from=${app} lines=${3}>${(state) => html`<ul class="lines">
      <${App} state=${state} open=${open} close=${close} shown=${shown} />
      <${PasskeyLines} keys=${keys} open=${open} close=${close} shown=${shown} />
      ${on && codes.data ? html`<${Codes} state=${codes.data} open=${open} close=${close} shown=${shown} />` : null}</ul>`}<//>${dialog}<//>`;
}

export function Factor({ icon, title, note, badge, children }) {
  return html`<li><span class="person"><span class="avatar" aria-hidden="true"><${Icon} name=${icon} /></span><span><span class="row"><b>${title}</b>${badge}</span><small>${note}</small></span></span>
    <span class="row">${children}</span></li>`;
}

function App({ state, open, close, shown }) {
  const beginning = useSend(async (options) => {
    const { data } = await post("/v1/me/totp", undefined, options);
    open(html`<${SetUp} begun=${data} onClose=${close} shown=${shown} />`);
  });
  const remove = async (password, options) => {
    await post("/v1/me/totp/removal", { password }, options);
    say(t("The authenticator app is removed. Your other sessions have ended."));
  };
  const removing = () => open(html`<${ByPassword} title=${t("Remove the authenticator app?")} verb=${t("Remove the app")} act=${remove} onClose=${close}>
    <p>${t("Its codes stop working at once, and all your other sessions end. With your last second factor the recovery codes go as well.")}</p><//>`);
  if (state.status === "off" || state.status === "begun") return html`<${Factor} icon="phone" title=${t("Authenticator app")} badge=${html`<${Badge}>${t("Off")}<//>`} note=${t("A new six-digit code every 30 seconds, on your phone.")}>
    <${Button} busy=${beginning.busy} onClick=${() => beginning.run()}>${t("Set up…")}<//>${beginning.error ? html`<${Refused} error=${beginning.error} />` : null}<//>`;
  const frozen = state.status === "frozen";
  return html`<${Factor} icon="phone" title=${t("Authenticator app")} badge=${frozen ? html`<${Badge} kind="warn" icon="lock">${t("Locked")}<//>` : html`<${Badge} kind="ok" icon="check">${t("On")}<//>`}
    note=${frozen ? t("Too many wrong codes came in a row. One of your recovery codes unlocks it at your next sign-in.") : t("Since {day}", { day: day(state.active_since) })}>
    <${Button} kind="danger" aria-label=${t("Remove the authenticator app…")} onClick=${removing}>${t("Remove…")}<//><//>`;
}

function SetUp({ begun, onClose, shown }) {
  const [code, setCode] = useState("");
  const typed = code.replace(/\s/g, "");
  const sending = useSend(async (body, options) => {
    const { data } = await post("/v1/me/totp/activation", body, options);
    say(t("The authenticator app is set up."));
    shown(data.recovery_codes);
  });
  const why = /^\d{6}$/.test(typed) ? "" : t("Type the six digits first");
  return html`<${Dialog} title=${t("Set up an authenticator app")} onClose=${() => onClose(true)} onSubmit=${() => why || sending.run({ code: typed })}
    footer=${html`<${Button} onClick=${() => onClose(true)}>${t("Cancel")}<//><${Submit} sending=${sending} why=${why}>${t("Switch on")}<//>`}>
    <p>${t("Scan this with an authenticator app, or type the key into it.")}</p>
    <div class="scan"><img class="qr" width="168" height="168" alt=${t("QR code of the key below")} src=${`data:image/svg+xml,${encodeURIComponent(begun.qr_svg)}`} />
      <div class="stack tight"><p class="label">${t("Key")}</p><p><code class="secret">${begun.secret.match(/.{1,4}/g).join(" ")}</code></p>
      <div class="row"><${Copy} text=${begun.secret} label=${t("Copy the key")} /><a class="small" href=${begun.uri}>${t("Open in an app here")}</a></div></div></div>
    <${Field} label=${t("Code of the app")} name="code" inputmode="numeric" autocomplete="one-time-code" maxlength="7" value=${code} onInput=${setCode} wrong=${sending.wrong("code")} hint=${t("Six digits. It counts only after this code was right.")} data-first />
    <${FormError} sending=${sending} fields=${["code"]} /><//>`;
}

function Codes({ state, open, close, shown }) {
  const renew = async (options) => {
    const { data } = await post("/v1/me/recovery-codes", undefined, options);
    shown(data.recovery_codes);
  };
  const renewing = () => open(html`<${Confirm} title=${t("Make new recovery codes?")} verb=${t("Make new codes")} act=${renew} onClose=${(done) => done || close(false)}>
    <p>${t("Ten new codes are shown once. The codes that you have stored stop working at once.")}</p><//>`);
  const few = state.left <= FEW;
  return html`<${Factor} icon="key" title=${t("Recovery codes")} badge=${html`<${Badge} kind=${few ? "warn" : ""} icon=${few ? "warn" : undefined}>${tn(state.left, "{n} left", "{n} left")}<//>`}
    note=${state.made_at ? t("Made on {day}. Each signs you in once without your phone or key.", { day: day(state.made_at) }) : t("Each signs you in once without your phone or key.")}>
    <${Button} onClick=${renewing}>${t("Make new codes…")}<//><//>`;
}
