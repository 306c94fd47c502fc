// The form of the organization's details and preferences: saved explicitly, and honest when somebody else was faster.
import { get, patch } from "../lib/api.js";
import { html, useState } from "../lib/dom.js";
import { countries, t } from "../lib/i18n.js";
import { whyNot } from "../lib/may.js";
import { recognize, say, useGuard, useLoad } from "../lib/state.js";
import { Button, Card, Notice, When } from "../ui/basics.js";
import { Check, Field, FormError, Select, Submit, useSend } from "../ui/forms.js";

const DETAILS = ["name", "contact_email", "product_mails"];
const PREFERENCES = ["country", "time_zone", "week_start", "number_format", "date_format"];
const NUMBERS = ["1,234.56", "1.234,56", "1 234,56", "1'234.56"];
const DATES = ["YYYY-MM-DD", "YYYY/MM/DD", "YYYY.MM.DD", "DD.MM.YYYY", "DD/MM/YYYY", "DD-MM-YYYY", "MM/DD/YYYY"];
const LABELS = () => ({ name: t("Company name"), contact_email: t("Contact e-mail"), product_mails: t("Product news"), country: t("Country"), time_zone: t("Time zone"), week_start: t("Week begins on"), number_format: t("Numbers"), date_format: t("Dates") });
const different = (names, one, other) => Object.fromEntries(names.filter((name) => one[name] !== other[name]).map((name) => [name, one[name]]));

/** Details and preferences as one; both are of the organization's one version. */
export async function loadOrganization() {
  const [organization, preferences] = await Promise.all([get("/v1/organization"), get("/v1/organization/preferences")]);
  return { data: { ...organization.data, ...preferences.data }, etag: organization.etag };
}

