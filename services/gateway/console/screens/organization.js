// The organization: its details, what it gets mailed, its identifiers.
import { get, patch } from "../lib/api.js";
import { html, useSignal, useState } from "../lib/dom.js";
import { day, t } from "../lib/i18n.js";
import { whyNot } from "../lib/may.js";
import { me, recognize, say, useGuard, useLoad } from "../lib/state.js";
import { Button, Card, Copy, Loaded, Notice, Page } from "../ui/basics.js";
import { Check, Field, FormError, Select, Submit, useSend } from "../ui/forms.js";

export function Organization() {
  const who = useSignal(me);
  const found = useLoad(() => get("/v1/organization"), "organization");
  return html`<${Page} title=${t("Organization")} org=${who.organization.name} lead=${t("What your organization is called, and how it is reached.")}>
    <${Loaded} from=${found}>${(data) => html`<${Details} key=${found.etag} data=${data} etag=${found.etag} reload=${found.reload} />
      <${Card} title=${t("Identifiers")}><dl class="facts"><div><dt>${t("Id")}</dt><dd><code>${data.id}</code></dd></div><div><dt>${t("Data location")}</dt><dd>${data.location === "eu" ? t("European Union") : t("United States")}</dd></div><div><dt>${t("Created")}</dt><dd>${day(data.created_at)}</dd></div></dl><div class="row"><${Copy} text=${data.id} label=${t("Copy the id")} /></div><//>`}<//><//>`;
}

function Details({ data: loaded, etag: loadedEtag, reload }) {
  const [{ data, etag }, keep] = useState({ data: loaded, etag: loadedEtag });
  const [given, set] = useState(data);
  const change = (name) => (value) => set((was) => ({ ...was, [name]: value }));
  const names = ["name", "contact_email", "time_zone", "week_start", "product_mails"];
  const changed = Object.fromEntries(names.filter((name) => given[name] !== data[name]).map((name) => [name, given[name]]));
  const dirty = Object.keys(changed).length > 0;
  useGuard(dirty, () => t("Leave without saving your changes?"));
  const sending = useSend(async (body, options) => {
    // What is typed while this is on its way stays: the form goes on from the answer.
    keep(await patch("/v1/organization", body, { ...options, etag }));
    await recognize();
    say(t("The organization is saved."));
  });
  const send = (event) => {
    event.preventDefault();
    if (dirty) sending.run(changed);
  };
  const zones = [...new Set([data.time_zone, ...Intl.supportedValuesOf("timeZone")])].map((one) => [one, one]);
  const stale = sending.error?.code === "precondition_failed";
  return html`<form novalidate onSubmit=${send}><${Card} title=${t("Details")} footer=${html`<span class="small quiet" role="status">${dirty ? t("Unsaved changes") : ""}</span>${dirty ? html`<${Button} onClick=${() => set(data)}>${t("Discard")}<//>` : null}<${Submit} sending=${sending} why=${whyNot("organization.manage") || (dirty ? "" : t("Nothing is changed yet"))}>${t("Save")}<//>`}>
    <div class="stack">${stale ? html`<${Notice} kind="warn" icon="warn" title=${t("Somebody else changed this meanwhile")} role="alert"><${Button} onClick=${reload}>${t("Show what is there now")}<//><//>` : html`<${FormError} sending=${sending} fields=${names} />`}
      <div class="columns"><${Field} label=${t("Company name")} name="name" maxlength="200" value=${given.name} onInput=${change("name")} wrong=${sending.wrong("name")} />
        <${Field} label=${t("Contact e-mail")} name="contact_email" type="email" value=${given.contact_email} onInput=${change("contact_email")} wrong=${sending.wrong("contact_email")} />
        <${Select} label=${t("Time zone")} value=${given.time_zone} onInput=${change("time_zone")} options=${zones} />
        <${Select} label=${t("Week begins on")} value=${given.week_start} onInput=${change("week_start")} options=${[["monday", t("Monday")], ["sunday", t("Sunday")]]} /></div>
      <${Check} label=${t("Product news")} note=${t("News about features go to the contact e-mail, at most monthly.")} checked=${given.product_mails} onChange=${change("product_mails")} /></div><//></form>`;
}
