// Plans beside each other, and changing to one with its consequences by name.
import { post } from "../lib/api.js";
import { html, useState } from "../lib/dom.js";
import { day, lasting, money, number, t, tn } from "../lib/i18n.js";
import { whyNot } from "../lib/may.js";
import { say, useLoad } from "../lib/state.js";
import { Badge, Button, Card, Icon, Loaded, Notice } from "../ui/basics.js";
import { Choices, FormError, Select, Submit, useSend } from "../ui/forms.js";
import { MoneyLines } from "../ui/money-lines.js";
import { Dialog } from "../ui/overlays.js";

const limit = (n) => (n === null ? t("Unlimited") : number(n));
const DOMAINS = () => ({ none: t("Only that of the sign-up"), proven: t("Those proven in DNS"), any: t("Any") });
const ROWS = () => [
  [t("Author slots"), (e) => limit(e.author_slots), "author"],
  [t("Viewer slots"), (e) => limit(e.viewer_slots), "viewer"],
  [t("Sharing with all analysts"), (e) => e.share_all_analysts],
  [t("Your own groups"), (e) => e.custom_groups],
  [t("More e-mail domains"), (e) => DOMAINS()[e.additional_domains] ?? e.additional_domains],
  [t("Single sign-on"), (e) => e.single_sign_on],
  [t("Provisioning (SCIM)"), (e) => e.scim],
  [t("Sharing links"), (e) => e.sharing_links],
  [t("Embedding"), (e) => e.interactive_embedding],
  [t("API keys"), (e) => e.api_keys],
  [t("Audit log"), (e) => lasting(e.audit_days)],
];

export function Plans({ plans, now, slots, open, close }) {
  const [interval, setInterval] = useState(now.interval);
  const why = whyNot("plan.change");
  const mine = (plan) => plan.plan === now.plan && now.status !== "trialing";
  const value = (one) => (one === true ? html`<${Icon} name="check" label=${t("included")} />` : one === false ? html`<span class="quiet" aria-label=${t("not included")} role="img">–</span>` : one);
  const price = (plan) => {
    const at = plan.prices[interval];
    if (!at) return plan.by_contract ? t("By contract") : t("Free of charge");
    return at.amount_minor ? `${money(at)} / ${interval === "year" ? t("year") : t("month")}` : t("Free of charge");
  };
  const rows = ROWS().map(([name, read, slot]) => ({ name, used: slots && slot ? slots[slot].used : null, values: plans.map((plan) => read(plan.entitlements)) }));
  const choosing = (plan) => open(html`<${ChangePlan} plan=${plan} first=${interval} onClose=${close} />`);
  return html`<${Card} title=${t("Compare plans")} lead=${t("Prices are without tax.")} plain>
    <div class="toolbar"><${Select} hidden slim label=${t("Prices")} value=${interval} onInput=${setInterval} options=${[["month", t("Paid monthly")], ["year", t("Paid yearly")]]} /></div>
    <div class="scroll" role="region" aria-label=${t("Compare plans")} tabindex="0"><table><thead><tr><td></td>${plans.map((plan) => html`<th scope="col" class=${mine(plan) ? "mine" : ""}><b data-name>${plan.name}</b><div class="small">${price(plan)}</div></th>`)}</tr></thead>
    <tbody>${rows.map((row) => html`<tr><th scope="row">${row.name}${row.used === null ? null : html`<div class="small quiet">${tn(row.used, "{n} in use", "{n} in use")}</div>`}</th>${row.values.map((one, n) => html`<td class=${mine(plans[n]) ? "mine" : ""}>${value(one)}</td>`)}</tr>`)}
      <tr><td></td>${plans.map((plan) => html`<td class=${mine(plan) ? "mine" : ""}>${mine(plan) ? html`<${Badge} kind="accent" icon="check">${t("Your plan")}<//>` : html`<${Button} why=${plan.by_contract ? t("By contract") : why} aria-label=${t("Change to {plan}", { plan: plan.name })} onClick=${() => choosing(plan)}>${t("Choose…")}<//>`}</td>`)}</tr></tbody></table></div><//>`;
}

