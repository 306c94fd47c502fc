// How the organization pays, and whom invoices are addressed to.
import { get, post, put } from "../lib/api.js";
import { html, useState } from "../lib/dom.js";
import { countries, countryName, number, t } from "../lib/i18n.js";
import { whyNot } from "../lib/may.js";
import { say, useLoad } from "../lib/state.js";
import { Badge, Button, Card, Copy, Icon, Loaded, Notice } from "../ui/basics.js";
import { Field, FormError, Select, Submit, useSend } from "../ui/forms.js";
import { Dialog } from "../ui/overlays.js";

export function Paying() {
  const way = useLoad(() => get("/v1/payment-method"), "way");
  const leaving = useSend(async (purpose) => {
    const { data } = await post("/v1/payment-method-sessions", { purpose });
    location.assign(data.url);
  });
  const why = whyNot("payment_method.manage");
  const go = (purpose, label, kind) => html`<${Button} kind=${kind} why=${why} busy=${leaving.busy} onClick=${() => leaving.run(purpose)}>${label}<//>`;
  const hosted = way.data && way.data.provider !== "manual";
  const footer = !hosted ? null : way.data.method ? html`${go("manage", t("Manage payment methods…"), "")}` : html`${go("add", t("Store a payment method…"), "primary")}`;
  return html`<${Card} title=${t("How you pay")} footer=${footer}><${Loaded} from=${way} lines=${2}>${(found) => (found.provider === "manual" ? html`<${ByTransfer} way=${found} />` : html`<${ByCard} way=${found} />`)}<//><${FormError} sending=${leaving} /><//>`;
}

function ByTransfer({ way }) {
  return html`<div class="stack tight"><p class="row"><${Icon} name="building" /><b>${t("By bank transfer")}</b></p>
    <p class="quiet">${way.payment_days === null ? t("No invoices are issued here.") : t("Invoices come by mail to the billing address. Pay each within {n} days, quoting its number; it counts as paid once the money has arrived.", { n: way.payment_days })}</p>
    ${way.pay_to ? html`<p><code class="secret" data-name>${way.pay_to}</code></p><div class="row"><${Copy} text=${way.pay_to} label=${t("Copy the account")} /></div>` : null}</div>`;
}

