// Why somebody sees a dashboard, or doesn't: every path in words and as a picture, now or as it was, and the smallest change.
import { post } from "../lib/api.js";
import { html, useSignal, useState } from "../lib/dom.js";
import { day, exactly, fromField, t, tn, toField } from "../lib/i18n.js";
import { ROLES } from "../lib/may.js";
import { refine, ROOT, route, useLoad } from "../lib/state.js";
import { told } from "../lib/told.js";
import { Button, Card, Icon, Loaded, Notice, Refused } from "../ui/basics.js";
import { Check, Field, Select } from "../ui/forms.js";

export const PATHS = () => ({ ownership: t("Ownership"), all_users: t("All users"), all_analysts: t("All analysts"), group: t("Group") });
const named = (way) => way.group_name ?? PATHS()[way.path];

export function Explained({ person, board }) {
  const { query } = useSignal(route);
  const at = query.get("at");
  const [given, assume] = useState([]);
  const asking = { subject_id: person.id, dashboard_id: board.id };
  const why = useLoad(() => post("/v1/access-explanations", { ...asking, ...(at ? { as_of: at } : {}) }), at ?? "now");
  const key = at ? "[]" : JSON.stringify(given);
  const other = useLoad(async () => (key === "[]" ? { data: null } : post("/v1/access-explanations", { ...asking, what_if: JSON.parse(key) })), key);
  return html`<${AsOf} at=${at} /><${Loaded} from=${why}>${(found) => html`<${Verdict} found=${other.data ?? found} now=${found} person=${person} board=${board} />
    ${at ? null : html`<${WhatIf} found=${found} person=${person} given=${given} assume=${assume} failed=${other.error} />`}
    <${Answer} found=${other.data ?? found} person=${person} board=${board} />`}<//>`;
}

function AsOf({ at }) {
  const [given, set] = useState(at ? toField(at) : "");
  const look = (event) => {
    event.preventDefault();
    refine({ at: given ? fromField(given).toISOString() : "" });
  };
  const now = () => {
    set("");
    refine({ at: "" });
  };
  return html`<form class="row end" onSubmit=${look}><${Field} label=${t("As it was on")} name="at" type="datetime-local" value=${given} max=${toField(new Date())} onInput=${set} />
    <${Button} type="submit" why=${given ? "" : t("Choose a time first")}>${t("Look back")}<//>${at ? html`<${Button} kind="plain" onClick=${now}>${t("Back to now")}<//>` : null}</form>`;
}

/** The answer in a sentence; what is only assumed is said to be. */
function Verdict({ found, now, person, board }) {
  const words = { name: person.title, dashboard: board.title };
  const then = found.as_of ? t("As it was on {time}.", { time: exactly(found.as_of) }) : "";
  const title = found.hypothetical
    ? (found.decision ? t("{name} would see {dashboard}", words) : t("{name} wouldn't see {dashboard}", words))
    : found.decision ? t("{name} sees {dashboard}", words) : t("{name} doesn't see {dashboard}", words);
  const paths = found.decision ? tn(found.paths.length, "{n} path leads there.", "{n} paths lead there.") : t("No path leads there.");
  const compared = found.decision === now.decision ? t("That is as it is now.") : t("That is otherwise now.");
  return html`<${Notice} kind=${found.decision ? "ok" : "warn"} icon=${found.decision ? "check" : "lock"} title=${title} role="status">
    <p>${paths} ${found.hypothetical ? `${compared} ${t("Nothing is changed by looking.")}` : then}</p><//>`;
}

const holds = (way, kind) => way.facts.some((fact) => fact.kind === kind && fact.holds);
const same = (one, other) => JSON.stringify(one) === JSON.stringify(other);

