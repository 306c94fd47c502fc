// A connection's own facts: what it is called, for which domains, and what becomes of who is new; set when it is made, and changed later.
import { patch, post } from "../lib/api.js";
import { html, useState } from "../lib/dom.js";
import { language, t } from "../lib/i18n.js";
import { go, ROOT, say, useLoad, whole } from "../lib/state.js";
import { Button, Loaded, Notice } from "../ui/basics.js";
import { Check, Choices, Field, FormError, Select, Submit, useSend, Wrong } from "../ui/forms.js";
import { Dialog } from "../ui/overlays.js";
import { steps } from "./sso-set-up.js";

const PROTOCOLS = () => [["oidc", "OpenID Connect", t("The newer way; choose it where the provider offers both.")], ["saml", "SAML 2.0", t("Where the provider speaks nothing else.")]];
const NEWCOMERS = () => [
  ["approval", t("Wait for an admin"), t("An admin agrees first, and is told by mail.")],
  ["at_once", t("Start at once"), t("While there is room in the plan.")],
  ["refused", t("Have to be invited"), t("Nobody else can come in.")],
];
const ROLES_OF_NEWCOMERS = () => [["viewer", t("Viewer")], ["analyst", t("Analyst")]];

/** Which proven domains the connection is for. */
function Domains({ value, onInput, wrong }) {
  const domains = useLoad(() => whole("/v1/domains"), "domains");
  const flip = (name) => (on) => onInput(on ? [...value, name] : value.filter((one) => one !== name));
  return html`<${Loaded} from=${domains} lines=${2}>${(all) => {
    const proven = all.filter((one) => ["verified", "at_risk"].includes(one.status));
    const lost = value.filter((name) => !proven.some((one) => one.name === name));
    return html`<fieldset class="stack tight"><legend class="label small">${t("Domains")}</legend>${proven.map((one) => html`<${Check} key=${one.name} label=${html`<span data-name>${one.display_name}</span>`} checked=${value.includes(one.name)} onChange=${flip(one.name)} />`)}
      ${lost.map((name) => html`<${Check} key=${name} label=${html`<span data-name>${name}</span>`} note=${t("It isn't proven any more.")} checked onChange=${flip(name)} />`)}
      ${proven.length ? null : html`<${Notice} kind="warn" icon="globe" title=${t("No domain is proven")}><p>${t("Only a domain that is proven in DNS can be bound.")}</p><a class="button" href="${ROOT}/domains">${t("Domains")}</a><//>`}<${Wrong}>${wrong}<//></fieldset>`;
  }}<//>`;
}

/** What becomes of people of the domains who were never here. */
function WhoIsNew({ given, change, sending }) {
  const groups = useLoad(async () => ({ data: (await whole("/v1/groups")).data.filter((one) => one.kind === "custom") }), "groups");
  const flip = (id) => (on) => change("group_ids")(on ? [...given.group_ids, id] : given.group_ids.filter((one) => one !== id));
  return html`<${Choices} legend=${t("Who is new")} wrong=${sending.wrong("new_users")} value=${given.new_users} onInput=${change("new_users")} options=${NEWCOMERS()} />
    ${given.new_users === "refused" ? null : html`<${Select} label=${t("Their role")} wrong=${sending.wrong("default_role")} value=${given.default_role} onInput=${change("default_role")} options=${ROLES_OF_NEWCOMERS()} hint=${t("An analyst uses an author slot. Nobody becomes an admin by arriving.")} />
      <${Loaded} from=${groups} lines=${1}>${(all) => (all.length ? html`<fieldset class="stack tight"><legend class="label small">${t("Their groups")}</legend><div class="choices list">${all.map((one) => html`<${Check} key=${one.id} flat label=${html`<span data-name>${one.name}</span>`} checked=${given.group_ids.includes(one.id)} onChange=${flip(one.id)} />`)}</div><${Wrong}>${sending.wrong("group_ids")}<//></fieldset>` : null)}<//>`}`;
}

