// Setting up a provider: which one, what it has to be told, and what it says of itself.
import { get, put } from "../lib/api.js";
import { html, useId, useState } from "../lib/dom.js";
import { textOf } from "../lib/files.js";
import { language, t } from "../lib/i18n.js";
import { whyNot } from "../lib/may.js";
import { say, useLoad } from "../lib/state.js";
import { Card, Copy, Icon, Loaded } from "../ui/basics.js";
import { Check, Field, FormError, Password, Submit, useSend } from "../ui/forms.js";

const FIELDS = () => ({
  "oidc.issuer": t("Issuer"),
  "oidc.client_id": t("Client ID"),
  "oidc.client_secret": t("Client secret"),
  "saml.url": t("Address of the metadata"),
  "saml.document": t("Or the file of the metadata"),
});
const FIELDS_SENT = { oidc: ["oidc/issuer", "oidc/client_id", "oidc/client_secret"], saml: ["saml/url", "saml/document"] };
export const steps = () => get(`/v1/sso-providers?language=${language.value}`);

/** The steps at the provider, with our values, and the form for what it says of itself. */
export function SetUp({ one, reload }) {
  const providers = useLoad(steps, language.value);
  return html`<${Card} title=${t("What to do at the provider")}><${Loaded} from=${providers}>${({ data }) => {
    const found = data.find((each) => each.provider === one.provider && each.protocol === one.protocol);
    return found ? html`<ol class="stack numbered">${found.steps.map((step) => html`<li key=${step.id}><div class="stack tight"><h3>${step.title}</h3>${step.text.map((line) => html`<p>${line}</p>`)}
      ${step.give.length ? html`<dl class="record">${step.give.map((each) => html`<${Told} label=${each.label} value=${one.service_provider[each.value] ?? each.value} />`)}</dl>` : null}
      ${step.take.length ? html`<ul class="impact">${step.take.map((each) => html`<li><${Icon} name="arrow" /><span>${t("“{label}” there goes into “{field}” below", { label: each.label, field: FIELDS()[each.field] ?? each.field })}${each.fixed || each.pattern ? html`: <code>${each.fixed ?? each.pattern.replace("{value}", "…")}</code>` : null}</span></li>`)}</ul>` : null}</div></li>`)}</ol>`
      : html`<dl class="record"><${Told} label="Redirect URI" value=${one.service_provider.redirect_uri} /><${Told} label="ACS URL" value=${one.service_provider.acs_url} /><${Told} label="Entity ID" value=${one.service_provider.entity_id} /></dl>`;
  }}<//><//><${Metadata} one=${one} reload=${reload} />`;
}

function Told({ label, value }) {
  return html`<div class="fact"><dt>${label}</dt><dd><code>${value}</code></dd><dd><${Copy} text=${value} name=${t("Copy {label}", { label })} /></dd></div>`;
}

function Metadata({ one, reload }) {
  const id = useId();
  const [given, set] = useState({ issuer: one.issuer ?? "", client_id: one.client_id ?? "", client_secret: "", url: one.metadata_url ?? "", document: "", keep: false, sign: one.sign_requests });
  const change = (name) => (value) => set((was) => ({ ...was, [name]: value.trim() }));
  const oidc = one.protocol === "oidc";
  const ready = oidc ? given.issuer && given.client_id && (given.client_secret || one.secret_set) : given.url || given.document;
  const sending = useSend(async (body, options) => {
    await put(`/v1/sso-connections/${one.id}/metadata`, body, options);
    await reload();
    say(t("What the provider says of itself is imported."));
  });
  const { issuer, client_id, client_secret } = given;
  const source = given.document ? { document: given.document } : { url: given.url };
  const body = oidc ? { oidc: { issuer, client_id, ...(client_secret ? { client_secret } : {}) } } : { saml: { ...source, keep_certificates: given.keep, sign_requests: given.sign } };
  const send = (event) => {
    event.preventDefault();
    if (ready) sending.run(body);
  };
  const read = async (event) => {
    const [file] = event.target.files;
    if (file) change("document")(await textOf(file));
  };
  const at = (name) => sending.wrong(oidc ? `oidc/${name}` : `saml/${name}`);
  return html`<form novalidate onSubmit=${send}><${Card} title=${t("What the provider says of itself")} footer=${html`<${Submit} sending=${sending} kind=${one.issuer ? "" : "primary"} why=${whyNot("sso.manage") || (ready ? "" : t("Fill in the fields first"))}>${t("Import")}<//>`}>
    <div class="stack"><${FormError} sending=${sending} fields=${FIELDS_SENT[one.protocol]} />${oidc ? html`
      <${Field} label=${t("Issuer")} name="issuer" type="url" value=${given.issuer} onInput=${change("issuer")} wrong=${at("issuer")} placeholder="https://" />
      <${Field} label=${t("Client ID")} name="client_id" autocomplete="off" value=${given.client_id} onInput=${change("client_id")} wrong=${at("client_id")} />
      <${Password} label=${t("Client secret")} name="client_secret" autocomplete="off" value=${given.client_secret} onInput=${change("client_secret")} wrong=${at("client_secret")} hint=${one.secret_set ? t("One is kept; leave this empty to go on with it.") : t("It is kept sealed, and never shown again.")} />`
      : html`<${Field} label=${t("Address of the metadata")} name="url" type="url" value=${given.url} onInput=${change("url")} wrong=${at("url")} placeholder="https://" />
      <div class="field"><label for=${id}>${t("Or the file of the metadata")}</label><input id=${id} class="input" type="file" accept=".xml,text/xml,application/xml,application/samlmetadata+xml" onChange=${read} /></div>
      <${Field} area label=${t("Or the document itself")} name="document" rows="4" spellcheck="false" value=${given.document} onInput=${change("document")} wrong=${at("document")} hint=${t("The XML, as the file has it.")} />
      ${one.certificates.length ? html`<${Check} label=${t("Keep the known certificates beside the new ones")} note=${t("While the provider changes over, until they expire.")} checked=${given.keep} onChange=${(keep) => set((was) => ({ ...was, keep }))} />` : null}
      <${Check} label=${t("Sign our requests")} note=${t("Where the provider wants them signed; the key is in our metadata.")} checked=${given.sign} onChange=${(sign) => set((was) => ({ ...was, sign }))} />`}</div><//></form>`;
}
