// The audit log: who did what, when, from where; narrowed down by what is clicked as well as by what is typed.
import { get, post } from "../lib/api.js";
import { html, useSignal, useState } from "../lib/dom.js";
import { inWords } from "../lib/events.js";
import { day, lasting, t, tn } from "../lib/i18n.js";
import { ACTIONS, actorOf, provenBy, resultOf, sentence } from "../lib/sentences.js";
import { me, refine, ROOT, route, useList, useLoad } from "../lib/state.js";
import { NAMES, QUALIFIERS, termsOf, withTerm, written } from "../lib/terms.js";
import { Badge, Button, Card, Icon, Page, useResting, When } from "../ui/basics.js";
import { Choices, Field, FormError, Search, Submit, useSend } from "../ui/forms.js";
import { filled, Histogram } from "../ui/histogram.js";
import { Dialog } from "../ui/overlays.js";
import { Progress, useOperation } from "../ui/progress.js";
import { Nothing, Table } from "../ui/table.js";
import { EntryDialog } from "./audit-entry.js";

export { EntryPage } from "./audit-entry.js";

const DAY_MS = 86_400_000;
const RANGES = { "24h": 1, "7d": 7, "30d": 30 };
const RANGE_NAMES = () => [["24h", t("24 hours")], ["7d", t("7 days")], ["30d", t("30 days")], ["all", t("All")], ["custom", t("Custom…")]];

/** Links of other pages name one thing each; here everything is a term. */
function asked(query) {
  const old = ["action", "actor", "target"].filter((name) => query.get(name)).map((name) => ({ name, value: query.get(name), negated: false }));
  return old.reduce(withTerm, termsOf(query.get("q") ?? ""));
}

function spanOf(query) {
  if (query.get("from") || query.get("to")) return { range: "custom", from: query.get("from"), to: query.get("to") };
  const range = query.get("range") in RANGES ? query.get("range") : query.get("range") === "all" || (query.get("q") ?? "").includes("created:") ? "all" : "30d";
  return { range, from: range === "all" ? null : new Date(Math.floor(Date.now() / 60_000) * 60_000 - RANGES[range] * DAY_MS).toISOString(), to: null };
}

const intervalOf = (length) => (length <= 8 * DAY_MS ? "hour" : length <= 200 * DAY_MS ? "day" : "week");

