// One's own account: name, address, how the console looks to one, and the end of it all.
import { get, patch, post, put, remove, trust } from "../lib/api.js";
import { html, useSignal, useState } from "../lib/dom.js";
import { choose, day, LANGUAGES, language, t } from "../lib/i18n.js";
import { ROLES } from "../lib/may.js";
import { go, me, recognize, ROOT, say, useLoad } from "../lib/state.js";
import { Badge, Button, Card, Loaded, Notice, Page } from "../ui/basics.js";
import { ByPassword } from "../ui/by-password.js";
import { Check, Choices, Field, FormError, Select, Submit, useSend } from "../ui/forms.js";
import { Dialog } from "../ui/overlays.js";
import { keysAreOn, turnKeys } from "../ui/keys.js";
import { paint, painted } from "../ui/theme.js";

export function Profile() {
  const who = useSignal(me);
  useSignal(language);
  return html`<${Page} title=${t("Profile & preferences")} org=${who.organization?.name} lead=${t("Who you are here, and how the console looks to you.")}>
    <${Name} who=${who} /><${Address} who=${who} /><${Looks} />
    <${Card} kind="danger" title=${t("Close your account")} lead=${t("You leave every organization, and your name, address and password are erased. It can't be undone.")}><${Closing} /><//><//>`;
}

function Name({ who }) {
  const [name, setName] = useState(who.user.name);
  const sending = useSend(async (body, options) => {
    await patch("/v1/me/profile", body, options);
    await recognize();
    say(t("Your name is saved."));
  });
  const why = name.trim() && name !== who.user.name ? "" : t("Nothing is changed yet");
  const send = (event) => {
    event.preventDefault();
    if (!why) sending.run({ name });
  };
  return html`<form novalidate onSubmit=${send}><${Card} title=${t("Name")} footer=${html`<${Submit} sending=${sending} kind="" why=${why}>${t("Save")}<//>`}>
    <div class="narrow"><${Field} label=${t("Your name")} name="name" autocomplete="name" maxlength="200" value=${name} onInput=${setName} wrong=${sending.wrong("name")} hint=${t("Shown to everybody in your organizations.")} /></div><${FormError} sending=${sending} fields=${["name"]} /><//></form>`;
}

async function waitingChange() {
  try {
    return { data: { waiting: (await get("/v1/me/email-change")).data } };
  } catch (refusal) {
    if (refusal.status !== 404) throw refusal;
    return { data: { waiting: null } };
  }
}

function Address({ who }) {
  const found = useLoad(waitingChange, who.user.email);
  const [dialog, open] = useState(null);
  const close = (done) => {
    open(null);
    if (done) found.reload();
  };
  const taking = useSend(async (options) => {
    await remove("/v1/me/email-change", options);
    say(t("Your address stays as it is."));
    found.reload();
  });
  return html`<${Card} title=${t("E-mail")} footer=${html`<${Button} onClick=${() => open(html`<${ChangeAddress} onClose=${close} />`)}>${t("Change e-mail…")}<//>`}>
    <div class="stack"><p><b>${who.user.email}</b><br /><span class="small quiet">${t("You sign in with it, and get mail there.")}</span></p>
    <${Loaded} from=${found} lines=${1}>${({ waiting }) => waiting ? html`<${Notice} kind="accent" icon="mail" title=${t("Waiting for {email} to confirm", { email: waiting.email })}>
      <p>${t("Open the link in the mail that we sent there. It works until {day}; until then your address stays as it is.", { day: day(waiting.expires_at) })}</p>
      <${Button} busy=${taking.busy} onClick=${() => taking.run()}>${t("Take it back")}<//><${FormError} sending=${taking} /><//>` : null}<//></div><//>${dialog}`;
}

