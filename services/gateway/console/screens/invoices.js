// Invoices: the list, and one of them line by line, with how it is paid and what corrected it.
import { get, post } from "../lib/api.js";
import { html, useSignal } from "../lib/dom.js";
import { countryName, day, money, number, t } from "../lib/i18n.js";
import { whyNot } from "../lib/may.js";
import { me, ROOT, useList, useLoad } from "../lib/state.js";
import { Badge, Button, Card, Copy, Empty, Icon, Loaded, Notice, Page, When } from "../ui/basics.js";
import { FormError, useSend } from "../ui/forms.js";
import { MoneyLines } from "../ui/money-lines.js";
import { Act, Table } from "../ui/table.js";

const STATES = () => ({ open: ["warn", t("Open")], overdue: ["danger", t("Overdue")], paid: ["ok", t("Paid")], credited: ["", t("Credited")], issued: ["", t("Credit note")] });
/** Why a charge failed, of the codes that providers give most; the others are shown as they are. */
const DECLINED = () => ({ card_declined: t("the bank declined the card"), insufficient_funds: t("the account has too little on it"), expired_card: t("the card has expired"), authentication_required: t("the bank wants it confirmed by you"), processing_error: t("the provider couldn't process it") });
const pdf = (one) => `/v1/invoices/${one.id}/pdf`;
export const toPay = (one) => one.status === "open" || one.status === "overdue";

function State({ one }) {
  const [kind, label] = STATES()[one.status];
  return html`<${Badge} kind=${kind} icon=${one.status === "paid" ? "check" : one.status === "overdue" ? "warn" : undefined}>${label}<//>`;
}

export function Invoices() {
  const list = useList("/v1/invoices");
  const columns = [
    { key: "number", label: t("Number"), cell: (one) => html`<a class="name-link number" href="${ROOT}/billing/invoices/${one.id}">${one.number}</a>` },
    { key: "day", label: t("Issued"), secondary: true, cell: (one) => day(one.issued_at) },
    { key: "total", label: t("Total"), cell: (one) => html`<span class="number">${one.kind === "credit_note" ? "−" : ""}${money(one.total)}</span>` },
    { key: "status", label: t("State"), cell: (one) => html`<${State} one=${one} />${toPay(one) ? html`<div class="small quiet secondary">${t("due on {day}", { day: day(one.due_at) })}</div>` : null}` },
    { key: "act", label: t("Actions"), act: true, cell: (one) => html`<${Act} icon="file" href=${pdf(one)} download name=${t("PDF of {name}", { name: one.number })}>${t("PDF")}<//>` },
  ];
  return html`<${Card} title=${t("Invoices")} plain><${Table} label=${t("Invoices")} list=${list} columns=${columns} empty=${html`<${Empty} icon="file" title=${t("No invoices yet")}>${t("The first comes with a plan that costs something.")}<//>`} /><//>`;
}

export function InvoicePage({ id }) {
  const who = useSignal(me);
  const found = useLoad(() => get(`/v1/invoices/${id}`), id);
  const one = found.data;
  const title = !one ? t("Invoice") : one.kind === "credit_note" ? t("Credit note {number}", { number: one.number }) : t("Invoice {number}", { number: one.number });
  return html`<${Page} title=${title} org=${who.organization.name} crumbs=${html`<a href="${ROOT}/billing">${t("Billing")}</a>`}
    actions=${one ? html`<a class="button" href=${pdf(one)} download><${Icon} name="file" />${t("Download the PDF")}</a>` : null}>
    <${Loaded} from=${found}>${(invoice) => html`${toPay(invoice) ? html`<${ToPay} invoice=${invoice} />` : null}<${Paper} invoice=${invoice} />
      ${invoice.credit_notes.length ? html`<${Corrections} notes=${invoice.credit_notes} />` : null}`}<//><//>`;
}

