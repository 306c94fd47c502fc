// Setting up a provider: which one, what it has to be told, and what it says of itself.
import { get, post, put } from "../lib/api.js";
import { html, useState } from "../lib/dom.js";
import { language, t } from "../lib/i18n.js";
import { whyNot } from "../lib/may.js";
import { go, ROOT, say, useLoad, whole } from "../lib/state.js";
import { Button, Card, Copy, Icon, Loaded, Notice } from "../ui/basics.js";
import { Check, Choices, Field, FormError, Password, Select, Submit, useSend } from "../ui/forms.js";
import { Dialog } from "../ui/overlays.js";

const PROTOCOLS = () => [["oidc", "OpenID Connect", t("The newer way; choose it where the provider offers both.")], ["saml", "SAML 2.0", t("Where the provider speaks nothing else.")]];
const NEWCOMERS = () => [
  ["approval", t("Wait for an admin"), t("An admin agrees first, and is told by mail.")],
  ["at_once", t("Start at once"), t("As viewers, while there is room in the plan.")],
  ["refused", t("Have to be invited"), t("Nobody else can come in.")],
];
const FIELDS = () => ({
  "oidc.issuer": t("Issuer"),
  "oidc.client_id": t("Client ID"),
  "oidc.client_secret": t("Client secret"),
  "saml.url": t("Address of the metadata"),
  "saml.document": t("Or the document itself"),
});
const steps = () => get(`/v1/sso-providers?language=${language.value}`);

