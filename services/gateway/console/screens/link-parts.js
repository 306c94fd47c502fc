// A sharing link as it is shown: whether it opens, for whom, and what can be done about it.
import { get, patch, post, remove } from "../lib/api.js";
import { html } from "../lib/dom.js";
import { day, number, t, tn } from "../lib/i18n.js";
import { whyNot } from "../lib/may.js";
import { me, say, useLoad } from "../lib/state.js";
import { Badge, Icon, When } from "../ui/basics.js";
import { Spark } from "../ui/charts.js";
import { Confirm } from "../ui/overlays.js";
import { AddressDialog } from "./link-address.js";
import { LinkDialog } from "./link-form.js";

export const STATES = () => ({
  open: ["ok", "check", t("Open")],
  paused: ["", "clock", t("Paused")],
  expired: ["", "clock", t("Expired")],
  suspended: ["warn", "lock", t("Suspended by the plan")],
  not_allowed: ["warn", "shield", t("Not allowed")],
  switched_off: ["danger", "close", t("Switched off")],
});

export const isMine = (link) => link.owner_id === me.value.user.id;
const planName = (key) => key[0].toUpperCase() + key.slice(1);

/** Why a link doesn't open, in a sentence; empty when it does. */
function whyShut(link) {
  if (link.state === "suspended") return link.suspended?.plan ? t("The plan {plan} doesn't include it. Everything is kept.", { plan: planName(link.suspended.plan) }) : t("The plan doesn't include it. Everything is kept.");
  if (link.state === "not_allowed") return t("Your organization's link policy doesn't allow it.");
  if (link.state === "switched_off") return t("With all links of the organization. It comes back with a new token only.");
  return "";
}

export function LinkState({ link }) {
  const [kind, icon, label] = STATES()[link.state];
  const why = whyShut(link);
  return html`<span class="row"><${Badge} kind=${kind} icon=${icon}>${label}<//>${link.state === "suspended" && link.suspended?.since ? html`<span class="small quiet">${t("since {day}", { day: day(link.suspended.since) })}</span>` : null}</span>${why ? html`<div class="small quiet">${why}</div>` : null}`;
}

/** Who gets in, and what they see, as short words. */
export function Restrictions({ link }) {
  const open = !link.has_password && !link.networks.length && !link.requires_secret;
  const found = [
    open ? ["warn", "globe", t("Anybody with the address")] : null,
    link.has_password ? ["", "lock", t("Password")] : null,
    link.networks.length ? ["", "shield", tn(link.networks.length, "{n} network", "{n} networks")] : null,
    link.requires_secret ? ["", "key", link.allow_parameters ? t("Embed token with parameters") : t("Embed token")] : null,
    link.ends_at && link.state !== "expired" ? ["", "clock", t("until {day}", { day: day(link.ends_at) })] : null,
    link.frozen_filters ? ["", "", t("Frozen filters")] : null,
    link.csv || link.excel ? ["", "", [link.csv ? "CSV" : "", link.excel ? "Excel" : ""].filter(Boolean).join(", ")] : null,
  ].filter(Boolean);
  return html`<span class="row">${found.map(([kind, icon, label]) => html`<${Badge} key=${label} kind=${kind} icon=${icon || undefined}>${label}<//>`)}</span>`;
}

export function Opens({ link }) {
  if (!link.opens) return html`<span class="quiet">${t("Never opened")}</span>`;
  return html`<span class="number">${tn(link.opens, "Opened {n} time", "Opened {n} times")}</span><span class="quiet"> · ${t("last")} <${When} at=${link.last_opened_at} /></span>`;
}

const AT_ONCE = 100;

/** How the links were used on the last 30 days: a map by id. */
export function useUsage(links) {
  const ids = links.map((one) => one.id);
  const found = useLoad(async () => {
    const parts = Array.from({ length: Math.ceil(ids.length / AT_ONCE) }, (_, n) => ids.slice(n * AT_ONCE, (n + 1) * AT_ONCE));
    const answers = await Promise.all(parts.map((part) => get(`/v1/links/usage?link_ids=${part}`)));
    return { data: new Map(answers.flatMap(({ data }) => data.data.map((one) => [one.link_id, one]))) };
  }, ids.join());
  return found.data ?? new Map();
}

/** How often a link was opened, the last 30 days as a picture, and when it was last. */
export function Opened({ link, usage }) {
  if (!link.opens) return html`<span class="small quiet">${t("never")}</span>`;
  const words = usage?.last_30_days ? lately(usage) : "";
  return html`<span class="row opened" title=${words || undefined}><span class="number">${number(link.opens)}</span>${words ? html`<${Spark} counts=${usage.days} sentence=${t("Opened day by day. {words}", { words })} />` : null}</span>
    <div class="small quiet"><${When} at=${link.last_opened_at} /></div>`;
}

