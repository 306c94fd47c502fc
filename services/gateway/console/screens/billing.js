// The plan: what it holds, what others would change, the change itself with its consequences by name, and invoices.
import { get, post, remove } from "../lib/api.js";
import { html, useSignal, useState } from "../lib/dom.js";
import { day, money, t, tn } from "../lib/i18n.js";
import { whyNot } from "../lib/may.js";
import { me, refreshCapabilities, say, useList, useLoad } from "../lib/state.js";
import { Badge, Button, Card, Empty, Icon, Loaded, Meter, Notice, Page, Refused } from "../ui/basics.js";
import { Choices, FormError, Submit, useSend } from "../ui/forms.js";
import { Confirm, Dialog } from "../ui/overlays.js";
import { Table } from "../ui/table.js";

const limit = (n) => (n === null ? t("Unlimited") : n.toLocaleString());
const ROWS = () => [
  [t("Author slots"), (e) => limit(e.author_slots)],
  [t("Viewer slots"), (e) => limit(e.viewer_slots)],
  [t("Sharing with all analysts"), (e) => e.share_all_analysts],
  [t("Your own groups"), (e) => e.custom_groups],
  [t("Single sign-on"), (e) => e.single_sign_on],
  [t("Sharing links"), (e) => e.sharing_links],
  [t("Embedding"), (e) => e.interactive_embedding],
  [t("API keys"), (e) => e.api_keys],
  [t("Audit log"), (e) => tn(e.audit_days, "{n} day", "{n} days")],
];
const STATUSES = () => ({ active: t("Active"), trialing: t("Trial"), past_due: t("Payment is due"), cancelled: t("Cancelled") });

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
  return html`<${Page} title=${t("Billing")} org=${who.organization.name} lead=${t("Your plan, what another one would change, and your invoices.")}>
    <${Loaded} from=${subscription}>${(now) => html`<${Now} now=${now} slots=${organization.data?.slots} open=${open} close=${close} />
      <${Loaded} from=${plans}>${(all) => html`<${Comparison} plans=${all.data.filter((one) => !one.by_contract || one.plan === now.plan)} now=${now} open=${open} close=${close} />`}<//>`}<//>
    <${Invoices} />${dialog}<//>`;
}