export function NewConnection({ onClose }) {
  const [given, set] = useState({ name: "", provider: "generic", protocol: "oidc", domains: [], new_users: "approval", default_role: "viewer", group_ids: [] });
  const change = (name) => (value) => set((was) => ({ ...was, [name]: value }));
  const providers = useLoad(steps, language.value);
  const named = new Map((providers.data?.data ?? []).map((one) => [one.provider, one.provider === "generic" ? t("Another provider") : one.name]));
  const sending = useSend(async (body, options) => {
    const { data } = await post("/v1/sso-connections", body, options);
    say(t("{name} is begun.", { name: data.name }));
    go(`/sso/${data.id}`);
  });
  const why = given.name.trim() ? (given.domains.length ? "" : t("Choose a domain first")) : t("Name it first");
  return html`<${Dialog} title=${t("Set up a provider")} onClose=${onClose} onSubmit=${() => why || sending.run({ ...given, name: given.name.trim() })}
    footer=${html`<${Button} onClick=${onClose}>${t("Cancel")}<//><${Submit} sending=${sending} why=${why}>${t("Go on")}<//>`}>
    <${Field} label=${t("Name")} name="name" maxlength="100" value=${given.name} onInput=${change("name")} wrong=${sending.wrong("name")} hint=${t("Your people see it when they sign in.")} />
    <${Select} label=${t("Provider")} wrong=${sending.wrong("provider")} value=${given.provider} onInput=${change("provider")} options=${[...named]} />
    <${Choices} legend=${t("Protocol")} wrong=${sending.wrong("protocol")} value=${given.protocol} onInput=${change("protocol")} options=${PROTOCOLS()} />
    <${Domains} value=${given.domains} onInput=${change("domains")} wrong=${sending.wrong("domains")} /><${WhoIsNew} given=${given} change=${change} sending=${sending} />
    <${FormError} sending=${sending} fields=${PLACED} /><//>`;
}

const PLACED = ["name", "provider", "protocol", "domains", "new_users", "default_role", "group_ids"];
/** Lists are the same in any order. */
const same = (one, other) => (Array.isArray(one) ? one.length === other.length && one.every((each) => other.includes(each)) : one === other);

export function ChangeConnection({ one, onClose }) {
  const [edited, set] = useState({});
  const given = { ...one, ...edited };
  const change = (name) => (value) => set((was) => ({ ...was, [name]: value }));
  const wanted = { ...edited, ...("name" in edited ? { name: edited.name.trim() } : {}) };
  const changed = Object.fromEntries(Object.entries(wanted).filter(([name, value]) => !same(value, one[name])));
  const sending = useSend(async (body, options) => {
    const { data } = await patch(`/v1/sso-connections/${one.id}`, body, options);
    say(t("{name} is changed.", { name: data.name }));
    onClose(true);
  });
  const lost = one.domains.filter((name) => !given.domains.includes(name));
  const notYet = one.issuer ? "" : t("Import what the provider says of itself first");
  const why = !given.name.trim() ? t("Name it first") : !given.domains.length ? t("Choose a domain first") : Object.keys(changed).length ? "" : t("Nothing is changed yet");
  return html`<${Dialog} title=${t("Change {name}", { name: one.name })} onClose=${() => onClose(false)} onSubmit=${() => why || sending.run(changed)}
    footer=${html`<${Button} onClick=${() => onClose(false)}>${t("Cancel")}<//><${Submit} sending=${sending} why=${why}>${t("Save")}<//>`}>
    <${Field} label=${t("Name")} name="name" maxlength="100" value=${given.name} onInput=${change("name")} wrong=${sending.wrong("name")} hint=${t("Your people see it when they sign in.")} />
    <${Domains} value=${given.domains} onInput=${change("domains")} wrong=${sending.wrong("domains")} />
    ${one.status === "active" && lost.length ? html`<${Notice} kind="warn" icon="warn" title=${t("People of {domains} use a password again", { domains: lost.join(", ") })}><p>${t("Who has none sets one by “Forgot your password?”.")}</p><//>` : null}
    <${WhoIsNew} given=${given} change=${change} sending=${sending} />
    ${one.protocol === "saml" ? html`<fieldset class="stack tight"><legend class="label small">SAML</legend>
      <${Check} label=${t("Encrypted assertions")} disabled=${Boolean(notYet)} note=${notYet || t("The browser that carries it can't read what the provider says of a person. Read our metadata again there, or upload its certificate for encryption; if it uses AES-CBC (Entra ID, Okta, AD FS), let it sign the whole response.")} checked=${given.encrypt_assertions} onChange=${change("encrypt_assertions")} />
      <${Check} label=${t("Sign-ins may begin at the provider")} disabled=${Boolean(notYet)} note=${notYet || t("A tile in its portal leads here. Nothing then shows that the person's own browser asked for it, so leave it off where nobody needs it. The tile's start address (RelayState) may be a path of this console.")} checked=${given.allow_idp_initiated} onChange=${change("allow_idp_initiated")} /></fieldset>` : null}
    <${FormError} sending=${sending} fields=${PLACED} /><//>`;
}

/** The names of groups that newcomers join, for the list of facts. */
export function GroupsOfNewcomers({ ids }) {
  const found = useLoad(() => whole("/v1/groups"), ids.join());
  if (!ids.length) return html`<span class="quiet">–</span>`;
  return html`<span data-name>${ids.map((id) => found.data?.find((one) => one.id === id)?.name ?? "…").join(", ")}</span>`;
}