function ChangeAddress({ onClose }) {
  const [email, setEmail] = useState("");
  const act = async (password, options) => {
    await put("/v1/me/email-change", { email, password }, options);
    say(t("A mail to {email} is on its way.", { email }));
  };
  return html`<${ByPassword} passwordOnly danger=${false} title=${t("Change your e-mail")} verb=${t("Send the confirmation")} act=${act} onClose=${onClose} why=${email.trim() ? "" : t("Type the new address first")} fields=${{ email }}>
    ${(sending) => html`<p class="quiet">${t("It becomes yours when the mail to it is answered. Your present address is told, and can undo it.")}</p>
      <${Field} label=${t("New e-mail")} name="email" type="email" autocomplete="email" value=${email} onInput=${setEmail} wrong=${sending.wrong("email")} />`}<//>`;
}

function Looks() {
  const [theme, setTheme] = useState(painted());
  const [keys, setKeys] = useState(keysAreOn());
  const speaking = useSend(async (wanted, options) => {
    await choose(wanted);
    await patch("/v1/me/profile", { language: wanted }, options);
  });
  const themes = [["", t("System theme"), t("Light or dark, as your device says.")], ["light", t("Light theme")], ["dark", t("Dark theme")]];
  return html`<${Card} title=${t("Language and appearance")} lead=${t("Kept in this browser. Mail to you is written in the language that you choose.")}><div class="columns">
    <${Select} label=${t("Language")} value=${language.value} onInput=${speaking.run} options=${Object.entries(LANGUAGES)} />
    <${Choices} legend=${t("Theme")} value=${theme} onInput=${(wanted) => (paint(wanted), setTheme(wanted))} options=${themes} /></div>
    <${Check} flat label=${t("Single keys")} note=${t("j and k move through lists, g and a letter goes to a page; ? shows all. ⌘K always works.")} checked=${keys} onChange=${(on) => (turnKeys(on), setKeys(on))} /><${FormError} sending=${speaking} /><//>`;
}

function Closing() {
  const preview = useLoad(() => get("/v1/me/closure-preview"), "closure");
  const [dialog, open] = useState(null);
  const close = (done) => {
    open(null);
    if (!done) return;
    trust(null);
    me.value = null;
    go("/sign-in", { replace: true });
    say(t("Your account is closed."));
  };
  return html`<${Loaded} from=${preview} lines=${2}>${({ possible, organizations }) => html`
    ${organizations.length ? html`<ul class="impact">${organizations.map((one) => html`<li><span class="row"><b>${one.name}</b><${Badge}>${ROLES()[one.role]}<//>${one.last_admin ? html`<${Badge} kind="warn" icon="warn">${t("You are its only admin")}<//>` : null}</span></li>`)}</ul>` : null}
    ${possible ? null : html`<${Notice} kind="warn" icon="warn" title=${t("An organization would be left without an admin")}><p>${t("Make somebody else an admin there first.")}</p><a class="button" href="${ROOT}/users">${t("To the users")}</a><//>`}
    <div class="row"><${Button} kind="danger" why=${possible ? "" : t("You are the only admin of an organization.")} onClick=${() => open(html`<${CloseAccount} organizations=${organizations} onClose=${close} />`)}>${t("Close your account…")}<//></div>${dialog}`}<//>`;
}

function CloseAccount({ organizations, onClose }) {
  const [typed, setTyped] = useState("");
  const email = me.value.user.email;
  const act = (password, options) => post("/v1/me/closure", { password }, options);
  return html`<${ByPassword} title=${t("Close your account for good?")} verb=${t("Close my account")} act=${act} onClose=${onClose} why=${typed.trim().toLowerCase() === email.toLowerCase() ? "" : t("Type your address first")}>
    <${Notice} kind="danger" icon="warn" title=${t("This can't be undone")}><p>${organizations.length ? t("You leave {names}. What you own there stays, without an owner, for its admins to hand over.", { names: organizations.map((one) => one.name).join(", ") }) : t("Your sign-in stops working at once.")}</p><//>
    <${Field} label=${t("Type {email} to go on", { email })} name="confirmation" autocomplete="off" value=${typed} onInput=${setTyped} data-first /><//>`;
}
