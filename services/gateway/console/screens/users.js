// Users: who is in, who is invited, who was; what one can do about each.
import { get } from "../lib/api.js";
import { html, useEffect, useSignal, useState } from "../lib/dom.js";
import { inWords } from "../lib/events.js";
import { day, t } from "../lib/i18n.js";
import { ROLES, roleOptions, whyNot } from "../lib/may.js";
import { go, me, refine, ROOT, route, useList, useLoad, whole } from "../lib/state.js";
import { Badge, Button, Card, Loaded, Meter, Notice, Page, Person, useResting, When } from "../ui/basics.js";
import { Search, Select } from "../ui/forms.js";
import { Menu } from "../ui/overlays.js";
import { Nothing, Table } from "../ui/table.js";
import { BulkBar, pickColumn } from "./bulk.js";
import { InviteDialog } from "./invite.js";
import { Invited } from "./invited.js";
import { RoleAndGroups } from "./role-and-groups.js";
import { actions } from "./user-actions.js";
import { ExportDialog, ImportDialog } from "./user-lists.js";

export { roleOptions, whyNot };

export function RoleBadge({ user }) {
  const lowered = user.effective_role !== user.role;
  return html`<span class="row">${ROLES()[user.role]}${lowered ? html`<${Badge} kind="warn" icon="lock">${t("acts as {role}", { role: ROLES()[user.effective_role] })}<//>` : null}</span>`;
}

export function GroupNames({ groups }) {
  const own = groups.filter((one) => one.kind === "custom");
  if (!own.length) return html`<span class="quiet">–</span>`;
  return html`<span class="row">${own.slice(0, 2).map((one) => html`<${Badge}>${one.name}<//>`)}${own.length > 2 ? html`<span class="small quiet">+${own.length - 2}</span>` : null}</span>`;
}

export function Users() {
  const { query } = useSignal(route);
  const who = useSignal(me);
  const [dialog, open] = useState(null);
  const [fresh, setFresh] = useState(null);
  const status = ["pending", "inactive"].includes(query.get("status")) ? query.get("status") : "active";
  const organization = useLoad(() => get("/v1/organization"), "organization");
  const pending = useLoad(() => get("/v1/invitations?status=pending&limit=1"), "pending");
  const inactive = useLoad(() => get("/v1/users?status=inactive&limit=1"), "inactive");
  const [round, again] = useState(0);
  const reload = (id) => {
    setFresh(id ?? null);
    again(round + 1);
    [organization, pending, inactive].forEach((one) => one.reload());
  };
  const close = (done, id) => {
    open(null);
    if (done) reload(id);
  };
  const count = (from) => (from.data?.data.length ? (from.data.page?.total ?? "") : null);
  const tabs = [["active", t("Active"), ""], ["pending", t("Invited"), count(pending)], ["inactive", t("Inactive"), count(inactive)]];
  const invite = html`<${Button} kind="primary" icon="plus" why=${whyNot("invitations.manage")} onClick=${() => open(html`<${InviteDialog} slots=${organization.data?.slots} onClose=${close} />`)} data-key="i">${t("Invite users")}<//>`;
  const more = html`<${Menu} label=${t("More ways to invite and list")} items=${[{ label: t("Invite from a list…"), note: t("A CSV of up to 10,000 rows"), why: whyNot("invitations.manage"), act: () => open(html`<${ImportDialog} onClose=${close} />`) }]} />`;
  return html`<${Page} title=${t("Users")} lead=${t("Everybody who works in your organization, and who is about to.")} org=${who.organization.name} actions=${html`${invite}${more}`}>
    ${organization.data ? html`<div class="columns"><${Meter} label=${t("Author slots (admins and analysts)")} ...${organization.data.slots.author} /><${Meter} label=${t("Viewer slots")} ...${organization.data.slots.viewer} /></div>` : null}
    <nav class="tabs" aria-label=${t("Users")}>${tabs.map(([key, label, n]) => html`<a href="${ROOT}/users${key === "active" ? "" : `?status=${key}`}" aria-current=${key === status ? "page" : undefined}>${label}${n ? html`<${Badge}>${n}<//>` : null}</a>`)}</nav>
    ${status === "pending" ? html`<${Invited} key="invited${round}" open=${open} close=${close} fresh=${fresh} invite=${invite} />` : html`<${Members} key="${status}${round}" status=${status} open=${open} close=${close} fresh=${fresh} />`}
    ${dialog}<//>`;
}

export function useSearch(name = "q") {
  const { query } = useSignal(route);
  const [text, set] = useState(query.get(name) ?? "");
  const resting = useResting(text);
  useEffect(() => {
    if ((query.get(name) ?? "") !== resting.trim()) refine({ [name]: resting.trim() });
  }, [resting]);
  return [text, set, query];
}