function ByCard({ way: { method, payment_days: days } }) {
  if (!method) return html`<${Notice} kind="accent" icon="card" title=${t("No payment method is stored")}><p>${t("Store one, and each invoice is charged to it when it is issued. Or pay every invoice by itself, within {n} days.", { n: days ?? "–" })}</p><//>`;
  return html`<div class="stack tight"><p class="row"><${Icon} name="card" /><b data-name>${method.brand.toUpperCase()} •••• ${method.last4}</b>${method.expires ? html`<${Badge}>${t("until {month}", { month: method.expires })}<//>` : null}</p>
    <p class="quiet">${t("Each invoice is charged to it when it is issued. Card numbers are typed at the payment provider and never pass through here.")}</p></div>`;
}

const TAXES = () => ({
  domestic: (rate) => t("Invoices bear {rate} % tax.", { rate }),
  destination: (rate) => t("Invoices bear the tax of your country, {rate} %.", { rate }),
  reverse_charge: () => t("Invoices bear no tax: you account for it (reverse charge)."),
  outside: () => t("Invoices bear no tax: you are outside the European Union."),
});

export function Addressed() {
  const found = useLoad(() => get("/v1/billing-details"), "details");
  const [dialog, open] = useState(null);
  const close = (done) => {
    open(null);
    if (done) found.reload();
  };
  const edit = () => open(html`<${EditDetails} data=${found.data} etag=${found.etag} reload=${found.reload} onClose=${close} />`);
  return html`<${Card} title=${t("Billing address")} footer=${html`<${Button} why=${whyNot("billing.manage") || (found.data && !found.busy ? "" : t("Loading…"))} onClick=${edit}>${t("Change the billing address…")}<//>`}><${Loaded} from=${found} lines=${3}>${(one) => html`<div class="stack tight">
    <p data-name><b>${one.company}</b>${one.address.map((line) => html`<br />${line}`)}${one.country ? html`<br />${countryName(one.country)}` : null}</p>
    <p class="small"><span class="quiet">${t("Invoices go to")}</span> ${one.email}</p>
    ${one.vat_id ? html`<p class="small"><span class="quiet">${t("VAT id")}</span> <span class="number">${one.vat_id}</span></p>` : null}${one.reference ? html`<p class="small"><span class="quiet">${t("Your reference")}</span> ${one.reference}</p>` : null}
    ${one.country ? null : html`<${Notice} kind="warn" icon="warn" title=${t("Nobody has said where you are")}><p>${t("The address and the country decide how invoices are taxed.")}</p><//>`}
    ${one.tax_kind ? html`<p class="small quiet">${TAXES()[one.tax_kind](percent(one.tax_rate))}</p>` : null}</div>`}<//><//>${dialog}`;
}

const percent = (rate) => number(rate / 100, { maximumFractionDigits: 2 });
const FIELDS = ["company", "address", "country", "vat_id", "email", "reference"];

function EditDetails({ data, etag, reload, onClose }) {
  const [given, set] = useState({ company: data.company, address: data.address.join("\n"), country: data.country ?? "", vat_id: data.vat_id ?? "", email: data.email, reference: data.reference ?? "" });
  const change = (name) => (value) => set((was) => ({ ...was, [name]: value }));
  const sending = useSend(async (body, options) => {
    await put("/v1/billing-details", body, { ...options, etag });
    say(t("The billing address is saved. It stands on invoices from now on."));
    onClose(true);
  });
  const lines = given.address.split("\n").map((one) => one.trim()).filter(Boolean);
  const why = !given.company.trim() || !lines.length || !given.country || !given.email.trim() ? t("Fill in company, address, country and e-mail first") : "";
  const body = { company: given.company.trim(), address: lines, country: given.country, vat_id: given.vat_id.trim() || null, email: given.email.trim(), reference: given.reference.trim() || null };
  const stale = sending.error?.code === "precondition_failed";
  const again = () => {
    onClose(false);
    reload();
  };
  return html`<${Dialog} title=${t("Change the billing address")} onClose=${() => onClose(false)} onSubmit=${() => why || sending.run(body)}
    footer=${html`<${Button} onClick=${() => onClose(false)}>${t("Cancel")}<//><${Submit} sending=${sending} why=${why}>${t("Save")}<//>`}>
    ${stale ? html`<${Notice} kind="warn" icon="warn" title=${t("Somebody else changed this meanwhile")} role="alert"><${Button} onClick=${again}>${t("Show what is there now")}<//><//>` : html`<${FormError} sending=${sending} fields=${FIELDS} />`}
    <${Field} label=${t("Company")} name="company" autocomplete="organization" maxlength="200" value=${given.company} onInput=${change("company")} wrong=${sending.wrong("company")} />
    <${Field} area label=${t("Address")} name="address" autocomplete="street-address" value=${given.address} onInput=${change("address")} wrong=${sending.wrong("address")} hint=${t("Street, postcode and place: up to six lines, without the country.")} />
    <${Select} label=${t("Country")} name="country" autocomplete="country" value=${given.country} onInput=${change("country")} options=${[["", t("Choose a country")], ...countries()]} wrong=${sending.wrong("country")} />
    <${Field} label=${t("VAT id")} name="vat_id" autocomplete="off" maxlength="30" value=${given.vat_id} onInput=${change("vat_id")} wrong=${sending.wrong("vat_id")} hint=${t("In the European Union, with the country's letters. You may leave it empty.")} />
    <${Field} label=${t("Billing e-mail")} name="email" type="email" autocomplete="email" value=${given.email} onInput=${change("email")} wrong=${sending.wrong("email")} hint=${t("Invoices and reminders go there.")} />
    <${Field} label=${t("Your reference")} name="reference" autocomplete="off" maxlength="200" value=${given.reference} onInput=${change("reference")} wrong=${sending.wrong("reference")} hint=${t("Such as an order number. It stands on each invoice.")} /><//>`;
}