/** `title` and `verb` where it isn't simply a change, as when a plan is given up. */
export function ChangePlan({ plan, first = "month", title, verb, onClose }) {
  const [interval, setInterval] = useState(first);
  const preview = useLoad(() => post("/v1/subscription/change-previews", { plan: plan.plan, interval }), interval);
  const sending = useSend(async (fingerprint, options) => {
    const { data } = await post("/v1/subscription/changes", { plan: plan.plan, interval, fingerprint }, options);
    say(data.scheduled_change ? t("The change is set for {day}.", { day: day(data.scheduled_change.effective_at) }) : t("{plan} is your plan now.", { plan: data.plan_name }));
    onClose(true);
  });
  const stale = sending.error?.code === "fingerprint_mismatch";
  const why = preview.data && !preview.busy && !preview.error ? "" : t("The consequences are being worked out");
  const both = plan.prices.month?.amount_minor && plan.prices.year?.amount_minor;
  const doing = verb ?? t("Change to {plan}", { plan: plan.name });
  return html`<${Dialog} large title=${title ?? doing} onClose=${() => onClose(false)} onSubmit=${() => why || sending.run(preview.data.fingerprint)}
    footer=${html`<${Button} onClick=${() => onClose(false)}>${verb ? t("Close") : t("Cancel")}<//><${Submit} sending=${sending} kind=${verb ? "primary danger" : "primary"} why=${why}>${doing}<//>`}>
    ${stale ? html`<${Notice} kind="warn" icon="warn" title=${t("Something changed since you looked")} role="alert"><${Button} onClick=${preview.reload}>${t("Show what is there now")}<//><//>` : html`<${FormError} sending=${sending} />`}
    ${both ? html`<${Choices} legend=${t("Paid")} value=${interval} onInput=${setInterval} options=${[["month", t("Monthly"), t("{amount} without tax", { amount: money(plan.prices.month) })], ["year", t("Yearly"), t("{amount} without tax", { amount: money(plan.prices.year) })]]} />` : null}
    <${Loaded} from=${preview} lines=${4}>${(found) => html`<${Consequences} preview=${found} />`}<//><//>`;
}

/** What is paid now and with the next invoice: without tax, the tax, and in total. */
function Sums({ amounts }) {
  const next = amounts.next_invoice;
  const parts = [[t("Due now"), amounts.due_now, amounts.tax, amounts.total_now], ...(next ? [[t("Next invoice, on {day}", { day: day(next.at) }), next.amount, next.tax, next.total]] : [])];
  return html`<div class="columns">${parts.map(([name, net, tax, total]) => html`<div class="stack tight" role="group" aria-label=${name}><p class="label small">${name}</p>
      <${MoneyLines} lines=${[]} sums=${[[t("Without tax"), net], [t("Tax"), tax], [t("Total"), total, true]]} /></div>`)}</div>
    ${next ? null : html`<p class="small quiet">${t("No other invoice follows.")}</p>`}`;
}

function Consequences({ preview }) {
  const { resources, money: amounts } = preview;
  const lines = [];
  const add = (icon, count, one, many, names) => count && lines.push([icon, tn(count, one, many), names]);
  add("groups", resources.groups_suspended_count, "{n} group gives no access any more", "{n} groups give no access any more", resources.groups_suspended.map((one) => one.name));
  add("groups", resources.groups_resumed_count, "{n} group gives access again", "{n} groups give access again", resources.groups_resumed.map((one) => one.name));
  add("share", resources.dashboards_losing_count, "{n} dashboard is seen by fewer people", "{n} dashboards are seen by fewer people", resources.dashboards_losing.map((one) => `${one.title} (−${one.losing_count})`));
  add("share", resources.dashboards_gaining_count, "{n} dashboard is seen by more people", "{n} dashboards are seen by more people", resources.dashboards_gaining.map((one) => `${one.title} (+${one.gaining_count})`));
  const bare = (one) => one.name;
  add("link", resources.links_suspended_count, "{n} sharing link doesn't open any more", "{n} sharing links don't open any more", resources.links_suspended.map(bare));
  add("link", resources.links_resumed_count, "{n} sharing link opens again", "{n} sharing links open again", resources.links_resumed.map(bare));
  add("globe", resources.domains_suspended.length, "{n} domain takes no invitations any more", "{n} domains take no invitations any more", resources.domains_suspended.map(bare));
  add("globe", resources.domains_resumed.length, "{n} domain takes invitations again", "{n} domains take invitations again", resources.domains_resumed.map(bare));
  add("users", resources.losing_author_slot.length, "{n} person acts as a viewer from then on", "{n} people act as viewers from then on", resources.losing_author_slot.map((one) => one.name));
  return html`<div class="stack"><dl class="facts"><div><dt>${t("Takes effect")}</dt><dd>${preview.effective === "now" ? t("At once") : day(preview.effective_at)}</dd></div></dl>
    <${Sums} amounts=${amounts} />
    ${amounts.lines.length ? html`<details class="more"><summary>${t("How the amount without tax is worked out")}</summary><${MoneyLines} lines=${amounts.lines} /></details>` : null}
    ${lines.length ? html`<${Notice} kind=${preview.direction === "downgrade" ? "warn" : "accent"} icon="info" title=${t("What changes")}><ul class="impact">${lines.map(([icon, text, names]) => html`<li><${Icon} name=${icon} /><span><b>${text}</b>${names.length ? html`<br /><span class="small">${names.slice(0, 8).join(", ")}${names.length > 8 ? " …" : ""}</span>` : null}</span></li>`)}</ul>
      ${preview.direction === "downgrade" ? html`<p class="small">${t("Nothing is deleted. Everything comes back exactly with a plan that includes it.")}</p>` : null}<//>` : html`<p class="quiet">${t("Nobody gains or loses access.")}</p>`}</div>`;
}
