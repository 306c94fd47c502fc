// Who can see what, and why: the decision, every path to it as a picture and in words, and the smallest change.
import { get, post } from "../lib/api.js";
import { html, useSignal } from "../lib/dom.js";
import { t, tn } from "../lib/i18n.js";
import { me, refine, route, useLoad, whole } from "../lib/state.js";
import { Card, Empty, Icon, Loaded, Notice, Page } from "../ui/basics.js";
import { Select } from "../ui/forms.js";

const PATHS = () => ({ ownership: t("Ownership"), all_users: t("All users"), all_analysts: t("All analysts"), group: t("Group") });

export function Access() {
  const who = useSignal(me);
  const { query } = useSignal(route);
  const people = useLoad(() => whole("/v1/users?status=active"), "people");
  const dashboards = useLoad(() => whole("/v1/dashboards"), "dashboards");
  const groups = useLoad(() => whole("/v1/groups"), "groups");
  const user = query.get("user");
  const dashboard = query.get("dashboard");
  const ready = people.data && dashboards.data && groups.data;
  const person = ready && people.data.find((one) => one.id === user);
  const board = ready && dashboards.data.find((one) => one.id === dashboard);
  return html`<${Page} title=${t("Who can see what")} org=${who.organization.name} lead=${t("Choose a person and a dashboard; see whether, and exactly why.")}>
    <${Loaded} from=${people.error ? people : dashboards.error ? dashboards : ready ? groups : { busy: true }}>${() => html`
      <${Card}><div class="columns"><${Select} label=${t("Person")} value=${user ?? ""} onInput=${(id) => refine({ user: id })} options=${[["", t("Choose a person")], ...people.data.map((one) => [one.id, `${one.name} · ${one.email}`])]} />
        <${Select} label=${t("Dashboard")} value=${dashboard ?? ""} onInput=${(id) => refine({ dashboard: id })} options=${[["", t("Choose a dashboard")], ...dashboards.data.map((one) => [one.id, one.title])]} /></div><//>
      ${person && board ? html`<${Explained} key="${user} ${dashboard}" person=${person} board=${board} groups=${groups.data} />` : html`<${Card}><${Empty} icon="eye" title=${t("Choose both to see why")}>${t("The answer names every path, those that lead nowhere, and the smallest change.")}<//><//>`}`}<//><//>`;
}

function Explained({ person, board, groups }) {
  const why = useLoad(() => post("/v1/access-explanations", { subject_id: person.id, dashboard_id: board.id }), `${person.id} ${board.id}`);
  const named = (way) => (way.path === "group" ? groups.find((one) => one.id === way.group_id)?.name ?? t("Group") : PATHS()[way.path]);
  return html`<${Loaded} from=${why}>${(found) => {
    const ways = [...found.paths.map((way) => ({ ...way, open: true })), ...found.dead_ends.map((way) => ({ ...way, open: false }))];
    const title = found.decision ? t("{name} sees {dashboard}", { name: person.name, dashboard: board.title }) : t("{name} doesn't see {dashboard}", { name: person.name, dashboard: board.title });
    return html`<${Notice} kind=${found.decision ? "ok" : "warn"} icon=${found.decision ? "check" : "lock"} title=${title} role="status">
        <p>${found.decision ? tn(found.paths.length, "{n} path leads there.", "{n} paths lead there.") : t("No path leads there.")}</p><//>
      <${Card} title=${t("In words")} plain><ol class="lines">${ways.map((way) => html`<li><div class="stack tight"><h3 class="row"><${Icon} name=${way.open ? "check" : "close"} label=${way.open ? t("leads there") : t("leads nowhere")} />${named(way)}</h3>
        <ul class="impact">${way.facts.map((fact) => html`<li><${Icon} name=${fact.holds ? "check" : "close"} label=${fact.holds ? t("holds") : t("doesn't hold")} />${fact.detail}</li>`)}</ul></div></li>`)}</ol>
        ${ways.length ? null : html`<ul class="lines"><li><ul class="impact">${found.chain.map((fact) => html`<li><${Icon} name=${fact.holds ? "check" : "close"} label=${fact.holds ? t("holds") : t("doesn't hold")} />${fact.detail}</li>`)}</ul></li></ul>`}<//>
      ${ways.length ? html`<${Card} title=${t("As a picture")}><${Graph} from=${person.name} to=${board.title} ways=${ways.map((way) => ({ open: way.open, name: named(way) }))} /><//>` : null}
      ${found.smallest_change?.changes.length ? html`<${Card} title=${found.decision ? t("What would take it away") : t("What would give it")}><ul class="impact">${found.smallest_change.changes.map((one) => html`<li><${Icon} name="arrow" />${one.detail}</li>`)}</ul><//>` : null}`;
  }}<//>`;
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