/** What could be otherwise, to be tried without doing it: `found` is how it is. */
function WhatIf({ found, person, given, assume, failed }) {
  const ways = [...found.paths, ...found.dead_ends];
  const options = [
    ...ways.filter((way) => way.group_id && holds(way, "group")).map((way) => [{ kind: "leave_group", group_id: way.group_id }, t("{name} leaves the group {group}", { name: person.title, group: way.group_name })]),
    ...ways.filter((way) => holds(way, "share")).map((way) => [{ kind: "unshare", path: way.path, ...(way.group_id ? { group_id: way.group_id } : {}) }, t("It is no longer shared with {whom}", { whom: named(way) })]),
  ];
  const role = given.find((one) => one.kind === "change_role")?.role ?? "";
  const flip = (one) => (on) => assume(on ? [...given, one] : given.filter((other) => !same(one, other)));
  const turn = (to) => assume([...given.filter((one) => one.kind !== "change_role"), ...(to ? [{ kind: "change_role", role: to }] : [])]);
  return html`<${Card} title=${t("What if…")} lead=${t("Try it out here: the answer, the words and the picture follow, and nothing is changed.")}><div class="columns">
      ${options.length ? html`<div class="choices list" role="group" aria-label=${t("What if…")}>${options.map(([one, label]) => html`<${Check} key=${JSON.stringify(one)} flat label=${label} checked=${given.some((other) => same(one, other))} onChange=${flip(one)} />`)}</div>` : null}
      <${Select} label=${t("The role of {name}", { name: person.title })} value=${role} onInput=${turn} options=${[["", t("As it is")], ...Object.entries(ROLES())]} hint=${t("As if there were a slot for it.")} /></div>
    ${failed ? html`<${Refused} error=${failed} />` : null}
    ${given.length ? html`<div class="row"><${Button} onClick=${() => assume([])}>${t("Back to how it is")}<//></div>` : null}<//>`;
}

function Answer({ found, person, board }) {
  const ways = [...found.paths.map((way) => ({ ...way, open: true })), ...found.dead_ends.map((way) => ({ ...way, open: false }))];
  return html`<${Card} title=${t("In words")} plain><ol class="lines">${ways.map((way) => html`<li><div class="stack tight"><h3 class="row"><${Icon} name=${way.open ? "check" : "close"} label=${way.open ? t("leads there") : t("leads nowhere")} />${way.group_name ? html`<span data-name>${way.group_name}</span>` : named(way)}</h3><${Facts} facts=${way.facts} /></div></li>`)}</ol>
      ${ways.length ? null : html`<ul class="lines"><li><${Facts} facts=${found.chain} /></li></ul>`}<//>
    ${ways.length ? html`<${Card} title=${t("As a picture")}><${Graph} from=${person.title} to=${board.title} ways=${ways.map((way) => ({ open: way.open, name: named(way) }))} /><//>` : null}
    ${found.smallest_change?.changes.length ? html`<${Card} title=${found.decision ? t("What would take it away") : t("What would give it")}><ul class="impact">${found.smallest_change.changes.map((one) => html`<li><${Icon} name="arrow" />${told([`change:${one.code}`], one.detail, one.names)}</li>`)}</ul><//>` : null}`;
}

function Facts({ facts }) {
  return html`<ul class="impact">${facts.map((fact) => html`<li><${Icon} name=${fact.holds ? "check" : "close"} label=${fact.holds ? t("holds") : t("doesn't hold")} /><span>${told([`fact:${fact.code}`], fact.detail, fact.names)}${fact.since ? html` <small class="quiet">${fact.event_id ? html`<a href="${ROOT}/audit?q=${encodeURIComponent(`event:${fact.event_id}`)}">${t("since {day}", { day: day(fact.since) })}</a>` : t("since {day}", { day: day(fact.since) })}</small>` : null}</span></li>`)}</ul>`;
}

const short = (text) => (text.length > 22 ? `${text.slice(0, 21)}…` : text);

function Graph({ from, to, ways }) {
  const height = Math.max(1, ways.length) * 52 + 12;
  const middle = height / 2;
  const words = ways.map((way) => `${way.name}: ${way.open ? t("leads there") : t("leads nowhere")}`).join("; ");
  const box = (x, y, text, kind) => html`<g class=${kind}><rect x=${x} y=${y - 18} width="180" height="36" rx="9" /><text x=${x + 90} y=${y + 5} text-anchor="middle">${short(text)}</text></g>`;
  return html`<figure class="graph"><svg viewBox="0 0 720 ${height}" role="img" aria-label="${from} → ${to}. ${words}">
    ${ways.map((way, n) => {
      const y = 32 + n * 52;
      const kind = way.open ? "open" : "shut";
      return html`<g key=${n}><path class=${kind} d="M190 ${middle} C 230 ${middle} 230 ${y} 270 ${y}" /><path class=${kind} d="M450 ${y} C 490 ${y} 490 ${middle} 530 ${middle}" />${box(270, y, way.name, kind)}</g>`;
    })}${box(10, middle, from, "end")}${box(530, middle, to, "end")}</svg></figure>`;
}