function Now({ now, slots, open, close }) {
  const trial = async (options) => {
    await post("/v1/subscription/trial", undefined, options);
    say(t("The trial has begun."));
  };
  const startTrial = () => open(html`<${Confirm} title=${t("Start the trial?")} verb=${t("Start trial")} act=${trial} onClose=${close}><p>${t("It costs nothing and ends by itself. What was only possible with it is kept, suspended, when it ends.")}</p><//>`);
  const undo = async (options) => {
    await remove("/v1/subscription/changes/scheduled", options);
    say(t("The change is called off."));
  };
  const facts = [
    [t("Price"), now.price ? `${money(now.price)} / ${now.interval === "year" ? t("year") : t("month")}` : t("Free of charge")],
    [t("Period ends"), now.period_end ? day(now.period_end) : "–"],
    [t("Next invoice"), now.next_invoice ? `${money(now.next_invoice.amount)} · ${day(now.next_invoice.at)}` : "–"],
    [t("Credit"), money(now.credit)],
  ];
  return html`${now.scheduled_change ? html`<${Notice} kind="warn" icon="clock" title=${t("{plan} from {day}", { plan: now.scheduled_change.plan_name, day: day(now.scheduled_change.effective_at) })}><p>${t("Until then everything stays as it is.")}</p>
      <${Button} why=${whyNot("plan.change")} onClick=${() => open(html`<${Confirm} title=${t("Call off the change?")} verb=${t("Keep {plan}", { plan: now.plan_name })} act=${undo} onClose=${close}><p>${t("Your plan stays as it is.")}</p><//>`)}>${t("Call it off…")}<//><//>` : null}
    <section class="card"><div class="body stack"><div class="row spread"><div class="row"><h2>${now.plan_name}</h2><${Badge} kind=${now.status === "past_due" ? "danger" : now.status === "trialing" ? "accent" : "ok"}>${STATUSES()[now.status]}${now.trial_ends_at && now.status === "trialing" ? ` · ${t("until {day}", { day: day(now.trial_ends_at) })}` : ""}<//></div>
      ${now.trial_available ? html`<${Button} kind="primary" why=${whyNot("trial.start")} onClick=${startTrial}>${t("Start trial…")}<//>` : null}</div>
      <dl class="facts">${facts.map(([name, value]) => html`<div><dt>${name}</dt><dd class="number">${value}</dd></div>`)}</dl>
      ${slots ? html`<div class="columns"><${Meter} label=${t("Author slots")} ...${slots.author} /><${Meter} label=${t("Viewer slots")} ...${slots.viewer} /></div>` : null}</div></section>`;
}

function Comparison({ plans, now, open, close }) {
  const why = whyNot("plan.change");
  const value = (one) => (one === true ? html`<${Icon} name="check" label=${t("included")} />` : one === false ? html`<span class="quiet" aria-label=${t("not included")} role="img">–</span>` : one);
  const rows = ROWS().map(([name, read]) => ({ name, values: plans.map((plan) => read(plan.entitlements)) }));
  return html`<${Card} title=${t("Compare plans")} plain><div class="scroll" role="region" aria-label=${t("Compare plans")} tabindex="0"><table><thead><tr><td></td>${plans.map((plan) => html`<th scope="col"><b>${plan.name}</b><div class="small">${plan.prices.month ? `${money(plan.prices.month)} / ${t("month")}` : plan.by_contract ? t("By contract") : t("Free of charge")}</div></th>`)}</tr></thead>
    <tbody>${rows.map((row) => html`<tr><th scope="row">${row.name}</th>${row.values.map((one) => html`<td>${value(one)}</td>`)}</tr>`)}
      <tr><td></td>${plans.map((plan) => html`<td>${plan.plan === now.plan && now.status !== "trialing" ? html`<${Badge} kind="accent" icon="check">${t("Your plan")}<//>` : html`<${Button} why=${plan.by_contract ? t("By contract") : why} aria-label=${t("Change to {plan}", { plan: plan.name })} onClick=${() => open(html`<${ChangePlan} plan=${plan} onClose=${close} />`)}>${t("Choose…")}<//>`}</td>`)}</tr></tbody></table></div><//>`;
}

function ChangePlan({ plan, onClose }) {
  const [interval, setInterval] = useState("month");
  const preview = useLoad(() => post("/v1/subscription/change-previews", { plan: plan.plan, interval }), interval);
  const sending = useSend(async (fingerprint, options) => {
    const { data } = await post("/v1/subscription/changes", { plan: plan.plan, interval, fingerprint }, options);
    say(data.scheduled_change ? t("The change is set for {day}.", { day: day(data.scheduled_change.effective_at) }) : t("{plan} is your plan now.", { plan: data.plan_name }));
    onClose(true);
  });
  const stale = sending.error?.code === "fingerprint_mismatch";
  const why = preview.data && !preview.busy && !preview.error ? "" : t("The consequences are being worked out");
  const both = plan.prices.month?.amount_minor && plan.prices.year?.amount_minor;
  return html`<${Dialog} large title=${t("Change to {plan}", { plan: plan.name })} onClose=${() => onClose(false)} onSubmit=${() => why || sending.run(preview.data.fingerprint)}
    footer=${html`<${Button} onClick=${() => onClose(false)}>${t("Cancel")}<//><${Submit} sending=${sending} why=${why}>${t("Change to {plan}", { plan: plan.name })}<//>`}>
    ${stale ? html`<${Notice} kind="warn" icon="warn" title=${t("Something changed since you looked")} role="alert"><${Button} onClick=${preview.reload}>${t("Show what is there now")}<//><//>` : html`<${FormError} sending=${sending} />`}
    ${both ? html`<${Choices} legend=${t("Paid")} value=${interval} onInput=${setInterval} options=${[["month", t("Monthly"), money(plan.prices.month)], ["year", t("Yearly"), money(plan.prices.year)]]} />` : null}
    <${Loaded} from=${preview} lines=${4}>${(found) => html`<${Consequences} preview=${found} />`}<//><//>`;
}

function Consequences({ preview }) {
  const { resources, money: amounts } = preview;
  const lines = [];
  const add = (icon, count, one, many, names) => count && lines.push([icon, tn(count, one, many), names]);
  add("groups", resources.groups_suspended.length, "{n} group gives no access any more", "{n} groups give no access any more", resources.groups_suspended.map((one) => one.name));
  add("groups", resources.groups_resumed.length, "{n} group gives access again", "{n} groups give access again", resources.groups_resumed.map((one) => one.name));
  add("share", resources.dashboards_losing_count, "{n} dashboard is seen by fewer people", "{n} dashboards are seen by fewer people", resources.dashboards_losing.map((one) => `${one.title} (−${one.losing_count})`));
  add("share", resources.dashboards_gaining_count, "{n} dashboard is seen by more people", "{n} dashboards are seen by more people", resources.dashboards_gaining.map((one) => `${one.title} (+${one.gaining_count})`));
  add("users", resources.losing_author_slot.length, "{n} person acts as a viewer from then on", "{n} people act as viewers from then on", resources.losing_author_slot.map((one) => one.name));
  return html`<div class="stack"><dl class="facts"><div><dt>${t("Takes effect")}</dt><dd>${preview.effective === "now" ? t("At once") : day(preview.effective_at)}</dd></div>
      <div><dt>${t("Due now")}</dt><dd class="number">${money(amounts.due_now)}</dd></div><div><dt>${t("Next invoice")}</dt><dd class="number">${amounts.next_invoice ? `${money(amounts.next_invoice.amount)} · ${day(amounts.next_invoice.at)}` : "–"}</dd></div></dl>
    ${lines.length ? html`<${Notice} kind=${preview.direction === "downgrade" ? "warn" : "accent"} icon="info" title=${t("What changes")}><ul class="impact">${lines.map(([icon, text, names]) => html`<li><${Icon} name=${icon} /><span><b>${text}</b>${names.length ? html`<br /><span class="small">${names.slice(0, 8).join(", ")}${names.length > 8 ? " …" : ""}</span>` : null}</span></li>`)}</ul>
      ${preview.direction === "downgrade" ? html`<p class="small">${t("Nothing is deleted. Everything comes back exactly with a plan that includes it.")}</p>` : null}<//>` : html`<p class="quiet">${t("Nobody gains or loses access.")}</p>`}</div>`;
}

const PAID = () => ({ open: t("Open"), overdue: t("Overdue"), paid: t("Paid"), credited: t("Credited"), issued: t("Issued") });

function Invoices() {
  const list = useList("/v1/invoices");
  const columns = [
    { key: "number", label: t("Number"), cell: (one) => html`<b class="number">${one.number}</b>` },
    { key: "day", label: t("Issued"), cell: (one) => day(one.issued_at) },
    { key: "total", label: t("Total"), cell: (one) => html`<span class="number">${money(one.total)}</span>` },
    { key: "status", label: t("State"), secondary: true, cell: (one) => html`<${Badge} kind=${{ paid: "ok", overdue: "danger", open: "warn" }[one.status] ?? ""}>${PAID()[one.status]}<//>` },
    { key: "act", label: t("Actions"), act: true, cell: (one) => html`<a class="button" href="/v1/invoices/${one.id}/pdf" download aria-label=${t("PDF of {name}", { name: one.number })}>PDF</a>` },
  ];
  return html`<${Card} title=${t("Invoices")} plain><${Table} label=${t("Invoices")} list=${list} columns=${columns} empty=${html`<${Empty} icon="file" title=${t("No invoices yet")} />`} /><//>`;
}
