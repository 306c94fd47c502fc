// The overview: what wants attention, how full the plan is, what happened lately, and what is still to be set up.
import { get } from "../lib/api.js";
import { html, useSignal } from "../lib/dom.js";
import { day, t, tn } from "../lib/i18n.js";
import { me, ROOT, useLoad } from "../lib/state.js";
import { Badge, Button, Card, Empty, Icon, Loaded, Meter, Notice, Page } from "../ui/basics.js";
import { Area, Bars, Figure, Ring } from "../ui/charts.js";
import { Happenings } from "../ui/happening.js";
import { attention, steps } from "./attention.js";

const DAY_MS = 86_400_000;
const DAYS = 30;
const rows = (answer) => answer.data.data;
const ASKED = {
  organization: ["/v1/organization", (one) => one.data],
  subscription: ["/v1/subscription", (one) => one.data],
  domains: ["/v1/domains?limit=100", rows],
  secrets: ["/v1/embed-secrets", rows],
  documents: ["/v1/legal/documents?limit=100", rows],
  dpa: ["/v1/legal/dpa", (one) => one.data],
  policy: ["/v1/security-policy", (one) => one.data],
  without: ["/v1/security-policy/roster?two_factor=false&limit=1", (one) => one.data.page.total],
  pending: ["/v1/invitations?status=pending&limit=100", rows],
  waiting: ["/v1/users/approvals?limit=1", (one) => one.data.page.total],
  people: ["/v1/users?limit=1", (one) => one.data.page.total],
  boards: ["/v1/dashboards?limit=50", (one) => rows(one).filter((board) => board.my_access.some((way) => way !== "ownership") || !["nobody", null].includes(board.shared_with)).length],
  held: ["/v1/provisioning", (one) => one.data.removals_held],
  app: ["/v1/me/totp", (one) => ["active", "frozen"].includes(one.data.status)],
  keys: ["/v1/me/passkeys?limit=1", (one) => one.data.data.length > 0],
};

/** Everything at once; what couldn't be had is named in `missing`, and the rest is shown all the same. */
async function facts() {
  const names = Object.keys(ASKED);
  const answers = await Promise.allSettled(names.map((name) => get(ASKED[name][0])));
  if (answers.every((one) => one.status === "rejected")) throw answers[0].reason;
  const found = Object.fromEntries(names.flatMap((name, n) => (answers[n].status === "fulfilled" ? [[name, ASKED[name][1](answers[n].value)]] : [])));
  const known = "app" in found && "keys" in found;
  return { data: { ...found, mine: known ? found.app || found.keys : undefined, missing: answers.filter((one) => one.status === "rejected").length } };
}

export function Overview() {
  const who = useSignal(me);
  const found = useLoad(facts, "overview");
  return html`<${Page} title=${t("Overview")} org=${who.organization.name} lead=${t("What wants your attention, and how things stand.")}>
    <${Loaded} from=${found} lines=${10}>${(data) => html`
      ${data.missing ? html`<${Notice} kind="warn" icon="warn" title=${t("A part of it couldn't be looked at")} role="alert"><${Button} onClick=${found.reload} busy=${found.busy}>${t("Try again")}<//><//>` : null}
      ${who.organization.closed ? null : html`<${SetUp} list=${steps(data)} /><${Attention} items=${attention(data).filter((item) => !steps(data).some((step) => step.key === item.key && !step.done))} />`}
      <div class="columns"><${Slots} organization=${data.organization} subscription=${data.subscription} /><${Happened} /></div><${Latest} />`}<//><//>`;
}

function Attention({ items }) {
  if (!items.length) return html`<${Card} title=${t("Attention")}><div class="row"><${Badge} kind="ok" icon="check">${t("All is well")}<//><span class="quiet">${t("Nothing waits for you.")}</span></div><//>`;
  return html`<${Card} plain title=${t("Attention")} lead=${tn(items.length, "{n} thing.", "{n} things, the most urgent first.")}><ul class="lines">${items.map((one) => html`<li key=${one.key}><span class="person"><span class="avatar ${one.kind}" aria-hidden="true"><${Icon} name=${one.icon} /></span>
    <span><b>${one.title}</b><small>${one.why}</small></span></span><a class="button" href="${ROOT}${one.to}">${one.verb}</a></li>`)}</ul><//>`;
}