function Members({ status, open, close, fresh }) {
  const [text, setText, query] = useSearch();
  const who = useSignal(me);
  const asked = new URLSearchParams({ status });
  for (const name of ["q", "role", "group_id", "sort"]) if (query.get(name)) asked.set(name, query.get(name));
  const groups = useLoad(() => whole("/v1/groups"), "groups");
  const list = useList(`/v1/users?${asked}`);
  const [chosen, setChosen] = useState(new Map());
  const clear = () => {
    setText("");
    refine({ q: "", role: "", group_id: "" });
  };
  const filter = Object.fromEntries([...asked].filter(([name]) => name !== "sort"));
  const columns = [
    pickColumn(list.rows ?? [], chosen, setChosen),
    { key: "name", label: t("Name"), sort: "name", cell: (user) => html`<a class="name-link" href="${ROOT}/users/${user.id}"><${Person} name=${user.name} email=${user.email} extra=${user.id === who.user.id ? html`<${Badge} kind="accent">${t("You")}<//>` : null} /></a>` },
    { key: "role", label: t("Role"), cell: (user) => html`<${RoleBadge} user=${user} />` },
    { key: "groups", label: t("Groups"), secondary: true, cell: (user) => html`<${GroupNames} groups=${user.groups} />` },
    status === "active" ? { key: "active", label: t("Last active"), sort: "last_active_at", secondary: true, cell: (user) => html`<${When} at=${user.last_active_at} />` }
      : { key: "left", label: t("Deactivated"), sort: "deactivated_at", secondary: true, cell: (user) => html`<${When} at=${user.deactivated_at} />` },
    { key: "act", label: t("Actions"), act: true, cell: (user) => html`<${Menu} label=${t("Actions for {name}", { name: user.name })} items=${actions(user, who, open, close)} />` },
  ];
  const custom = (groups.data ?? []).filter?.((one) => one.kind === "custom") ?? [];
  return html`<${Card} plain><div class="toolbar"><${Search} label=${t("Search by name or e-mail")} value=${text} onInput=${setText} />
      <${Select} slim hidden label=${t("Role")} value=${query.get("role") ?? ""} onInput=${(role) => refine({ role })} options=${[["", t("Every role")], ...Object.entries(ROLES())]} />
      ${custom.length ? html`<${Select} slim hidden label=${t("Group")} value=${query.get("group_id") ?? ""} onInput=${(group) => refine({ group_id: group })} options=${[["", t("Every group")], ...custom.map((one) => [one.id, one.name])]} />` : null}
      <${Button} icon="file" onClick=${() => open(html`<${ExportDialog} filter=${filter} onClose=${() => close(false)} />`)}>${t("Export…")}<//></div>
    <${Table} label=${t("Users")} list=${list} columns=${columns} sort=${query.get("sort") ?? "name"} onSort=${(sort) => refine({ sort })} fresh=${fresh}
      empty=${html`<${Nothing} filtered=${query.get("q") || query.get("role") || query.get("group_id")} clear=${clear} icon="users" title=${status === "active" ? t("You are the only one here") : t("Nobody is inactive")}>${t("Deactivated people keep their place in groups and come back as they were.")}<//>`} />
    <${BulkBar} chosen=${chosen} status=${status} groups=${custom} open=${open} close=${close} clear=${() => setChosen(new Map())} /><//>`;
}

export function UserPage({ id }) {
  const who = useSignal(me);
  const [dialog, open] = useState(null);
  const user = useLoad(() => get(`/v1/users/${id}`), id);
  const close = (done) => {
    open(null);
    if (done) get(`/v1/users/${id}`).then(user.reload, () => go("/users"));
  };
  const one = user.data;
  return html`<${Page} title=${one?.name ?? t("User")} org=${who.organization.name} crumbs=${html`<a href="${ROOT}/users">${t("Users")}</a>`} lead=${one?.email}
    actions=${one ? html`<${Button} why=${whyNot("users.manage")} onClick=${() => open(html`<${RoleAndGroups} id=${id} onClose=${close} />`)}>${t("Role & groups…")}<//><${Menu} label=${t("Actions for {name}", { name: one.name })} kind="square" items=${actions(one, who, open, close).slice(one.status === "active" ? 1 : 0)} />` : null}>
    <${Loaded} from=${user}>${(found) => html`
      ${found.status === "inactive" ? html`<${Notice} kind="warn" icon="warn" title=${t("Deactivated on {day}", { day: day(found.deactivated_at) })}>${t("Can't sign in to this organization. Role and groups are kept.")}<//>` : null}
      ${found.effective_role !== found.role ? html`<${Notice} kind="warn" icon="lock" title=${t("Acts as {role} for now", { role: ROLES()[found.effective_role] })}>${t("The plan has no author slot left. The role {role} comes back with a free slot.", { role: ROLES()[found.role] })}<//>` : null}
      <${Card} title=${t("Membership")}><dl class="facts"><div><dt>${t("Role")}</dt><dd>${ROLES()[found.role]}</dd></div><div><dt>${t("Joined")}</dt><dd>${day(found.joined_at)}</dd></div><div><dt>${t("Id")}</dt><dd><code>${found.id}</code></dd></div></dl><//>
      <${Card} title=${t("Groups")} plain><ul class="lines">${found.groups.map((group) => html`<li><a class="name-link" href="${ROOT}/groups/${group.id}">${group.name}</a>${group.kind === "custom" ? null : html`<${Badge}>${t("Built-in")}<//>`}</li>`)}</ul><//>
      <${Told} id=${id} />`}<//>
    ${dialog}<//>`;
}

/** The last that happened to somebody, out of the audit log. */
function Told({ id }) {
  const found = useLoad(() => get(`/v1/audit-entries?target=${id}&limit=6`), id);
  return html`<${Card} plain title=${t("What happened")} footer=${html`<a class="button" href="${ROOT}/audit?target=${id}">${t("All in the audit log")}</a>`}><${Loaded} from=${found} lines=${3}>${({ data }) => (data.length
    ? html`<ul class="lines">${data.map((one) => html`<li key=${one.id}><span><b>${inWords(one.action)}</b><br /><small class="quiet">${one.actor?.name ?? one.actor?.email ?? t("the system")}</small></span><small class="quiet"><${When} at=${one.at} /></small></li>`)}</ul>`
    : html`<div class="body"><p class="quiet">${t("Nothing has happened yet")}</p></div>`)}<//><//>`;
}
