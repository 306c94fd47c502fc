// How far a change of plan has come: which services have applied it, and what it suspended or brought back there. It is read from events, so it survives a reload.
import { get } from "../lib/api.js";
import { html, useEffect, useRef } from "../lib/dom.js";
import { exactly, t, tn } from "../lib/i18n.js";
import { can, useLoad } from "../lib/state.js";
import { Badge, Card, When } from "../ui/basics.js";
import { Advance } from "../ui/progress.js";

const SHOWN_FOR_MS = 86_400_000;
const AGAIN_MS = 800;
const AGAIN_AT_MOST_MS = 10_000;
const AT_ONCE = 200;
const MOST_ROUNDS = 5;
const CAUSE = "billing.entitlements.changed.v1";

const SERVICES = () => ({
  org: t("People, groups and domains"),
  sharing: t("Dashboards and links"),
  identity: t("Sign-in and keys"),
  audit: t("Audit log"),
  courier: t("Mail and webhooks"),
});

/** What an event says was done to how many. */
const EFFECTS = {
  "org.group.suspended": (d) => tn(d.group_ids.length, "{n} group suspended", "{n} groups suspended"),
  "org.group.resumed": (d) => tn(d.group_ids.length, "{n} group is back", "{n} groups are back"),
  "org.domain.suspended": (d) => tn(d.domain_ids.length, "{n} domain suspended", "{n} domains suspended"),
  "org.domain.resumed": (d) => tn(d.domain_ids.length, "{n} domain is back", "{n} domains are back"),
  "identity.api_key.suspended": (d) => tn(d.key_ids.length, "{n} API key suspended", "{n} API keys suspended"),
  "identity.api_key.resumed": (d) => tn(d.key_ids.length, "{n} API key is back", "{n} API keys are back"),
  "identity.scim_token.suspended": (d) => tn(d.token_ids.length, "{n} provisioning token suspended", "{n} provisioning tokens suspended"),
  "identity.scim_token.resumed": (d) => tn(d.token_ids.length, "{n} provisioning token is back", "{n} provisioning tokens are back"),
  "identity.sso_connection.suspended": (d) => tn(d.connection_ids.length, "{n} connection of single sign-on is frozen, and goes on", "{n} connections of single sign-on are frozen, and go on"),
  "identity.sso_connection.resumed": (d) => tn(d.connection_ids.length, "{n} connection of single sign-on can be changed again", "{n} connections of single sign-on can be changed again"),
  "sharing.link.suspended": () => t("Sharing links open for nobody"),
  "sharing.link.resumed": () => t("Sharing links open again"),
};
/** Told person by person, and shown as one. */
const COUNTED = {
  "org.member.slot_suspended": (n) => tn(n, "{n} person acts as Viewer", "{n} people act as Viewers"),
  "org.member.slot_resumed": (n) => tn(n, "{n} person has an author slot again", "{n} people have author slots again"),
};
const bare = (event) => event.type.replace(/\.v\d+$/, "");

/** The last change of plan and all that it caused, the newest events first; null when it is long ago. */
async function lately() {
  const types = [CAUSE.replace(".v1", ""), ...Object.keys(EFFECTS), ...Object.keys(COUNTED)].join();
  const found = [];
  for (let round = 0, place = "", more = true; more && round < MOST_ROUNDS; round += 1) {
    const { data } = await get(`/v1/events?order=newest&limit=${AT_ONCE}&types=${types}${place ? `&after=${place}` : ""}`);
    found.push(...data.data);
    const cause = found.find((one) => one.type === CAUSE);
    if (cause) {
      const { previous_plan: before, entitlements } = cause.data;
      const counts = before && before !== entitlements.plan && Date.now() - new Date(cause.time) < SHOWN_FOR_MS;
      return counts ? { cause, effects: found.filter((one) => one.causationid === cause.id) } : null;
    }
    place = data.next;
    more = data.more;
  }
  return null;
}

async function look() {
  const found = await lately();
  if (!found) return { data: null };
  const { data: change } = await get(`/v1/changes/${found.cause.id}`);
  // What a service tells comes with "applied"; so what was read before may lack it.
  return { data: { ...((isOver(change) && (await lately())) || found), change } };
}

const isOver = ({ subscribers }) => subscribers.every((one) => ["applied", "dead"].includes(one.state));

export function PlanProgress() {
  if (!can("events.read").allowed) return null;
  return html`<${Course} />`;
}

function Course() {
  const found = useLoad(look, "course");
  const going = found.data ? !isOver(found.data.change) : false;
  const rest = useRef(AGAIN_MS);
  useEffect(() => {
    if (!going || found.busy) return undefined;
    const timer = setTimeout(found.reload, rest.current);
    rest.current = Math.min(rest.current * 1.5, AGAIN_AT_MOST_MS);
    return () => clearTimeout(timer);
  }, [going, found.busy]);
  if (!found.data) return null;
  const { cause, change, effects } = found.data;
  const names = SERVICES();
  const services = change.subscribers.filter((one) => one.service in names);
  const done = services.filter((one) => one.state === "applied").length;
  const parts = services.map((one) => [one, linesOf(effects.filter((event) => event.source.split("/").at(-1) === one.service))]);
  const shown = going ? parts : parts.filter(([part, lines]) => lines.length || part.state === "dead");
  const { plan_name: plan } = cause.data.entitlements;
  const failed = services.some((one) => one.state === "dead");
  const title = t("The change to {plan}", { plan });
  const head = going ? t("It is being applied") : failed ? t("Not applied everywhere") : t("Applied everywhere");
  return html`<${Card} title=${title}><div class="stack"><${Advance} name=${title} head=${head} words=${t("{done} of {total} parts have applied it", { done, total: services.length })} done=${done} total=${services.length} filled=${services.length ? done / services.length : 1} told=${going ? "" : head} kind=${going ? "" : failed ? "over" : "ok"} />
    ${shown.length ? html`<ul class="lines framed">${shown.map(([part, lines]) => html`<${Part} key=${part.service} name=${names[part.service]} part=${part} lines=${lines} />`)}</ul>` : html`<p>${t("Nothing had to be suspended or brought back.")}</p>`}
    <p class="small quiet">${t("Begun")} <${When} at=${change.said_at} />. ${t("Nothing is deleted: what is suspended comes back with a plan that includes it.")}</p></div><//>`;
}

/** What a service has told, in words. */
function linesOf(said) {
  const counts = Object.entries(COUNTED).map(([type, text]) => [said.filter((event) => bare(event) === type).length, text]).filter(([n]) => n);
  return [...said.filter((event) => bare(event) in EFFECTS).map((event) => EFFECTS[bare(event)](event.data)), ...counts.map(([n, text]) => text(n))];
}

function Part({ name, part, lines }) {
  const state = {
    applied: html`<${Badge} kind="ok" icon="check"><span title=${part.applied_at ? exactly(part.applied_at) : undefined}>${t("Applied")}</span><//>`,
    dead: html`<${Badge} kind="danger" icon="warn">${t("Failed: whoever runs Tenantry is told")}<//>`,
  }[part.state] ?? html`<${Badge} kind="accent" icon="clock">${t("Under way")}<//>`;
  return html`<li><div class="stack tight"><b>${name}</b>${lines.length ? html`<span class="small">${lines.join(" · ")}</span>` : null}</div>${state}</li>`;
}