/** How what is open is settled, where this installation takes money. */
function ToPay({ invoice }) {
  const way = useLoad(() => get("/v1/payment-method"), "way");
  const paying = useSend(async () => {
    const { data } = await post("/v1/payment-method-sessions", { purpose: "pay", invoice_id: invoice.id });
    location.assign(data.url);
  });
  const late = invoice.status === "overdue";
  const title = late ? t("{amount} has been due since {day}", { amount: money(invoice.open), day: day(invoice.due_at) }) : t("{amount} is due on {day}", { amount: money(invoice.open), day: day(invoice.due_at) });
  const failed = invoice.failed_charge;
  return html`<${Notice} kind=${late || failed ? "danger" : "accent"} icon=${late || failed ? "warn" : "card"} title=${title}>
    ${failed ? html`<p>${t("It couldn't be charged on {day}:", { day: day(failed.at) })} ${failed.reason in DECLINED() ? html`${DECLINED()[failed.reason]} (<code>${failed.reason}</code>)` : html`<code>${failed.reason}</code>`}. ${failed.next_try_at ? html`${t("It is tried again")} <${When} at=${failed.next_try_at} />.` : t("It isn't tried again by itself: pay it here, or store another payment method.")}</p>` : null}
    ${!way.data ? null : way.data.provider === "manual" ? html`<${Transfer} invoice=${invoice} />`
      : html`${way.data.method && !failed ? html`<p>${t("It is charged to what you pay by.")}</p>` : null}<${Button} kind="primary" busy=${paying.busy} why=${whyNot("payment_method.manage")} onClick=${() => paying.run()}>${t("Pay now…")}<//>`}
    <${FormError} sending=${paying} /><//>`;
}

function Transfer({ invoice }) {
  return html`<p>${invoice.pay_to ? t("Transfer it to this account, quoting the number of the invoice.") : t("Transfer it to the account that you agreed on with {seller}, quoting the number of the invoice.", { seller: invoice.seller.name })}</p>
    ${invoice.pay_to ? html`<p><code>${invoice.pay_to}</code></p>` : null}
    <div class="row">${invoice.pay_to ? html`<${Copy} text=${invoice.pay_to} label=${t("Copy the account")} />` : null}<${Copy} text=${invoice.number} label=${t("Copy {number}", { number: invoice.number })} /></div>`;
}

function Party({ title, party }) {
  return html`<div><p class="small quiet">${title}</p><p data-name><b>${party.name}</b>${party.address.map((line) => html`<br />${line}`)}${party.country ? html`<br />${countryName(party.country)}` : null}${party.vat_id ? html`<br />${t("VAT id")} ${party.vat_id}` : null}</p></div>`;
}

function Paper({ invoice }) {
  const note = invoice.kind === "credit_note";
  const facts = [
    [t("State"), html`<${State} one=${invoice} />`],
    [t("Issued"), day(invoice.issued_at)],
    note ? [t("Corrects"), html`<a href="${ROOT}/billing/invoices/${invoice.corrects}">${invoice.corrects_number}</a>`] : [t("Due"), day(invoice.due_at)],
    invoice.paid_at ? [t("Paid on"), day(invoice.paid_at)] : null,
    [t("For the time"), invoice.period_end ? t("{from} to {to}", { from: day(invoice.period_start), to: day(invoice.period_end) }) : t("from {from}", { from: day(invoice.period_start) })],
    invoice.reference ? [t("Your reference"), invoice.reference] : null,
  ].filter(Boolean);
  const rate = number(invoice.tax_rate / 100, { maximumFractionDigits: 2 });
  const sums = [[t("Without tax"), invoice.net], [t("Tax, {rate} %", { rate }), invoice.tax], [note ? t("In your favour") : t("Total"), invoice.total, true]];
  return html`<${Card}><div class="stack wide"><dl class="facts">${facts.map(([name, value]) => html`<div><dt>${name}</dt><dd>${value}</dd></div>`)}</dl>
    <div class="columns"><${Party} title=${t("From")} party=${invoice.seller} /><${Party} title=${t("To")} party=${invoice.customer} /></div>
    <section class="stack tight" aria-label=${t("Lines")}><${MoneyLines} lines=${invoice.lines} sums=${sums} />${invoice.tax_note ? html`<p class="small quiet">${TAXED()[invoice.tax_kind] ?? invoice.tax_note}</p>` : null}</section></div><//>`;
}

const TAXED = () => ({
  destination: t("It bears the tax of your country."),
  reverse_charge: t("Reverse charge: you account for the VAT (Art. 196 Directive 2006/112/EC)."),
  outside: t("Not taxable: the place of supply is outside the European Union (Art. 44 Directive 2006/112/EC)."),
});

function Corrections({ notes }) {
  return html`<${Card} plain title=${t("Credit notes")} lead=${t("They correct this invoice, which stays as it was issued.")}><ul class="lines">${notes.map((one) => html`<li key=${one.id}><span><a class="name-link number" href="${ROOT}/billing/invoices/${one.id}">${one.number}</a><br /><small class="quiet">${day(one.issued_at)}</small></span>
    <span class="row"><b class="number">−${money(one.total)}</b><a class="button" href=${pdf(one)} download aria-label=${t("PDF of {name}", { name: one.number })}><${Icon} name="file" />${t("PDF")}</a></span></li>`)}</ul><//>`;
}
