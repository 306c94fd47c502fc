// One user: the membership, what they see and why, their security, and what happened to them and by them.
import { get } from "../lib/api.js";
import { html, useSignal, useState } from "../lib/dom.js";
import { day, t } from "../lib/i18n.js";
import { ROLES, whyNot } from "../lib/may.js";
import { go, me, ROOT, route, useLoad } from "../lib/state.js";
import { groupTold } from "../lib/told.js";
import { Badge, Button, Card, Loaded, Notice, Page, When } from "../ui/basics.js";
import { Happenings } from "../ui/happening.js";
import { Menu } from "../ui/overlays.js";
import { RoleAndGroups } from "./role-and-groups.js";
import { actions } from "./user-actions.js";
import { TwoFactor } from "./users.js";
import { SeenBy } from "./who-sees.js";

const SHOWN = 6;

export function UserPage({ id }) {
  const who = useSignal(me);
  const [dialog, open] = useState(null);
  const user = useLoad(() => get(`/v1/users/${id}`), id);
  const close = (done) => {
    open(null);
    if (done) get(`/v1/users/${id}`).then(user.reload, (refusal) => (refusal.status === 404 && route.value.path === `/users/${id}` ? go("/users") : user.reload()));
  };
  const one = user.data;
  return html`<${Page} title=${one?.name ?? t("User")} org=${who.organization.name} crumbs=${html`<a href="${ROOT}/users">${t("Users")}</a>`} lead=${one?.email}
    actions=${one ? html`<${Button} why=${whyNot("users.manage")} onClick=${() => open(html`<${RoleAndGroups} id=${id} onClose=${close} />`)}>${t("Role & groups…")}<//><${Menu} label=${t("Actions for {name}", { name: one.name })} kind="square" items=${actions(one, who, open, close).slice(one.status === "active" ? 1 : 0)} />` : null}>
    <${Loaded} from=${user}>${(found) => html`
      ${found.status === "inactive" ? html`<${Notice} kind="warn" icon="warn" title=${t("Deactivated on {day}", { day: day(found.deactivated_at) })}>${t("Can't sign in to this organization. Role and groups are kept.")}<//>` : null}
      ${found.effective_role !== found.role ? html`<${Notice} kind="warn" icon="lock" title=${t("Acts as {role} for now", { role: ROLES()[found.effective_role] })}>${t("The plan has no author slot left. The role {role} comes back with a free slot.", { role: ROLES()[found.role] })}<//>` : null}
      <div class="columns"><${Card} title=${t("Membership")}><dl class="facts"><div><dt>${t("Role")}</dt><dd>${ROLES()[found.role]}</dd></div><div><dt>${t("Joined")}</dt><dd>${day(found.joined_at)}</dd></div><div><dt>${t("Last active")}</dt><dd>${found.last_active_at ? html`<${When} at=${found.last_active_at} />` : t("never signed in")}</dd></div><div><dt>${t("Two-factor")}</dt><dd><${TwoFactor} on=${found.two_factor} /></dd></div><div class="whole"><dt>${t("Id")}</dt><dd><code>${found.id}</code></dd></div></dl><//>
      <${Card} title=${t("Groups")} plain><ul class="lines">${found.groups.map((group) => html`<li><a class="name-link" href="${ROOT}/groups/${group.id}">${groupTold(group).name}</a>${group.kind === "custom" ? null : html`<${Badge}>${t("Built-in")}<//>`}</li>`)}</ul><//></div>
      ${found.status === "active" ? html`<${SeenBy} person=${{ id, title: found.name }} to=${(board) => go(`/access?user=${id}&dashboard=${encodeURIComponent(board)}`)} />` : null}
      <div class="columns"><${Told} title=${t("Sign-ins")} q=${`actor:${id} action:identity.session.started.v1`} none=${t("Not within the time that your plan shows.")} address />
      <${Told} title=${t("What they did")} q=${`actor:${id} -action:identity.session.*`} none=${t("Nothing has happened yet")} /></div>
      <${Told} title=${t("What happened to them")} target=${id} none=${t("Nothing has happened yet")} />`}<//>
    ${dialog}<//>`;
}

/** The last entries of the audit log by or about somebody. */
function Told({ title, q, target, none, address }) {
  const asked = new URLSearchParams(Object.entries({ q, target }).filter(([, value]) => value));
  const found = useLoad(() => get(`/v1/audit-entries?${asked}&limit=${SHOWN}`), `${asked}`);
  return html`<${Card} plain title=${title} footer=${html`<a class="button" href="${ROOT}/audit?range=all&${asked}">${t("All in the audit log")}</a>`}><${Loaded} from=${found} lines=${3}>${({ data }) => (data.length
    ? html`<${Happenings} entries=${data} below=${address ? (one) => one.source_ip ?? "–" : undefined} />`
    : html`<ul class="lines"><li class="quiet">${none}</li></ul>`)}<//><//>`;
}
