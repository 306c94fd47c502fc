// One's own passkeys: added with a name, renamed, removed with the password.
import { patch, post } from "../lib/api.js";
import { html, useState } from "../lib/dom.js";
import { day, t } from "../lib/i18n.js";
import { makePasskey, passkeysWork } from "../lib/passkeys.js";
import { say, useList } from "../lib/state.js";
import { Badge, Button, Refused, When } from "../ui/basics.js";
import { ByPassword } from "../ui/by-password.js";
import { Field, FormError, Submit, useSend } from "../ui/forms.js";
import { Dialog, Menu } from "../ui/overlays.js";
import { deviceOf } from "./sessions.js";
import { Factor } from "./two-factor.js";

export const usePasskeys = () => useList("/v1/me/passkeys", 100);

export function PasskeyLines({ keys, open, close, shown }) {
  const why = passkeysWork() ? "" : t("This browser doesn't know passkeys.");
  const adding = () => open(html`<${Add} onClose=${close} shown=${shown} />`);
  const any = keys.rows?.length > 0;
  return html`<${Factor} icon="fingerprint" title=${t("Passkeys")} badge=${any ? html`<${Badge} kind="ok" icon="check">${t("On")}<//>` : html`<${Badge}>${t("Off")}<//>`}
      note=${t("Your fingerprint, your face, or a security key. A passkey also signs you in without your password.")}><${Button} why=${why} onClick=${adding}>${t("Add a passkey…")}<//><//>
    ${keys.error ? html`<li><${Refused} error=${keys.error} retry=${keys.reload} /></li>` : null}
    ${(keys.rows ?? []).map((one) => html`<li key=${one.id} class="nested"><span><b>${one.name}</b><br /><small class="quiet">${t("Added on {day}", { day: day(one.added_at) })} · ${one.last_used_at ? html`${t("last used")} <${When} at=${one.last_used_at} />` : t("never used")}</small></span>
      <${Menu} label=${t("Actions for {name}", { name: one.name })} items=${[
        { label: t("Rename…"), act: () => open(html`<${Rename} passkey=${one} onClose=${close} />`) },
        null,
        { label: t("Remove…"), danger: true, act: () => open(html`<${Remove} passkey=${one} onClose=${close} />`) },
      ]} /></li>`)}`;
}

function Add({ onClose, shown }) {
  const [name, setName] = useState(deviceOf(navigator.userAgent));
  const sending = useSend(async (body) => {
    const { data: begun } = await post("/v1/me/passkeys/options");
    const credential = await makePasskey(begun.passkey);
    const { data } = await post("/v1/me/passkeys", { challenge_id: begun.id, token: begun.token, name: body.name, credential });
    say(t("The passkey {name} is added.", { name: data.name }));
    shown(data.recovery_codes);
  });
  return html`<${Dialog} title=${t("Add a passkey")} onClose=${() => onClose(false)} onSubmit=${() => name.trim() && sending.run({ name: name.trim() })}
    footer=${html`<${Button} onClick=${() => onClose(false)}>${t("Cancel")}<//><${Submit} sending=${sending} why=${name.trim() ? "" : t("Type a name first")}>${t("Go on")}<//>`}>
    <p class="quiet">${t("Your browser asks you next to unlock the device, or to touch your key.")}</p>
    <${Field} label=${t("Name")} name="name" maxlength="200" value=${name} onInput=${setName} wrong=${sending.wrong("name")} hint=${t("To tell it from others, such as the device that it is on.")} />
    <${FormError} sending=${sending} fields=${["name"]} /><//>`;
}

function Rename({ passkey, onClose }) {
  const [name, setName] = useState(passkey.name);
  const sending = useSend(async (body, options) => {
    await patch(`/v1/me/passkeys/${passkey.id}`, body, options);
    onClose(true);
  });
  const why = name.trim() && name !== passkey.name ? "" : t("Nothing is changed yet");
  return html`<${Dialog} title=${t("Rename {name}", { name: passkey.name })} onClose=${() => onClose(false)} onSubmit=${() => why || sending.run({ name: name.trim() })}
    footer=${html`<${Button} onClick=${() => onClose(false)}>${t("Cancel")}<//><${Submit} sending=${sending} why=${why}>${t("Save")}<//>`}>
    <${Field} label=${t("Name")} name="name" maxlength="200" value=${name} onInput=${setName} wrong=${sending.wrong("name")} /><${FormError} sending=${sending} fields=${["name"]} /><//>`;
}

function Remove({ passkey, onClose }) {
  const act = async (password, options) => {
    await post(`/v1/me/passkeys/${passkey.id}/removal`, { password }, options);
    say(t("The passkey {name} is removed. Your other sessions have ended.", { name: passkey.name }));
  };
  return html`<${ByPassword} title=${t("Remove the passkey {name}?", { name: passkey.name })} verb=${t("Remove the passkey")} act=${act} onClose=${onClose}>
    <p>${t("It no longer signs you in, and all your other sessions end. With your last second factor the recovery codes go as well.")}</p><//>`;
}