export function NewConnection({ onClose }) {
  const [given, set] = useState({ name: "", provider: "generic", protocol: "oidc", domains: [], new_users: "approval" });
  const change = (name) => (value) => set((was) => ({ ...was, [name]: value }));
  const domains = useLoad(() => whole("/v1/domains"), "domains");
  const providers = useLoad(steps, "providers");
  const proven = (domains.data ?? []).filter((one) => ["verified", "at_risk"].includes(one.status));
  const named = new Map((providers.data?.data ?? []).map((one) => [one.provider, one.name]));
  const sending = useSend(async (body, options) => {
    const { data } = await post("/v1/sso-connections", body, options);
    say(t("{name} is begun.", { name: data.name }));
    go(`/sso/${data.id}`);
  });
  const why = given.name.trim() ? (given.domains.length ? "" : t("Choose a domain first")) : t("Name it first");
  const choose = (name) => (on) => change("domains")(on ? [...given.domains, name] : given.domains.filter((one) => one !== name));
  return html`<${Dialog} title=${t("Set up a provider")} onClose=${onClose} onSubmit=${() => why || sending.run({ ...given, name: given.name.trim() })}
    footer=${html`<${Button} onClick=${onClose}>${t("Cancel")}<//><${Submit} sending=${sending} why=${why}>${t("Go on")}<//>`}>
    <${Field} label=${t("Name")} name="name" maxlength="100" value=${given.name} onInput=${change("name")} wrong=${sending.wrong("name")} hint=${t("Your people see it when they sign in.")} />
    <${Select} label=${t("Provider")} value=${given.provider} onInput=${change("provider")} options=${[...named]} />
    <${Choices} legend=${t("Protocol")} value=${given.protocol} onInput=${change("protocol")} options=${PROTOCOLS()} />
    <${Loaded} from=${domains} lines=${2}>${() => html`<fieldset class="stack tight"><legend class="label small">${t("Domains")}</legend>${proven.map((one) => html`<${Check} label=${one.display_name} checked=${given.domains.includes(one.name)} onChange=${choose(one.name)} />`)}
      ${proven.length ? null : html`<${Notice} kind="warn" icon="globe" title=${t("No domain is proven")}><p>${t("Only a domain that is proven in DNS can be bound.")}</p><a class="button" href="${ROOT}/domains">${t("Domains")}</a><//>`}</fieldset>`}<//>
    <${Choices} legend=${t("Who is new")} value=${given.new_users} onInput=${change("new_users")} options=${NEWCOMERS()} />
    <${FormError} sending=${sending} fields=${["name"]} /><//>`;
}

/** The steps at the provider, with our values, and the form for what it says of itself. */
export function SetUp({ one, reload }) {
  const providers = useLoad(steps, "providers");
  return html`<${Card} title=${t("What to do at the provider")}><${Loaded} from=${providers}>${({ data }) => {
    const found = data.find((each) => each.provider === one.provider && each.protocol === one.protocol);
    return found ? html`<ol class="stack">${found.steps.map((step) => html`<li key=${step.id}><div class="stack tight"><h3>${step.title}</h3>${step.text.map((line) => html`<p>${line}</p>`)}
      ${step.give.length ? html`<dl class="record">${step.give.map((each) => html`<${Told} label=${each.label} value=${one.service_provider[each.value] ?? each.value} />`)}</dl>` : null}
      ${step.take.length ? html`<ul class="impact">${step.take.map((each) => html`<li><${Icon} name="arrow" /><span>${t("“{label}” there goes into “{field}” below", { label: each.label, field: FIELDS()[each.field] ?? each.field })}${each.fixed || each.pattern ? html`: <code>${each.fixed ?? each.pattern.replace("{value}", "…")}</code>` : null}</span></li>`)}</ul>` : null}</div></li>`)}</ol>`
      : html`<dl class="record"><${Told} label="Redirect URI" value=${one.service_provider.redirect_uri} /><${Told} label="ACS URL" value=${one.service_provider.acs_url} /><${Told} label="Entity ID" value=${one.service_provider.entity_id} /></dl>`;
  }}<//><//><${Metadata} one=${one} reload=${reload} />`;
}

function Told({ label, value }) {
  return html`<dt>${label}</dt><dd><code>${value}</code></dd><dd><${Copy} text=${value} label=${t("Copy {label}", { label })} /></dd>`;
}

function Metadata({ one, reload }) {
  const [given, set] = useState({ issuer: one.issuer ?? "", client_id: one.client_id ?? "", client_secret: "", url: one.metadata_url ?? "", document: "", keep: false });
  const change = (name) => (value) => set((was) => ({ ...was, [name]: value.trim() }));
  const oidc = one.protocol === "oidc";
  const ready = oidc ? given.issuer && given.client_id && (given.client_secret || one.secret_set) : given.url || given.document;
  const sending = useSend(async (body, options) => {
    await put(`/v1/sso-connections/${one.id}/metadata`, body, options);
    say(t("What the provider says of itself is imported."));
    reload();
  });
  const { issuer, client_id, client_secret } = given;
  const source = given.document ? { document: given.document } : { url: given.url };
  const body = oidc ? { oidc: { issuer, client_id, ...(client_secret ? { client_secret } : {}) } } : { saml: { ...source, keep_certificates: given.keep } };
  const send = (event) => {
    event.preventDefault();
    if (ready) sending.run(body);
  };
  const at = (name) => sending.wrong(oidc ? `oidc/${name}` : `saml/${name}`);
  return html`<form novalidate onSubmit=${send}><${Card} title=${t("What the provider says of itself")} footer=${html`<${Submit} sending=${sending} kind=${one.issuer ? "" : "primary"} why=${whyNot("sso.manage") || (ready ? "" : t("Fill in the fields first"))}>${t("Import")}<//>`}>
    <div class="stack"><${FormError} sending=${sending} />${oidc ? html`
      <${Field} label=${t("Issuer")} name="issuer" type="url" value=${given.issuer} onInput=${change("issuer")} wrong=${at("issuer")} placeholder="https://" />
      <${Field} label=${t("Client ID")} name="client_id" autocomplete="off" value=${given.client_id} onInput=${change("client_id")} wrong=${at("client_id")} />
      <${Password} label=${t("Client secret")} name="client_secret" autocomplete="off" value=${given.client_secret} onInput=${change("client_secret")} wrong=${at("client_secret")} hint=${one.secret_set ? t("One is kept; leave this empty to go on with it.") : t("It is kept sealed, and never shown again.")} />`
      : html`<${Field} label=${t("Address of the metadata")} name="url" type="url" value=${given.url} onInput=${change("url")} wrong=${at("url")} placeholder="https://" />
      <${Field} area label=${t("Or the document itself")} name="document" rows="4" spellcheck="false" value=${given.document} onInput=${change("document")} wrong=${at("document")} hint=${t("Paste the XML here where the provider gives a file.")} />
      ${one.certificates.length ? html`<${Check} label=${t("Keep the known certificates beside the new ones")} note=${t("While the provider changes over, until they expire.")} checked=${given.keep} onChange=${(keep) => set((was) => ({ ...was, keep }))} />` : null}`}</div><//></form>`;
}