const lately = (usage) => t("7 days: {week} · 30 days: {month}", { week: usage.last_7_days, month: usage.last_30_days });

/** The last 30 days of a link, day by day. */
export function Views({ usage }) {
  if (!usage?.last_30_days) return null;
  const words = lately(usage);
  return html`<span class="views"><${Spark} counts=${usage.days} sentence=${t("Opened day by day. {words}", { words })} /><span class="small quiet number">${words}</span></span>`;
}

export function Maker({ link }) {
  const name = link.creator.name ?? t("Somebody who left");
  return html`<span class="row">${name}${link.creator.active ? null : html`<${Badge} kind="warn" icon="warn">${t("Has left")}<//>`}</span>`;
}

/** The menu of a link. `open` shows a dialog, `close(done)` takes it away, `sending` runs what needs none, `switchedOff` says whether all links are off. */
export function linkActions(link, { open, close, sending, switchedOff }) {
  const mine = isMine(link);
  const owners = mine ? "" : t("Only the owner of the dashboard may.");
  const dead = link.state === "switched_off";
  const show = (Part, given) => () => open(html`<${Part} link=${link} onClose=${close} ...${given} />`);
  const planned = dead ? whyNot("links.create") : "";
  const pause = { label: t("Pause"), act: () => sending.run(link, true) };
  const resume = { label: t("Resume"), why: owners || whyNot("links.create"), act: () => sending.run(link, false) };
  const renew = dead
    ? { label: t("Revive with a new token…"), why: owners || planned || (switchedOff ? t("All links are switched off. Allow links first.") : ""), act: show(Renew, { show: open }) }
    : { label: t("Give it a new token…"), why: switchedOff ? t("All links are switched off. Allow links first.") : "", act: show(Renew, { show: open }) };
  return [
    { label: t("Address and embed code…"), why: owners, act: show(AddressDialog) },
    { label: t("Edit…"), act: show(LinkDialog) },
    link.paused ? resume : pause,
    renew,
    null,
    { label: t("Delete…"), danger: true, act: show(Delete) },
  ];
}

/** Pauses a link or lets it go on; for `useSend`. */
export const pausing = (done) => async (link, paused, options) => {
  await patch(`/v1/links/${link.id}`, { paused }, options);
  say(paused ? t("{name} is paused: it opens for nobody.", { name: link.name }) : t("{name} opens again.", { name: link.name }));
  done(link.id);
};

/** The address of a link that the asker may know, into the clipboard; for `useSend`. */
export async function copyAddress(link) {
  const { data } = await get(`/v1/links/${link.id}`);
  await navigator.clipboard.writeText(data.url ?? data.token);
  say(data.url ? t("The address is copied.") : t("The token is copied."));
}

function Felt({ link }) {
  return html`<ul class="impact"><li><${Icon} name="eye" /><span><${Opens} link=${link} /></span></li>
    <li><${Icon} name="share" /><span>${t("Dashboard: {name}", { name: link.dashboard_title })}</span></li></ul>`;
}

function Renew({ link, onClose, show }) {
  const dead = link.state === "switched_off";
  const act = async (options) => {
    const { data } = await post(`/v1/links/${link.id}/token-rotations`, undefined, options);
    say(t("{name} has a new token.", { name: link.name }));
    onClose(true);
    if (data.token) show(html`<${AddressDialog} link=${data} known=${data} onClose=${onClose} />`);
  };
  return html`<${Confirm} title=${dead ? t("Revive {name}?", { name: link.name }) : t("Give {name} a new token?", { name: link.name })} verb=${dead ? t("Revive with a new token") : t("Give it a new token")} danger=${!dead} act=${act} onClose=${(done) => done || onClose(false)}>
    <p>${dead ? t("It opens again at a new address, with everything else as it was. The old address stays dead.") : t("The present address is dead at once, wherever it was passed on or built in: put the new one there.")}</p><${Felt} link=${link} /><//>`;
}

function Delete({ link, onClose }) {
  const act = async (options) => {
    await remove(`/v1/links/${link.id}`, options);
    say(t("The link {name} is deleted.", { name: link.name }));
  };
  return html`<${Confirm} title=${t("Delete the link {name}?", { name: link.name })} verb=${t("Delete the link")} danger act=${act} onClose=${onClose}>
    <p>${t("It opens for nobody from this moment on, for good. To come back to it later, pause it instead.")}</p><${Felt} link=${link} /><//>`;
}