export function Audit() {
  const who = useSignal(me);
  const { query } = useSignal(route);
  const [text, setText] = useState("");
  const [dialog, open] = useState(null);
  const resting = useResting(text, 350).trim();
  const terms = asked(query);
  const typed = resting.includes(":") ? [] : termsOf(resting);
  const q = written([...terms, ...typed]);
  const span = spanOf(query);
  const filter = new URLSearchParams(Object.entries({ q, from: span.from, to: span.to }).filter(([, value]) => value));
  const keep = (changed, more = {}) => refine({ q: written(changed), action: "", actor: "", target: "", ...more });
  const add = () => {
    keep(termsOf(text).reduce(withTerm, terms));
    setText("");
  };
  const clear = () => {
    setText("");
    keep([], { range: "", from: "", to: "" });
  };
  const list = useList(`/v1/audit-entries${filter.size ? `?${filter}` : ""}`);
  const narrow = (name, value, negated = false) => {
    open(null);
    keep(withTerm(terms, { name, value, negated }));
  };
  const names = new Map((list.rows ?? []).flatMap((one) => [...(one.actor?.name ? [[one.actor.id, one.actor.name]] : []), ...Object.entries(one.people), ...(one.target_name ? [[one.target_id, one.target_name]] : [])]));
  const show = (one) => (event) => {
    if (event.metaKey || event.ctrlKey || event.shiftKey || event.button) return;
    event.preventDefault();
    open(html`<${EntryDialog} entry=${one} narrow=${narrow} onClose=${() => open(null)} />`);
  };
  const columns = [
    { key: "what", label: t("What happened"), cell: (one) => html`<a class="name-link sentence" href="${ROOT}/audit/${one.id}" onClick=${show(one)}>${sentence(one)}</a>${resultOf(one) ? html` <${Badge} kind="danger">${resultOf(one)}<//>` : null}` },
    { key: "who", label: t("By whom"), secondary: true, cell: (one) => html`<span class="person"><span><span>${actorOf(one)}</span>${provenBy(one.actor_amr) ? html`<small>${provenBy(one.actor_amr)}</small>` : null}</span></span>` },
    { key: "from", label: t("From"), secondary: true, cell: (one) => (one.source_ip ? html`<code>${one.source_ip}</code>` : html`<span class="quiet">–</span>`) },
    { key: "when", label: t("When"), cell: (one) => html`<${When} at=${one.at} />` },
  ];
  const empty = html`<${Nothing} filtered=${q || span.range !== "all"} clear=${clear} icon="log" title=${t("Nothing has happened yet")} />`;
  return html`<${Page} title=${t("Audit log")} org=${who.organization.name} lead=${t("Everything that changed, by whom and when. Nothing in it can be changed.")}
    actions=${html`<${Button} icon="file" why=${list.rows?.length === 0 ? t("Nothing matches") : ""} onClick=${() => open(html`<${ExportDialog} filter=${filter} total=${list.total} capped=${list.capped} onClose=${() => open(null)} />`)}>${t("Export…")}<//>`}>
    <${Card} plain><div class="toolbar"><form class="with-icon" onSubmit=${(event) => { event.preventDefault(); add(); }}><${Search} label=${t("Search, or actor:ana -action:identity.*")} value=${text} onInput=${setText} list="qualifiers" /></form>
        <datalist id="qualifiers">${[...QUALIFIERS.map((name) => `${name}:`), ...new Set(ACTIONS.map((one) => `action:${one.split(".").slice(0, 2).join(".")}.*`))].map((one) => html`<option value=${one} />`)}</datalist>
        <${Ranges} span=${span} open=${open} /></div>
      ${terms.length ? html`<${Terms} terms=${terms} names=${names} keep=${keep} clear=${clear} />` : null}
      <div class="body"><${Picture} filter=${filter} span=${span} /></div><//>
    <${Card} plain><${Table} label=${t("Audit log")} list=${list} columns=${columns} empty=${list.rows?.length === 0 && (q || span.range !== "all") ? html`<div>${empty}<p class="small quiet centered">${filterInWords([...terms, ...typed], span, names)}</p></div>` : empty} /><${Retention} /><//>${dialog}<//>`;
}

function Ranges({ span, open }) {
  const choose = (range) => (range === "custom" ? open(html`<${CustomRange} span=${span} onClose=${() => open(null)} />`) : refine({ range: range === "30d" ? "" : range, from: "", to: "" }));
  return html`<div class="segments" role="group" aria-label=${t("Time")}>${RANGE_NAMES().map(([key, name]) => html`<button type="button" aria-pressed=${String(span.range === key)} onClick=${() => choose(key)}>${key === "custom" && span.range === key ? inWordsOf(span) : name}</button>`)}</div>`;
}

const inWordsOf = ({ from, to }) => `${from ? day(from) : "…"} – ${to ? day(new Date(to).getTime() - 1) : t("today")}`;

function CustomRange({ span, onClose }) {
  const [from, setFrom] = useState(span.from?.slice(0, 10) ?? "");
  const [to, setTo] = useState(span.to ? new Date(new Date(span.to).getTime() - 1).toISOString().slice(0, 10) : "");
  const wrong = from && to && from > to ? t("ends before it begins") : "";
  const set = () => {
    if (wrong) return;
    onClose();
    refine({ range: from || to ? "" : "all", from: from && `${from}T00:00:00Z`, to: to && new Date(new Date(`${to}T00:00:00Z`).getTime() + DAY_MS).toISOString() });
  };
  return html`<${Dialog} title=${t("Which time")} onClose=${onClose} onSubmit=${set} footer=${html`<${Button} onClick=${onClose}>${t("Cancel")}<//><${Button} type="submit" kind="primary">${t("Show")}<//>`}>
    <div class="columns"><${Field} type="date" label=${t("From (UTC)")} value=${from} onInput=${setFrom} data-first /><${Field} type="date" label=${t("Until, with that day (UTC)")} value=${to} onInput=${setTo} wrong=${wrong} /></div><//>`;
}

const valueOf = (term, names) => (term.name === "action" && !term.value.includes("*") ? inWords(term.value) : names.get(term.value) ?? term.value);

function Terms({ terms, names, keep, clear }) {
  const without = (term) => terms.filter((one) => one !== term);
  return html`<ul class="row terms" aria-label=${t("Filters")}>${terms.map((term) => {
    const words = `${NAMES()[term.name]}: ${valueOf(term, names)}`;
    return html`<li key=${written([term])} class="chip ${term.negated ? "without" : ""}"><span>${term.negated ? html`<b>${t("not")} </b>` : null}${words}</span>
      ${term.name === "created" ? null : html`<button type="button" title=${term.negated ? t("Show only these") : t("Leave these out")} aria-label=${term.negated ? t("Show only: {words}", { words }) : t("Leave out: {words}", { words })} onClick=${() => keep(terms.map((one) => (one === term ? { ...term, negated: !term.negated } : one)))}><${Icon} name=${term.negated ? "check" : "minus"} /></button>`}
      <button type="button" aria-label=${t("Remove the filter {words}", { words })} onClick=${() => keep(without(term))}><${Icon} name="close" /></button></li>`;
  })}<li><${Button} kind="plain small" onClick=${clear}>${t("Clear filters")}<//></li></ul>`;
}

function filterInWords(terms, span, names) {
  const time = span.range === "all" ? "" : span.range === "custom" ? inWordsOf(span) : RANGE_NAMES().find(([key]) => key === span.range)[1];
  return t("Looked for: {filter}", { filter: [...terms.map((term) => `${term.negated ? `${t("not")} ` : ""}${NAMES()[term.name]}: ${valueOf(term, names)}`), time].filter(Boolean).join(" · ") });
}

function Picture({ filter, span }) {
  const now = Date.now();
  const to = span.to ? new Date(span.to).getTime() : now;
  const interval = span.from ? intervalOf(to - new Date(span.from).getTime()) : "day";
  const asked = new URLSearchParams([...filter, ["interval", interval]]);
  const found = useLoad(() => get(`/v1/audit-entries/histogram?${asked}`), `${asked}`);
  if (!found.data) return html`<div class="chart waiting" aria-busy=${found.error ? undefined : "true"}></div>`;
  const { bars } = found.data;
  const from = span.from ? new Date(span.from).getTime() : bars.length ? new Date(bars[0].at).getTime() : to - RANGES["30d"] * DAY_MS;
  const choose = (first, end) => refine({ range: "", from: new Date(first).toISOString(), to: new Date(end).toISOString() });
  return html`<${Histogram} bars=${filled(bars, found.data.interval, from, to)} interval=${found.data.interval} choose=${choose} />`;
}

/** How far back the plan shows the log. */
function Retention() {
  const plan = useLoad(() => get("/v1/subscription"), "subscription");
  if (!plan.data) return null;
  const long = lasting(plan.data.entitlements.audit_days);
  return html`<p class="table-foot small quiet">${t("Your plan {plan} shows the last {long}. Older entries are kept, and shown again with a larger plan.", { plan: plan.data.plan_name, long })}</p>`;
}

function ExportDialog({ filter, total, capped, onClose }) {
  const [format, setFormat] = useState("csv");
  const [begun, setBegun] = useState(null);
  const sending = useSend(async (body, options) => setBegun((await post("/v1/audit-exports", body, options)).data));
  const footer = begun ? html`<${Button} onClick=${onClose}>${t("Close")}<//>` : html`<${Button} onClick=${onClose}>${t("Cancel")}<//><${Submit} sending=${sending}>${t("Export")}<//>`;
  return html`<${Dialog} title=${t("Export the log")} onClose=${onClose} footer=${footer} onSubmit=${() => begun || sending.run({ ...Object.fromEntries(filter), format })}>
    ${begun ? html`<${Exporting} begun=${begun} format=${format} />` : html`
      <p class="quiet">${total === null ? t("The entries that the list shows, the oldest first.") : tn(total, "The {n}{more} entry that the list shows.", "The {n}{more} entries that the list shows, the oldest first.", { more: capped ? "+" : "" })}</p>
      <${Choices} legend=${t("Format")} wrong=${sending.wrong("format")} value=${format} onInput=${setFormat} options=${[["csv", "CSV", t("For a spreadsheet.")], ["ndjson", "NDJSON", t("For programs. Without a filter its last line is the signed head of the chain, so that anybody can verify the file.")]]} />
      <${FormError} sending=${sending} fields=${["format"]} />`}<//>`;
}

function Exporting({ begun, format }) {
  return html`<${Progress} state=${useOperation(begun)} doing=${t("Writing…")} done=${t("The file is ready.")} file=${t("Download the file ({format})", { format: format.toUpperCase() })} />`;
}
