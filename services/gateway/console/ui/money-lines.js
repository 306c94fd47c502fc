// The lines of an invoice or of a change: what each says on paper, and why it is there.
import { html } from "../lib/dom.js";
import { money, t } from "../lib/i18n.js";
import { told } from "../lib/told.js";

/** Why there is such a line, whatever its text on the invoice says. */
function because({ kind, days, of_days: of }) {
  if (kind === "unused") return t("What was paid for and isn't used any more: {days} of {of} days. It counts in your favour.", { days, of });
  if (kind === "balance") return t("Credit from before pays first.");
  if (kind === "kept") return t("More in your favour than is due: it is kept, and pays the next invoices.");
  return days === null ? "" : t("Only the days that are left: {days} of {of}.", { days, of });
}

/** A line of a change that is only foreseen, in the language of the page; what stands on an invoice is told as it stands there. */
function textOf({ kind, text, days, interval, plan_name: plan }) {
  const code = kind === "charge" ? (interval ?? (days === null ? null : "rest")) : kind;
  return plan === undefined ? text : told([`line:${code}`], text, { plan });
}

/** `sums` are `[label, money, strong]` below the lines. */
export function MoneyLines({ lines, sums = [] }) {
  return html`<ul class="sums">${lines.map((one) => html`<li><span><span data-name>${textOf(one)}</span>${because(one) ? html`<br /><small class="quiet">${because(one)}</small>` : null}</span><span class="number">${money(one.amount)}</span></li>`)}
    ${sums.map(([label, sum, strong]) => html`<li class="sum">${strong ? html`<b>${label}</b><b class="number">${money(sum)}</b>` : html`<span>${label}</span><span class="number">${money(sum)}</span>`}</li>`)}</ul>`;
}
