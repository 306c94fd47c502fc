// The event log: what the organization's events were, the newest first, and as they happen; one event, and how far it came.
import { follow, get, post } from "../lib/api.js";
import { html, useEffect, useSignal, useState } from "../lib/dom.js";
import { inWords } from "../lib/events.js";
import { exactly, number, t, tn } from "../lib/i18n.js";
import { whyNot } from "../lib/may.js";
import { me, refine, ROOT, route, say, useLoad, whole } from "../lib/state.js";
import { Badge, Button, Card, Copy, Loaded, Page, Refused, Skeleton, When } from "../ui/basics.js";
import { FormError, Select, useSend } from "../ui/forms.js";
import { Dialog, Menu } from "../ui/overlays.js";
import { More, Nothing } from "../ui/table.js";

const AT_ONCE = 50;
const MOST_ROUNDS = 8;
const MOST_LIVE = 500;
const KINDS = () => [
  ["", t("All events")], ["org.member", t("Members")], ["org.invitation", t("Invitations")], ["org.group", t("User groups")], ["org.domain", t("Domains")], ["org.provisioning", t("Provisioning")],
  ["org.organization,org.legal,org.security_policy", t("Organization")], ["sharing.dashboard", t("Dashboards")], ["sharing.link", t("Sharing links")], ["sharing.embed_secret,sharing.embed_token", t("Embedding")],
  ["identity.session,identity.sign_in", t("Sign-ins and sessions")], ["identity.sso_connection,identity.sso_enforcement,identity.sso_sign_in,identity.sso_identity,identity.sso_user", t("Single sign-on")],
  ["identity.api_key,identity.scim_token", t("Keys and tokens")], ["billing", t("Billing")], ["courier.webhook", t("Webhooks")],
];

/** Older events until there are enough of this kind, none are left, or it has been asked often enough. */
async function older(types, after) {
  const found = [];
  let place = after;
  let more = true;
  for (let round = 0; more && found.length < AT_ONCE && round < MOST_ROUNDS; round += 1) {
    const query = new URLSearchParams({ order: "newest", limit: String(types ? 200 : AT_ONCE), ...(types ? { types } : {}), ...(place ? { after: place } : {}) });
    const { data } = await get(`/v1/events?${query}`);
    found.push(...data.data);
    place = data.next;
    more = data.more;
  }
  return { data: { rows: found, next: place, more } };
}

export function EventLog() {
  const who = useSignal(me);
  const { query } = useSignal(route);
  const types = query.get("types") ?? "";
  const [extra, setExtra] = useState({ rows: [], next: null, more: null, types });
  const [live, turn] = useState(false);
  const [dialog, open] = useState(null);
  const first = useLoad(() => older(types, null), types);
  const heard = useLive(live, types);
  const loading = useSend(async () => {
    const { data } = await older(types, extra.types === types && extra.next ? extra.next : first.data.next);
    setExtra((was) => ({ rows: [...(was.types === types ? was.rows : []), ...data.rows], next: data.next, more: data.more, types }));
  });
  useEffect(loading.forget, [types]);
  const mine = extra.types === types;
  const known = new Set();
  const rows = first.data ? [...heard.events, ...first.data.rows, ...(mine ? extra.rows : [])].filter((one) => !known.has(one.id) && known.add(one.id)) : null;
  const more = first.data && (mine && extra.more !== null ? extra.more : first.data.more);
  const show = (one) => open(html`<${Event} event=${one} onClose=${() => open(null)} />`);
  const kinds = KINDS().some(([key]) => key === types) ? KINDS() : [...KINDS(), [types, types]];
  const action = html`<${Button} kind=${live ? "" : "primary"} icon=${live ? "close" : "eye"} aria-pressed=${String(live)} onClick=${() => (live && first.reload(), turn(!live))}>${live ? t("Stop following") : t("Follow live")}<//>`;
  return html`<${Page} title=${t("Event log")} org=${who.organization.name} crumbs=${html`<a href="${ROOT}/developers">${t("Developers")}</a>`} lead=${t("What your programs and webhooks hear: each event as it was published, the newest first.")} actions=${html`<${Tests} />${action}`}>
    <${Card} plain><div class="toolbar"><${Select} hidden slim label=${t("Which events")} value=${types} onInput=${(value) => refine({ types: value })} options=${kinds} />${live ? html`<span class="row small" role="status"><${Badge} kind=${heard.connected ? "ok" : "warn"} icon=${heard.connected ? "check" : "clock"}>${heard.connected ? t("Live") : t("Connecting…")}<//><span class="quiet">${heard.events.length ? tn(heard.events.length, "{n} new event", "{n} new events") : t("Waiting for the next event.")}</span></span>` : null}</div>
    ${first.error ? html`<div class="skeleton"><${Refused} error=${first.error} retry=${first.reload} /></div>` : null}
    ${!rows ? (first.error ? null : html`<${Skeleton} />`) : rows.length ? html`<ul class="lines dense" aria-label=${t("Events")}>${rows.map((one) => html`<${Line} key=${one.id} event=${one} fresh=${heard.ids.has(one.id)} show=${show} />`)}</ul>`
      : html`<${Nothing} filtered=${types} clear=${() => refine({ types: "" })} icon="log" title=${t("Nothing has happened yet")} />`}
    <${More} list=${{ more: more ? () => loading.run() : null, loadingMore: loading.busy, failed: loading.error }} word=${t("Load older")} /><//>${dialog}<//>`;
}