export function Details({ data: loaded, etag: loadedEtag, reload }) {
  const [{ data, etag }, keep] = useState({ data: loaded, etag: loadedEtag });
  const [given, set] = useState(data);
  const [filled, fill] = useState(null);
  const change = (name) => (value) => set((was) => ({ ...was, [name]: value }));
  const details = different(DETAILS, given, data);
  const preferences = different(PREFERENCES, given, data);
  const dirty = Object.keys(details).length + Object.keys(preferences).length > 0;
  useGuard(dirty, () => t("Leave without saving your changes?"));
  const sending = useSend(async (body, also, version) => {
    // What is typed while this is on its way stays: the form goes on from the answer.
    let now = { data, etag: version };
    if (Object.keys(body).length) now = await saved("/v1/organization", body, now);
    if (Object.keys(also).length) now = await saved("/v1/organization/preferences", also, now);
    await recognize();
    fill(null);
    say(t("The organization is saved."));
  });
  const saved = async (path, body, now) => {
    const answer = await patch(path, body, { etag: now.etag });
    const next = { data: { ...now.data, ...answer.data }, etag: answer.etag };
    keep(next);
    return next;
  };
  const send = (event) => {
    event.preventDefault();
    if (dirty) sending.run(details, preferences, etag);
  };
  const choose = async (code) => {
    change("country")(code);
    if (!code) return;
    const { data: preset } = await get(`/v1/organization/preferences/presets/${code}`);
    fill(preset.name);
    set((was) => ({ ...was, country: code, time_zone: preset.time_zone ?? was.time_zone, week_start: preset.week_start, number_format: preset.number_format, date_format: preset.date_format }));
  };
  const zones = [...new Set([data.time_zone, given.time_zone, ...Intl.supportedValuesOf("timeZone")])].map((one) => [one, one]);
  const stale = sending.error?.code === "precondition_failed";
  const names = [...DETAILS, ...PREFERENCES];
  const overwrite = (version) => sending.run(details, preferences, version);
  return html`<form novalidate onSubmit=${send} class="stack">${stale ? html`<${Stale} refusal=${sending.error} mine=${{ ...details, ...preferences }} before=${data} reload=${reload} overwrite=${overwrite} />` : html`<${FormError} sending=${sending} fields=${names} />`}
    <${Card} title=${t("Details")}><div class="stack"><div class="columns"><${Field} label=${t("Company name")} name="name" maxlength="200" value=${given.name} onInput=${change("name")} wrong=${sending.wrong("name")} />
        <${Field} label=${t("Contact e-mail")} name="contact_email" type="email" value=${given.contact_email} onInput=${change("contact_email")} wrong=${sending.wrong("contact_email")} /></div>
      <${Check} label=${t("Product news")} note=${t("News about features go to the contact e-mail, at most monthly.")} checked=${given.product_mails} onChange=${change("product_mails")} />
      <p class="small quiet">${t("Who invoices are addressed to, with the VAT id, is under Billing.")}</p></div><//>
    <${Card} title=${t("Preferences")} lead=${t("How your dashboards and this console write times, numbers and dates, for everybody. The first day of the week is for dashboards.")} footer=${html`<span class="small quiet" role="status">${dirty ? t("Unsaved changes") : ""}</span>${dirty ? html`<${Button} onClick=${() => { set(data); fill(null); }}>${t("Discard")}<//>` : null}<${Submit} sending=${sending} why=${whyNot("organization.manage") || (dirty ? "" : t("Nothing is changed yet"))}>${t("Save")}<//>`}><div class="stack">
      <div class="columns"><${Select} label=${t("Country")} value=${given.country ?? ""} wrong=${sending.wrong("country")} onInput=${choose} options=${[...(given.country ? [] : [["", t("Not chosen")]]), ...countries()]} hint=${t("Fills in what is usual there.")} />
        <${Select} label=${t("Time zone")} value=${given.time_zone} wrong=${sending.wrong("time_zone")} onInput=${change("time_zone")} options=${zones} />
        <${Select} label=${t("Week begins on")} value=${given.week_start} wrong=${sending.wrong("week_start")} onInput=${change("week_start")} options=${[["monday", t("Monday")], ["saturday", t("Saturday")], ["sunday", t("Sunday")]]} />
        <${Select} label=${t("Numbers")} value=${given.number_format} wrong=${sending.wrong("number_format")} onInput=${change("number_format")} options=${NUMBERS.map((one) => [one, one])} />
        <${Select} label=${t("Dates")} value=${given.date_format} wrong=${sending.wrong("date_format")} onInput=${change("date_format")} options=${DATES.map((one) => [one, one])} /></div>
      <p class="visually-hidden" role="status">${filled ? t("Filled in as usual in {country}.", { country: filled }) : ""}</p></div><//></form>`;
}

/** Somebody else was faster: who, what is different now, and both ways on. */
function Stale({ refusal, mine, before, reload, overwrite }) {
  const found = useLoad(async () => {
    const [now, by] = await Promise.all([loadOrganization(), refusal.meta.changed_by?.startsWith("usr_") ? get(`/v1/users/${refusal.meta.changed_by}`).then(({ data }) => data.name, () => null) : null]);
    return { data: { now: now.data, etag: now.etag, by } };
  }, refusal.requestId);
  const { now, etag, by } = found.data ?? {};
  const theirs = now ? Object.keys(different([...DETAILS, ...PREFERENCES], now, before)) : [];
  const shown = (value) => (value === true ? t("yes") : value === false ? t("no") : (value ?? "–"));
  return html`<${Notice} kind="warn" icon="warn" title=${by ? t("{name} changed this meanwhile", { name: by }) : t("Somebody else changed this meanwhile")} role="alert">
    ${refusal.meta.changed_at ? html`<p class="small"><${When} at=${refusal.meta.changed_at} /></p>` : null}
    ${theirs.length ? html`<ul class="plain-list">${theirs.map((name) => html`<li key=${name}><b>${LABELS()[name]}</b>: <del>${shown(before[name])}</del> → <ins>${shown(now[name])}</ins>${name in mine ? html` · ${t("yours: {value}", { value: shown(mine[name]) })}` : null}</li>`)}</ul>` : null}
    <div class="row"><${Button} onClick=${reload}>${t("Show what is there now")}<//>${etag ? html`<${Button} onClick=${() => overwrite(etag)}>${t("Save mine all the same")}<//>` : null}</div><//>`;
}
