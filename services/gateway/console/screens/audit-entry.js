// One entry of the audit log: the sentence, what was different before, what belongs to it, and everything as it is kept.
import { get } from "../lib/api.js";
import { html, useSignal } from "../lib/dom.js";
import { exactly, number, t } from "../lib/i18n.js";
import { actorOf, changesIn, provenBy, resultOf, sentence } from "../lib/sentences.js";
import { go, me, ROOT, useLoad } from "../lib/state.js";
import { Badge, Button, Card, Copy, Icon, Loaded, Page, When } from "../ui/basics.js";
import { Dialog } from "../ui/overlays.js";
import { withTerm, written } from "../lib/terms.js";

const permalink = (entry) => `${location.origin}${ROOT}/audit/${entry.id}`;
const filtered = (name, value, negated) => go(`/audit?${new URLSearchParams({ range: "all", q: written(withTerm([], { name, value, negated })) })}`);

export function EntryDialog({ entry, narrow, onClose }) {
  return html`<${Dialog} large title=${sentence(entry)} onClose=${onClose} footer=${html`<${Copy} text=${permalink(entry)} label=${t("Copy link")} /><a class="button" href="${ROOT}/audit/${entry.id}" onClick=${onClose}>${t("Open as a page")}</a><${Button} onClick=${onClose}>${t("Close")}<//>`}>
    <${EntryFacts} entry=${entry} narrow=${narrow} onLeave=${onClose} /><//>`;
}

export function EntryPage({ id }) {
  const who = useSignal(me);
  const found = useLoad(() => get(`/v1/audit-entries/${id}`), id);
  return html`<${Page} title=${found.data ? sentence(found.data) : t("Entry")} org=${who.organization.name} crumbs=${html`<a href="${ROOT}/audit">${t("Audit log")}</a>`} actions=${found.data ? html`<${Copy} text=${permalink(found.data)} label=${t("Copy link")} />` : null}>
    <${Loaded} from=${found}>${(entry) => html`<${Card}><${EntryFacts} entry=${entry} narrow=${filtered} title="h2" /><//>`}<//><//>`;
}

function EntryFacts({ entry, narrow, onLeave, title = "h3" }) {
  const person = entry.actor_id?.startsWith("usr_") ? `${ROOT}/users/${entry.actor_id}` : null;
  const facts = [
    [t("When"), exactly(entry.at)],
    [t("By whom"), html`${person ? html`<a href=${person} onClick=${onLeave}>${actorOf(entry)}</a>` : actorOf(entry)}${provenBy(entry.actor_amr) ? html`<small class="quiet"> · ${provenBy(entry.actor_amr)}</small>` : null}`, "actor", entry.actor_id],
    [t("About"), entry.target_name ?? entry.people[entry.target_id] ?? (entry.target_id ? html`<code>${entry.target_id}</code>` : "–"), "target", entry.target_id],
    [t("From"), entry.source_ip ? html`<code>${entry.source_ip}</code>` : "–", "ip", entry.source_ip],
    [t("Result"), resultOf(entry) ? html`<${Badge} kind="danger">${resultOf(entry)}<//>` : t("Done")],
    [t("Event"), html`<code>${entry.action}</code>`, "action", entry.action],
  ];
  return html`<div class="stack wide">
    <dl class="record">${facts.map(([name, value, qualifier, exact]) => html`<div class="fact"><dt>${name}</dt><dd>${value}</dd>${qualifier && exact ? html`<dd class="row"><${Button} kind="plain small" aria-label=${t("Only this: {name}", { name })} onClick=${() => narrow(qualifier, exact, false)}>${t("Only this")}<//><${Button} kind="plain small" aria-label=${t("Leave out: {words}", { words: name })} onClick=${() => narrow(qualifier, exact, true)}>${t("Leave out")}<//></dd>` : null}</div>`)}</dl>
    <${Changes} rows=${changesIn(entry.data)} title=${title} /><${Chain} entry=${entry} onLeave=${onLeave} title=${title} /><${Effects} entry=${entry} title=${title} />
    <details class="raw"><summary>${t("Everything as it is kept (JSON)")}</summary><pre class="code" tabindex="0" aria-label=${t("All fields")}>${JSON.stringify(entry, null, 2)}</pre></details></div>`;
}

function Changes({ rows, title }) {
  if (!rows.length) return null;
  return html`<section class="stack tight"><${title}>${t("What changed")}<//><div class="scroll boxed" role="region" tabindex="0" aria-label=${t("What changed")}><table><thead><tr><th scope="col">${t("Field")}</th><th scope="col">${t("Before")}</th><th scope="col">${t("After")}</th></tr></thead>
    <tbody>${rows.map(([name, before, after]) => html`<tr key=${name}><th scope="row">${name}</th><td><del>${before}</del></td><td><ins>${after}</ins></td></tr>`)}</tbody></table></div></section>`;
}

/** What the same request brought about, each below what it followed from. */
function Chain({ entry, onLeave, title }) {
  const found = useLoad(() => (entry.correlation_id ? get(`/v1/audit-entries?q=${encodeURIComponent(`request:${entry.correlation_id}`)}&limit=50`) : Promise.resolve({ data: { data: [] } })), entry.correlation_id);
  const rows = [...(found.data?.data ?? [])].reverse();
  if (rows.length < 2) return null;
  const depth = (one) => {
    const cause = rows.find((other) => other.event_id === one.causation_id);
    return cause && cause !== one ? 1 + depth(cause) : 0;
  };
  return html`<section class="stack tight"><${title}>${t("One request, {n} entries", { n: rows.length })}<//><ol class="chain">${rows.map((one) => html`<li key=${one.id} class=${`depth-${Math.min(3, depth(one))}`} aria-current=${one.id === entry.id ? "true" : undefined}><${Icon} name="arrow" />
    <span>${one.id === entry.id ? html`<b>${sentence(one)}</b>` : html`<a href="${ROOT}/audit/${one.id}" onClick=${onLeave}>${sentence(one)}</a>`} <small class="quiet"><${When} at=${one.at} /></small></span></li>`)}</ol></section>`;
}

/** Which services have heard of it, and how soon. */
function Effects({ entry, title }) {
  const found = useLoad(() => get(`/v1/changes/${entry.event_id}`, { quietly: true }).catch(() => ({ data: { subscribers: [] } })), entry.event_id);
  const rows = found.data?.subscribers ?? [];
  if (!rows.length) return null;
  return html`<section class="stack tight"><${title}>${t("Effects in other services")}<//><ul class="row">${rows.map((one) => html`<li key=${one.service}><${Badge} kind=${one.state === "applied" ? "ok" : "warn"} icon=${one.state === "applied" ? "check" : "clock"}>${one.service}${one.applied_at ? ` · ${number(Math.max(0, new Date(one.applied_at) - new Date(entry.at)))} ms` : ` · ${t(one.state)}`}<//></li>`)}</ul></section>`;
}
