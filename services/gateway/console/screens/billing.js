// The plan: what stands with it, how it is paid, what others would change, slots over time, and invoices.
import { get, post, remove } from "../lib/api.js";
import { html, useSignal, useState } from "../lib/dom.js";
import { ago, day, money, number, t, tn } from "../lib/i18n.js";
import { whyNot } from "../lib/may.js";
import { me, refreshCapabilities, ROOT, say, useLoad } from "../lib/state.js";
import { Badge, Button, Loaded, Meter, Notice, Page } from "../ui/basics.js";
import { Confirm } from "../ui/overlays.js";
import { Invoices } from "./invoices.js";
import { Addressed, Paying } from "./paying.js";
import { PlanProgress } from "./plan-progress.js";
import { ChangePlan, Plans } from "./plans.js";
import { SlotsOverTime } from "./slots-over-time.js";

const STATUSES = () => ({ active: ["ok", t("Active")], trialing: ["accent", t("Trial")], past_due: ["danger", t("Payment is due")], cancelled: ["", t("Cancelled")] });
const isFree = (plan) => plan.prices.month?.amount_minor === 0;

export function Billing() {
  const who = useSignal(me);
  const [dialog, open] = useState(null);
  const subscription = useLoad(() => get("/v1/subscription"), "subscription");
  const plans = useLoad(() => get("/v1/plans"), "plans");
  const organization = useLoad(() => get("/v1/organization"), "organization");
  const close = (done) => {
    open(null);
    if (!done) return;
    [subscription, organization].forEach((one) => one.reload());
    refreshCapabilities();
  };
  const slots = organization.data?.slots;
  return html`<${Page} title=${t("Billing")} org=${who.organization.name} lead=${t("Your plan, what another one would change, and your invoices.")}>
    <${Loaded} from=${subscription}>${(now) => html`<${Standing} now=${now} etag=${subscription.etag} open=${open} close=${close} /><${PlanProgress} key=${subscription.etag} />
      <${Now} now=${now} slots=${slots} free=${plans.data?.data.find(isFree)} open=${open} close=${close} />
      <div class="columns"><${Paying} /><${Addressed} /></div>
      <${Loaded} from=${plans}>${(all) => html`<${Plans} plans=${all.data.filter((one) => !one.by_contract || one.plan === now.plan)} now=${now} slots=${slots} open=${open} close=${close} />`}<//>`}<//>
    <${SlotsOverTime} /><${Invoices} key=${subscription.etag} />${dialog}<//>`;
}

/** What is out of the ordinary, and what to do about it. */
function Standing({ now, etag, open, close }) {
  const owed = useLoad(() => get("/v1/invoices?limit=50"), etag);
  const overdue = (owed.data?.data ?? []).filter((one) => one.status === "overdue");
  const undo = async (options) => {
    await remove("/v1/subscription/changes/scheduled", options);
    say(t("The change is called off."));
  };
  const calling = () => open(html`<${Confirm} title=${t("Call off the change?")} verb=${t("Keep {plan}", { plan: now.plan_name })} act=${undo} onClose=${close}><p>${t("Your plan stays as it is.")}</p><//>`);
  const found = [];
  if (now.test_clock) found.push(html`<${Notice} icon="clock" title=${t("This is a test organization")}><p>${t("In billing it is {day}. Its invoices are never collected.", { day: day(now.test_clock) })}</p><//>`);
  if (now.past_due_since) found.push(html`<${Notice} kind="danger" icon="warn" title=${now.grace_ends_at ? t("A payment is due: {plan} ends {when}", { plan: now.plan_name, when: ago(now.grace_ends_at) }) : t("A payment is due")}>
    <${Grace} now=${now} /><p>${t("Until then everything works, and nothing larger can be bought. Then the plan becomes Free: what only {plan} includes is suspended, nothing is deleted, and the invoice stays to be paid.", { plan: now.plan_name })}</p>
    ${overdue.length ? html`<div class="row">${overdue.slice(0, 3).map((one) => html`<a class="button primary" href="${ROOT}/billing/invoices/${one.id}">${t("Pay {number}: {amount}", { number: one.number, amount: money(one.open) })}</a>`)}</div>` : null}<//>`);
  else if (overdue.length) found.push(html`<${Notice} kind="danger" icon="warn" title=${tn(overdue.length, "{n} invoice is overdue", "{n} invoices are overdue")}><div class="row">${overdue.slice(0, 3).map((one) => html`<a class="button" href="${ROOT}/billing/invoices/${one.id}">${t("Pay {number}: {amount}", { number: one.number, amount: money(one.open) })}</a>`)}</div><//>`);
  if (now.status === "trialing" && now.trial_ends_at) found.push(html`<${Notice} kind="accent" icon="clock" title=${t("The trial ends {when}, on {day}", { when: ago(now.trial_ends_at), day: day(now.trial_ends_at) })}><p>${now.scheduled_change ? t("{plan} follows it.", { plan: now.scheduled_change.plan_name }) : t("Choose a plan below to keep what it allows. Otherwise the plan becomes Free: what only the trial allows is suspended then; nothing is deleted.")}</p><//>`);
  if (now.scheduled_change) found.push(html`<${Notice} kind="warn" icon="clock" title=${t("{plan} from {day}", { plan: now.scheduled_change.plan_name, day: day(now.scheduled_change.effective_at) })}><p>${t("Until then everything stays as it is.")}</p>
    <${Button} why=${whyNot("plan.change")} onClick=${calling}>${t("Call it off…")}<//><//>`);
  return found.length ? html`<div class="stack tight">${found}</div>` : null;
}

