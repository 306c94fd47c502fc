// Users: who is in, who is invited, who was; what one can do about each.
import { get } from "../lib/api.js";
import { html, useEffect, useSignal, useState } from "../lib/dom.js";
import { t, tn } from "../lib/i18n.js";
import { useLive } from "../lib/live.js";
import { ROLES, roleOptions, whyNot } from "../lib/may.js";
import { me, refine, ROOT, route, useList, useLoad, whole } from "../lib/state.js";
import { Badge, Button, Card, Meter, Page, Person, useResting, When } from "../ui/basics.js";
import { pickColumn } from "../ui/bulk.js";
import { Search, Select } from "../ui/forms.js";
import { Menu } from "../ui/overlays.js";
import { Nothing, Table } from "../ui/table.js";
import { PeopleBar } from "./bulk.js";
import { InviteDialog } from "./invite.js";
import { Invited } from "./invited.js";
import { actions } from "./user-actions.js";
import { Facets, factorOptions, useFacets } from "./user-facets.js";
import { ExportDialog, ImportDialog } from "./user-lists.js";
import { Waiting } from "./waiting.js";

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
  const organization = useLive(useLoad(() => get("/v1/organization"), "organization"), "org.member,org.invitation", { atOnce: true });
  const pending = useLoad(() => get("/v1/invitations?status=pending&limit=1"), "pending");
  const waiting = useLive(useList("/v1/users/approvals"), "org.member", { atOnce: true });
  const inactive = useLoad(() => get("/v1/users?status=inactive&limit=1"), "inactive");
  const [round, again] = useState(0);
  const reload = (id) => {
    setFresh(id ?? null);
    again(round + 1);
    [organization, pending, waiting, inactive].forEach((one) => one.reload());
  };
  const close = (done, id) => {
    open(null);
    if (done) reload(id);
  };
  const count = (from) => from.data?.page?.total ?? 0;
  const tabs = [["active", t("Active"), 0], ["pending", t("Pending"), count(pending) + count(waiting)], ["inactive", t("Inactive"), count(inactive)]].filter(([key, , n]) => n || key === "active" || key === status);
  const invite = html`<${Button} kind="primary" icon="plus" why=${whyNot("invitations.manage")} onClick=${() => open(html`<${InviteDialog} slots=${organization.data?.slots} onClose=${close} />`)} data-key="i">${t("Invite users")}<//>`;
  const more = html`<${Menu} label=${t("More ways to invite and list")} items=${[{ label: t("Invite from a list…"), note: t("A CSV of up to 10,000 rows"), why: whyNot("invitations.manage"), act: () => open(html`<${ImportDialog} onClose=${close} />`) }]} />`;
  return html`<${Page} title=${t("Users")} lead=${t("Everybody who works in your organization, and who is about to.")} org=${who.organization.name} actions=${html`${invite}${more}`}>
    <div class="columns slots">${organization.data ? html`<${Meter} label=${t("Author slots (admins and analysts)")} ...${organization.data.slots.author} /><${Meter} label=${t("Viewer slots")} ...${organization.data.slots.viewer} />` : null}</div>
    <nav class="tabs" aria-label=${t("Users")}>${tabs.map(([key, label, n]) => html`<a href="${ROOT}/users${key === "active" ? "" : `?status=${key}`}" aria-current=${key === status ? "page" : undefined}>${label}${n ? html`<${Badge}>${n}<//>` : null}</a>`)}</nav>
    ${status === "pending" ? html`<${Waiting} list=${waiting} slots=${organization.data?.slots} open=${open} close=${close} /><${Invited} key="invited${round}" open=${open} close=${close} fresh=${fresh} invite=${invite} />` : html`<${Members} key="${status}${round}" status=${status} open=${open} close=${close} fresh=${fresh} />`}
    ${dialog}<//>`;
}