/** What happens while one follows, the newest first. */
function useLive(on, types) {
  const [heard, set] = useState({ connected: false, events: [], ids: new Set() });
  useEffect(() => {
    set({ connected: false, events: [], ids: new Set() });
    if (!on) return undefined;
    const tell = (_, event) => event?.type && set((was) => ({ ...was, events: [event, ...was.events].slice(0, MOST_LIVE), ids: new Set(was.ids).add(event.id) }));
    return follow(types, "", tell, (connected) => set((was) => ({ ...was, connected })));
  }, [on, types]);
  return heard;
}

/** What an event is about, in the words that it carries itself. */
function about({ data }) {
  for (const value of [data, ...Object.values(data ?? {})]) {
    if (value && typeof value === "object") {
      const found = value.name ?? value.title ?? value.email ?? value.number ?? value.url;
      if (typeof found === "string" && found) return found;
    }
  }
  return "";
}

function Line({ event, fresh, show }) {
  return html`<li class=${fresh ? "fresh" : ""}><span><button type="button" class="link" onClick=${() => show(event)}>${inWords(event.type)}</button>${about(event) ? html` <span data-name>· ${about(event)}</span>` : null} <small class="quiet secondary"><code>${event.type}</code></small></span><small class="quiet"><${When} at=${event.time} /></small></li>`;
}

function Event({ event, onClose }) {
  const text = JSON.stringify(event, null, 2);
  const facts = [[t("When"), exactly(event.time)], [t("Place"), t("{source}, number {n}", { source: event.source.split("/").at(-1), n: event.sequence })], [t("Id"), html`<code>${event.id}</code>`]];
  return html`<${Dialog} large title=${inWords(event.type)} onClose=${onClose} footer=${html`<${Copy} text=${text} label=${t("Copy the JSON")} /><a class="button" href="/schemas/events/${event.type}.json" target="_blank" rel="noopener">${t("Schema")}</a><${Button} kind="primary" onClick=${onClose}>${t("Close")}<//>`}>
    <p class="small quiet"><code>${event.type}</code></p><dl class="facts">${facts.map(([name, value]) => html`<div><dt>${name}</dt><dd>${value}</dd></div>`)}</dl>
    <${Course} event=${event} /><${Again} event=${event} />
    <pre class="code" tabindex="0" aria-label=${t("The whole event")}>${text}</pre><//>`;
}

/** Which services have applied it, and after how long: a line each, drawn to scale. */
function Course({ event }) {
  const found = useLoad(() => get(`/v1/changes/${event.id}`), event.id);
  const states = { waiting: ["warn", t("waits")], dead: ["danger", t("failed for good")], unknown: ["", t("isn't known")] };
  return html`<section class="stack tight" aria-label=${t("How far it came")}><h3>${t("How far it came")}</h3><${Loaded} from=${found} lines=${3}>${(change) => {
    const since = (moment) => Math.max(0, Math.round(new Date(moment) - new Date(change.said_at)));
    const applied = change.subscribers.filter((one) => one.applied_at);
    const longest = Math.max(1, ...applied.map((one) => since(one.applied_at)), change.published_at ? since(change.published_at) : 0);
    const rows = [change.published_at ? { name: t("published"), ms: since(change.published_at), own: true } : null, ...change.subscribers.map((one) => ({ name: one.service, ms: one.applied_at ? since(one.applied_at) : null, state: one.state }))].filter(Boolean);
    return html`<ul class="course">${rows.map((one) => html`<li><span data-name>${one.name}</span>${one.ms === null ? html`<span></span><${Badge} kind=${states[one.state]?.[0]}>${states[one.state]?.[1] ?? one.state}<//>` : html`<span class="track"><span class="fill ${one.own ? "own" : ""}" style=${{ width: `${Math.max(1, (one.ms / longest) * 100)}%` }}></span></span><span class="number">${t("{n} ms", { n: number(one.ms) })}</span>`}</li>`)}</ul>
      <p class="small quiet">${t("From the moment it was said until each service had applied it.")}</p>`;
  }}<//></section>`;
}

/** A test event to any webhook that is on, to be watched as it comes by. */
function Tests() {
  const hooks = useLoad(() => whole("/v1/webhooks"), "webhooks");
  const on = (hooks.data ?? []).filter((one) => one.enabled);
  if (!on.length) return null;
  const send = async (hook) => {
    try {
      await post(`/v1/webhooks/${hook.id}/tests`);
      say(t("A test event is on its way."));
    } catch (refusal) {
      say(refusal.detail || refusal.title);
    }
  };
  return html`<${Menu} label=${t("Send a test event")} kind="" button=${html`${t("Send a test event")}`} items=${on.map((one) => ({ label: one.url, note: one.description || undefined, why: whyNot("webhooks.edit"), act: () => send(one) }))} />`;
}

/** Sends it to a webhook that was told of it before. */
function Again({ event }) {
  const hooks = useLoad(() => whole("/v1/webhooks"), "webhooks");
  const sending = useSend(async (hook, options) => {
    const { data } = await post(`/v1/webhooks/${hook.id}/retries`, { since: event.time, until: new Date(new Date(event.time).getTime() + 1).toISOString() }, options);
    say(data.deliveries ? t("It is sent to {url} again.", { url: hook.url }) : t("{url} was never told of it.", { url: hook.url }));
  });
  const list = hooks.data ?? [];
  if (!list.length) return null;
  const why = (hook) => whyNot("webhooks.edit") || (hook.enabled ? "" : t("Switch it on first."));
  return html`<section class="stack tight" aria-label=${t("Send it again")}><h3>${t("Send it again")}</h3><ul class="plain-list">${list.map((hook) => html`<li key=${hook.id} class="row spread"><span class="address" data-name>${hook.url}</span><${Button} busy=${sending.busy} why=${why(hook)} aria-label=${t("Send it to {url} again", { url: hook.url })} onClick=${() => sending.run(hook)}>${t("Send again")}<//></li>`)}</ul><${FormError} sending=${sending} /></section>`;
}