/** The days of grace as a line that fills up. */
function Grace({ now }) {
  if (!now.grace_ends_at) return null;
  const [from, to] = [new Date(now.past_due_since), new Date(now.grace_ends_at)];
  const here = now.test_clock ? new Date(now.test_clock) : new Date();
  const spent = Math.min(100, Math.max(0, ((here - from) / (to - from)) * 100));
  return html`<div class="grace"><div class="track" role="img" aria-label=${t("Due since {from}, until {to}", { from: day(from), to: day(to) })}><div class="fill" style=${{ width: `${spent}%` }}></div></div>
    <div class="row spread small" aria-hidden="true"><span>${day(from)}</span><span>${day(to)}</span></div></div>`;
}

function Now({ now, slots, free, open, close }) {
  const trial = async (options) => {
    await post("/v1/subscription/trial", undefined, options);
    say(t("The trial has begun."));
  };
  const startTrial = () => open(html`<${Confirm} title=${t("Start the trial?")} verb=${t("Start trial")} act=${trial} onClose=${close}><p>${t("It costs nothing and ends by itself. What was only possible with it is kept, suspended, when it ends.")}</p><//>`);
  const cancelling = () => open(html`<${ChangePlan} plan=${free} first=${now.interval} title=${t("Cancel {plan}", { plan: now.plan_name })} verb=${t("Cancel {plan}", { plan: now.plan_name })} onClose=${close} />`);
  const [kind, label] = STATUSES()[now.status];
  const facts = [
    [t("Price without tax"), now.price?.amount_minor ? `${money(now.price)} / ${now.interval === "year" ? t("year") : t("month")}` : t("Free of charge")],
    [now.status === "trialing" ? t("Trial ends on") : now.scheduled_change ? t("Ends on") : t("Renews on"), now.period_end ? day(now.period_end) : "–"],
    [t("Credit"), money(now.credit)],
  ];
  const can = free && now.plan !== free.plan && now.status !== "trialing" && now.scheduled_change?.plan !== free.plan;
  return html`<section class="card"><div class="body stack"><div class="row spread"><div class="row"><h2 data-name>${now.plan_name}</h2><${Badge} kind=${kind}>${label}<//></div>
      <div class="row">${now.trial_available ? html`<${Button} kind="primary" why=${whyNot("trial.start")} onClick=${startTrial}>${t("Start trial…")}<//>` : null}
      ${can ? html`<${Button} kind="danger" why=${whyNot("plan.change")} onClick=${cancelling}>${t("Cancel the plan…")}<//>` : null}</div></div>
      <dl class="facts">${facts.map(([name, value]) => html`<div><dt>${name}</dt><dd class="number">${value}</dd></div>`)}</dl>
      ${now.next_invoice?.amount ? html`<${NextInvoice} now=${now} />` : null}
      ${slots ? html`<div class="columns"><${Meter} label=${t("Author slots")} ...${slots.author} /><${Meter} label=${t("Viewer slots")} ...${slots.viewer} /></div>` : null}</div></section>`;
}

/** What the next invoice is made of, as a bar and in words: the plan, what credit pays of it, and the tax. */
function NextInvoice({ now }) {
  const details = useLoad(() => get("/v1/billing-details"), "details");
  const { amount_minor: net, currency } = now.next_invoice.amount;
  const credit = net ? now.credit.amount_minor : Math.min(now.credit.amount_minor, now.price?.amount_minor ?? 0);
  const rate = details.data?.tax_rate ?? 0;
  const tax = Math.round((net * rate) / 10_000);
  const plan = now.scheduled_change?.plan_name ?? now.plan_name;
  const parts = [["plan", plan, net], ["tax", t("Tax, {rate} %", { rate: number(rate / 100) }), tax], ["credit", t("Paid by credit"), credit]].filter(([, , value]) => value);
  const all = parts.reduce((sum, [, , value]) => sum + value, 0);
  const said = parts.map(([, label, value]) => `${label}: ${money({ amount_minor: value, currency })}`);
  if (!details.data || !all) return null;
  return html`<div class="stack tight"><p class="label">${t("The next invoice: {total} on {day}", { total: money({ amount_minor: net + tax, currency }), day: day(now.next_invoice.at) })}</p>
    <div class="shares" role="img" aria-label=${said.join(", ")}>${parts.map(([key, , value]) => html`<span class=${key} style=${{ width: `${(value / all) * 100}%` }}></span>`)}</div>
    <ul class="row small">${parts.map(([key], n) => html`<li class="row"><span class="dot ${key}" aria-hidden="true"></span>${said[n]}</li>`)}</ul></div>`;
}