export function TwoFactor({ on }) {
  if (on === undefined) return html`<span class="quiet">–</span>`;
  return on ? html`<${Badge} kind="ok" icon="check">${t("On")}<//>` : html`<${Badge} kind="warn" icon="warn">${t("Off")}<//>`;
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

const FILTERS = ["q", "role", "group_id", "two_factor", "last_active"];

function Members({ status, open, close, fresh }) {
  const [text, setText, query] = useSearch();
  const who = useSignal(me);
  const asked = new URLSearchParams({ status });
  for (const name of [...FILTERS, "sort"]) if (query.get(name)) asked.set(name, query.get(name));
  const groups = useLoad(() => whole("/v1/groups"), "groups");
  const list = useLive(useList(`/v1/users?${asked}`), "org.member,org.group");
  const [chosen, setChosen] = useState(new Map());
  const facets = useFacets(status);
  const clear = () => {
    setText("");
    refine(Object.fromEntries(FILTERS.map((name) => [name, ""])));
  };
  const filter = Object.fromEntries([...asked].filter(([name]) => name !== "sort"));
  const columns = [
    pickColumn(list.rows ?? [], chosen, setChosen, t("Choose everybody shown")),
    { key: "name", label: t("Name"), sort: "name", cell: (user) => html`<a class="name-link" href="${ROOT}/users/${user.id}"><${Person} name=${user.name} email=${user.email} extra=${user.id === who.user.id ? html`<${Badge} kind="accent">${t("You")}<//>` : null} /></a>` },
    { key: "role", label: t("Role"), cell: (user) => html`<${RoleBadge} user=${user} />` },
    { key: "groups", label: t("Groups"), secondary: true, cell: (user) => html`<${GroupNames} groups=${user.groups} />` },
    ...(status === "active" ? [{ key: "security", label: t("Two-factor"), secondary: true, cell: (user) => html`<${TwoFactor} on=${user.two_factor} />` }] : []),
    status === "active" ? { key: "active", label: t("Last active"), sort: "last_active_at", secondary: true, cell: (user) => (user.last_active_at ? html`<${When} at=${user.last_active_at} />` : html`<span class="quiet">${t("never signed in")}</span>`) }
      : { key: "left", label: t("Deactivated"), sort: "deactivated_at", secondary: true, cell: (user) => html`<${When} at=${user.deactivated_at} />` },
    { key: "act", label: t("Actions"), act: true, cell: (user) => html`<${Menu} label=${t("Actions for {name}", { name: user.name })} items=${actions(user, who, open, close)} />` },
  ];
  const custom = (groups.data ?? []).filter?.((one) => one.kind === "custom") ?? [];
  return html`<${Card} plain>${status === "active" ? html`<${Facets} facets=${facets} query=${query} />` : null}<div class="toolbar"><${Search} label=${t("Search by name or e-mail")} value=${text} onInput=${setText} />
      <${Select} slim hidden label=${t("Role")} value=${query.get("role") ?? ""} onInput=${(role) => refine({ role })} options=${[["", t("Every role")], ...Object.entries(ROLES())]} />
      ${custom.length ? html`<${Select} slim hidden label=${t("Group")} value=${query.get("group_id") ?? ""} onInput=${(group) => refine({ group_id: group })} options=${[["", t("Every group")], ...custom.map((one) => [one.id, one.name])]} />` : null}
      <${Select} slim hidden label=${t("Two-factor")} value=${query.get("two_factor") ?? ""} onInput=${(value) => refine({ two_factor: value })} options=${factorOptions(facets.data?.two_factor.required)} />
      <${Button} icon="file" why=${list.rows?.length === 0 ? t("Nothing matches") : ""} onClick=${() => open(html`<${ExportDialog} filter=${filter} onClose=${() => close(false)} />`)}>${t("Export…")}<//></div>
    <${Table} label=${t("Users")} list=${list} columns=${columns} sort=${query.get("sort") ?? "name"} onSort=${(sort) => refine({ sort })} fresh=${fresh}
      empty=${html`<${Nothing} filtered=${FILTERS.some((name) => query.get(name))} clear=${clear} icon="users" title=${status === "active" ? t("You are the only one here") : t("Nobody is inactive")}>${t("Deactivated people keep their place in groups and come back as they were.")}<//>`} />
    <${PeopleBar} chosen=${chosen} status=${status} groups=${custom} open=${open} close=${close} clear=${() => setChosen(new Map())} /><//>`;
}