function SetUp({ list }) {
  const done = list.filter((one) => one.done).length;
  if (done === list.length) return null;
  return html`<${Card} plain title=${html`<span class="row"><${Ring} done=${done} of=${list.length} />${t("Setting up: {done} of {of}", { done, of: list.length })}</span>`}><ul class="lines">${list.map((one) => html`<li key=${one.key}><span class="person"><span class="avatar ${one.done ? "ok" : "open"}" aria-hidden="true">${one.done ? html`<${Icon} name="check" />` : null}</span>
    <span>${one.done ? html`<span class="quiet">${one.title}</span><span class="visually-hidden">${t("done")}</span>` : html`<a class="name-link" href="${ROOT}${one.to}">${one.title}</a><small>${one.why}</small>`}</span></span>${one.done ? null : html`<span class="quiet"><${Icon} name="arrow" /></span>`}</li>`)}</ul><//>`;
}

function Slots({ organization, subscription }) {
  const usage = useLoad(() => get(`/v1/usage/slots?from=${since(89)}`), "usage");
  const all = usage.data?.days ?? [];
  const days = all.slice(Math.max(0, all.findIndex((one) => one.author + one.viewer > 0)));
  const counts = days.map((one) => one.author);
  const limit = usage.data?.limits.author ?? null;
  return html`<${Card} title=${t("Slots")} lead=${subscription ? t("In the plan {plan}.", { plan: subscription.plan_name }) : undefined} footer=${html`<a class="button" href="${ROOT}/billing">${t("Billing")}</a>`}><div class="stack">
    ${organization ? html`<${Meter} label=${t("Author slots (admins and analysts)")} ...${organization.slots.author} /><${Meter} label=${t("Viewer slots")} ...${organization.slots.viewer} />` : null}
    ${days.length > 1 ? html`<${Figure} sentence=${t("Author slots, day by day: {first} at first, {last} at last.", { first: counts[0], last: counts.at(-1) })} head=${[t("Day"), t("Author slots"), t("Viewer slots")]} rows=${days.map((one) => [day(one.day), one.author, one.viewer])} from=${day(days[0].day)} to=${day(days.at(-1).day)} legend=${t("Author slots held, day by day")}><${Area} counts=${counts} limit=${limit} /><//>` : null}</div><//>`;
}

const since = (days) => new Date(Date.now() - days * DAY_MS).toISOString().slice(0, 10);

function Happened() {
  const found = useLoad(() => get(`/v1/audit-entries/histogram?interval=day&from=${since(DAYS - 1)}T00:00:00Z`), "histogram");
  const footer = html`<a class="button" href="${ROOT}/audit">${t("Audit log")}</a>`;
  return html`<${Card} title=${t("What happened")} lead=${t("Entries in the audit log, the last 30 days.")} footer=${footer}><${Loaded} from=${found} lines=${3}>${({ bars }) => {
    const counted = Object.fromEntries(bars.map((one) => [one.at.slice(0, 10), one.count]));
    const days = Array.from({ length: DAYS }, (_, n) => since(DAYS - 1 - n));
    const counts = days.map((one) => counted[one] ?? 0);
    const all = counts.reduce((sum, one) => sum + one, 0);
    return html`<${Figure} sentence=${tn(all, "{n} entry in 30 days.", "{n} entries in 30 days.")} head=${[t("Day"), t("Entries")]} rows=${days.map((one, n) => [day(one), counts[n]])} from=${day(days[0])} to=${t("today")}><${Bars} counts=${counts} /><//>`;
  }}<//><//>`;
}

function Latest() {
  const found = useLoad(() => get("/v1/audit-entries?limit=50"), "latest");
  const told = (data) => data.filter((one) => !one.action.startsWith("identity.session.")).slice(0, 6);
  return html`<${Card} plain title=${t("Latest")}><${Loaded} from=${found} lines=${5}>${({ data }) => told(data).length ? html`<${Happenings} entries=${told(data)} />`
    : html`<${Empty} icon="log" title=${t("Nothing has happened yet")} />`}<//><//>`;
}
