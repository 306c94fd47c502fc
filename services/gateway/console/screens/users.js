// Users: who is in, who is invited, who was; what one can do about each.
import { get, post, put, remove } from "../lib/api.js";
import { html, useEffect, useSignal, useState } from "../lib/dom.js";
import { day, t, tn } from "../lib/i18n.js";
import { ROLES, roleOptions, whyNot } from "../lib/may.js";
import { me, refine, ROOT, route, say, useList, useLoad, whole } from "../lib/state.js";
import { Badge, Button, Card, Icon, Loaded, Meter, Notice, Page, Person, useResting, When } from "../ui/basics.js";
import { Check, Choices, FormError, Search, Select, Submit, useSend } from "../ui/forms.js";
import { Confirm, Dialog, Menu } from "../ui/overlays.js";
import { Nothing, Table } from "../ui/table.js";
import { InviteDialog } from "./invite.js";

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
  return html`<${Page} title=${t("Users")} lead=${t("Everybody who works in your organization, and who is about to.")} org=${who.organization.name} actions=${invite}>
    ${organization.data ? html`<div class="columns"><${Meter} label=${t("Author slots (admins and analysts)")} ...${organization.data.slots.author} /><${Meter} label=${t("Viewer slots")} ...${organization.data.slots.viewer} /></div>` : null}
    <nav class="tabs" aria-label=${t("Users")}>${tabs.map(([key, label, n]) => html`<a href="${ROOT}/users${key === "active" ? "" : `?status=${key}`}" aria-current=${key === status ? "page" : undefined}>${label}${n ? html`<${Badge}>${n}<//>` : null}</a>`)}</nav>
    ${status === "pending" ? html`<${Invited} key="invited${round}" open=${open} close=${close} fresh=${fresh} invite=${invite} />` : html`<${Members} key="${status}${round}" status=${status} open=${open} close=${close} fresh=${fresh} />`}
    ${dialog}<//>`;
}

function useSearch(name = "q") {
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
  const clear = () => {
    setText("");
    refine({ q: "", role: "", group_id: "" });
  };
  const columns = [
    { key: "name", label: t("Name"), sort: "name", cell: (user) => html`<a class="name-link" href="${ROOT}/users/${user.id}"><${Person} name=${user.name} email=${user.email} extra=${user.id === who.user.id ? html`<${Badge} kind="accent">${t("You")}<//>` : null} /></a>` },
    { key: "role", label: t("Role"), cell: (user) => html`<${RoleBadge} user=${user} />` },
    { key: "groups", label: t("Groups"), secondary: true, cell: (user) => html`<${GroupNames} groups=${user.groups} />` },
    status === "active" ? { key: "joined", label: t("Joined"), sort: "joined_at", secondary: true, cell: (user) => html`<${When} at=${user.joined_at} />` }
      : { key: "left", label: t("Deactivated"), sort: "deactivated_at", secondary: true, cell: (user) => html`<${When} at=${user.deactivated_at} />` },
    { key: "act", label: t("Actions"), act: true, cell: (user) => html`<${Menu} label=${t("Actions for {name}", { name: user.name })} items=${actions(user, who, open, close)} />` },
  ];
  const custom = (groups.data ?? []).filter?.((one) => one.kind === "custom") ?? [];
  return html`<${Card} plain><div class="toolbar"><${Search} label=${t("Search by name or e-mail")} value=${text} onInput=${setText} />
      <${Select} slim hidden label=${t("Role")} value=${query.get("role") ?? ""} onInput=${(role) => refine({ role })} options=${[["", t("Every role")], ...Object.entries(ROLES())]} />
      ${custom.length ? html`<${Select} slim hidden label=${t("Group")} value=${query.get("group_id") ?? ""} onInput=${(group) => refine({ group_id: group })} options=${[["", t("Every group")], ...custom.map((one) => [one.id, one.name])]} />` : null}</div>
    <${Table} label=${t("Users")} list=${list} columns=${columns} sort=${query.get("sort") ?? "name"} onSort=${(sort) => refine({ sort })} fresh=${fresh}
      empty=${html`<${Nothing} filtered=${query.get("q") || query.get("role") || query.get("group_id")} clear=${clear} icon="users" title=${status === "active" ? t("You are the only one here") : t("Nobody is inactive")}>${t("Deactivated people keep their place in groups and come back as they were.")}<//>`} /><//>`;
}

/** What can be done about a user; what can't says why. */
export function actions(user, who, open, close) {
  const manage = whyNot("users.manage");
  const done = (ok) => close(ok, user.id);
  const mine = user.id === who.user.id ? t("That is you.") : "";
  const change = { label: t("Role & groups…"), why: manage, act: () => open(html`<${RoleAndGroups} id=${user.id} onClose=${done} />`) };
  if (user.status === "active") return [change, null, { label: t("Deactivate…"), danger: true, why: manage || mine, act: () => open(html`<${Deactivate} user=${user} onClose=${done} />`) }];
  return [
    { label: t("Reactivate…"), why: manage, act: () => open(html`<${Reactivate} user=${user} onClose=${done} />`) },
    null,
    { label: t("Remove for good…"), danger: true, why: manage, act: () => open(html`<${RemoveUser} user=${user} onClose=${done} />`) },
  ];
}

const Impact = ({ lines }) => html`<ul class="impact">${lines.map(([icon, text]) => html`<li><${Icon} name=${icon} />${text}</li>`)}</ul>`;

function Deactivate({ user, onClose }) {
  const act = async (options) => {
    await post(`/v1/users/${user.id}/deactivation`, undefined, options);
    say(t("{name} is deactivated.", { name: user.name }));
  };
  return html`<${Confirm} title=${t("Deactivate {name}?", { name: user.name })} verb=${t("Deactivate")} danger act=${act} onClose=${onClose}>
    <${Impact} lines=${[["out", t("Every session in your organization ends within a second.")], ["card", t("The slot is free for somebody else.")], ["groups", t("Role, groups and dashboards stay, and come back on reactivation.")]]} /><//>`;
}

function Reactivate({ user, onClose }) {
  const act = async (options) => {
    await post(`/v1/users/${user.id}/reactivation`, undefined, options);
    say(t("{name} is active again.", { name: user.name }));
  };
  return html`<${Confirm} title=${t("Reactivate {name}?", { name: user.name })} verb=${t("Reactivate")} act=${act} onClose=${onClose}>
    <p>${t("{name} comes back as {role} with the same groups, and takes a slot again.", { name: user.name, role: ROLES()[user.role] })}</p><//>`;
}

function RemoveUser({ user, onClose }) {
  const act = async (options) => {
    await remove(`/v1/users/${user.id}`, options);
    say(t("{name} is removed.", { name: user.name }));
  };
  return html`<${Confirm} title=${t("Remove {name} for good?", { name: user.name })} verb=${t("Remove {name}", { name: user.name })} danger act=${act} onClose=${onClose}>
    <${Impact} lines=${[["groups", t("Membership and groups are gone; only a new invitation brings {name} back.", { name: user.name })], ["log", t("The audit log keeps what {name} did.", { name: user.name })]]} /><//>`;
}

export function GroupPicker({ groups, chosen, onChange }) {
  const [text, setText] = useState("");
  const why = whyNot("groups.manage");
  const custom = groups.filter((one) => one.kind === "custom");
  const shown = custom.filter((one) => one.name.toLowerCase().includes(text.toLowerCase()));
  const flip = (id) => (on) => onChange(on ? [...chosen, id] : chosen.filter((one) => one !== id));
  if (!custom.length) return html`<p class="small quiet">${why || t("There are no groups yet. Everybody is in All users anyway.")}</p>`;
  return html`<div class="stack tight">${custom.length > 7 ? html`<${Search} label=${t("Search groups")} value=${text} onInput=${setText} />` : null}
    <div class="choices list" role="group" aria-label=${t("Groups")}>${shown.map((one) => html`<${Check} key=${one.id} flat label=${one.name} note=${one.suspended ? t("Suspended by the plan") : tn(one.members, "{n} person", "{n} people")} checked=${chosen.includes(one.id)} onChange=${flip(one.id)} disabled=${Boolean(why) && !chosen.includes(one.id)} />`)}</div></div>`;
}

export function RoleAndGroups({ id, onClose }) {
  const user = useLoad(() => get(`/v1/users/${id}`), id);
  const groups = useLoad(() => whole("/v1/groups"), "groups");
  if (!user.data || !groups.data) return html`<${Dialog} title=${t("Role & groups")} onClose=${() => onClose(false)}><${Loaded} from=${user.error ? user : groups} lines=${5}>${() => null}<//><//>`;
  return html`<${RoleForm} key=${user.etag} user=${user.data} etag=${user.etag} groups=${groups.data} onClose=${onClose} reload=${user.reload} />`;
}

function RoleForm({ user, etag, groups, onClose, reload }) {
  const before = user.groups.filter((one) => one.kind === "custom").map((one) => one.id);
  const [role, setRole] = useState(user.role);
  const [chosen, setChosen] = useState(before);
  const named = (id) => groups.find((one) => one.id === id)?.name ?? id;
  const changes = [
    role !== user.role ? `${ROLES()[user.role]} → ${ROLES()[role]}` : null,
    ...chosen.filter((one) => !before.includes(one)).map((one) => `+ ${named(one)}`),
    ...before.filter((one) => !chosen.includes(one)).map((one) => `− ${named(one)}`),
  ].filter(Boolean);
  const sending = useSend(async (body, options) => {
    await put(`/v1/users/${user.id}/role-and-groups`, body, { ...options, etag });
    say(t("{name} is changed.", { name: user.name }));
    onClose(true);
  });
  const stale = sending.error?.code === "precondition_failed";
  const why = changes.length ? "" : t("Nothing is changed yet");
  return html`<${Dialog} large title=${t("Role & groups of {name}", { name: user.name })} onClose=${() => onClose(false)} onSubmit=${() => why || sending.run({ role, group_ids: chosen })}
    footer=${html`<span class="note" role="status">${changes.length ? changes.join("  ·  ") : t("No change")}</span><${Button} onClick=${() => onClose(false)}>${t("Cancel")}<//><${Submit} sending=${sending} why=${why}>${t("Save")}<//>`}>
    ${stale ? html`<${Notice} kind="warn" icon="warn" title=${t("Somebody else changed this meanwhile")} role="alert"><${Button} onClick=${reload}>${t("Show what is there now")}<//><//>` : html`<${FormError} sending=${sending} />`}
    <div class="columns"><${Choices} legend=${t("Role")} value=${role} onInput=${setRole} options=${roleOptions()} />
      <div class="stack tight"><p class="label small">${t("Groups")}</p><${GroupPicker} groups=${groups} chosen=${chosen} onChange=${setChosen} /></div></div><//>`;
}

function Invited({ open, close, fresh, invite }) {
  const [text, setText, query] = useSearch();
  const list = useList(`/v1/invitations?status=pending${query.get("q") ? `&q=${encodeURIComponent(query.get("q"))}` : ""}`);
  const groups = useLoad(() => whole("/v1/groups"), "groups");
  const named = (id) => ({ id, kind: "custom", name: groups.data?.find?.((one) => one.id === id)?.name ?? "…" });
  const resend = (one) => async () => {
    try {
      await post(`/v1/invitations/${one.id}/resends`);
      say(t("The invitation to {email} is on its way again.", { email: one.email }));
      close(true, one.id);
    } catch (refusal) {
      open(html`<${Dialog} title=${t("Not sent again")} onClose=${() => close(false)} footer=${html`<${Button} onClick=${() => close(false)}>${t("Close")}<//>`}><p>${refusal.detail}</p><//>`);
    }
  };
  const columns = [
    { key: "email", label: t("E-mail"), cell: (one) => html`<${Person} name="" email=${one.email} />` },
    { key: "role", label: t("Role"), cell: (one) => ROLES()[one.role] },
    { key: "groups", label: t("Groups"), secondary: true, cell: (one) => html`<${GroupNames} groups=${one.group_ids.map(named)} />` },
    { key: "sent", label: t("Sent"), secondary: true, cell: (one) => html`<${When} at=${one.sent_at} />` },
    { key: "expires", label: t("Valid until"), secondary: true, cell: (one) => one.status === "expired" ? html`<${Badge} kind="warn" icon="clock">${t("Expired")}<//>` : html`<time datetime=${one.expires_at}>${day(one.expires_at)}</time>` },
    { key: "act", label: t("Actions"), act: true, cell: (one) => html`<${Menu} label=${t("Actions for {name}", { name: one.email })} items=${[
      { label: t("Send again"), note: t("The link sent before stops working"), why: whyNot("invitations.manage"), act: resend(one) }, null,
      { label: t("Revoke…"), danger: true, why: whyNot("invitations.revoke"), act: () => open(html`<${Revoke} invitation=${one} onClose=${close} />`) }]} />` },
  ];
  return html`<${Card} plain><div class="toolbar"><${Search} label=${t("Search by e-mail")} value=${text} onInput=${setText} /></div>
    <${Table} label=${t("Invitations")} list=${list} columns=${columns} fresh=${fresh} empty=${html`<${Nothing} filtered=${query.get("q")} clear=${() => { setText(""); refine({ q: "" }); }} icon="mail" title=${t("No invitation is open")} action=${invite}>${t("Invited people appear here until they accept.")}<//>`} /><//>`;
}

function Revoke({ invitation, onClose }) {
  const act = async (options) => {
    await remove(`/v1/invitations/${invitation.id}`, options);
    say(t("The invitation to {email} is revoked.", { email: invitation.email }));
  };
  return html`<${Confirm} title=${t("Revoke the invitation to {email}?", { email: invitation.email })} verb=${t("Revoke invitation")} danger act=${act} onClose=${onClose}>
    <p>${t("The link in the mail stops working at once, and the reserved slot is free again.")}</p><//>`;
}

export function UserPage({ id }) {
  const who = useSignal(me);
  const [dialog, open] = useState(null);
  const user = useLoad(() => get(`/v1/users/${id}`), id);
  const close = (done) => {
    open(null);
    if (done) user.reload();
  };
  const one = user.data;
  return html`<${Page} title=${one?.name ?? t("User")} org=${who.organization.name} crumbs=${html`<a href="${ROOT}/users">${t("Users")}</a>`} lead=${one?.email}
    actions=${one ? html`<${Button} why=${whyNot("users.manage")} onClick=${() => open(html`<${RoleAndGroups} id=${id} onClose=${close} />`)}>${t("Role & groups…")}<//><${Menu} label=${t("Actions for {name}", { name: one.name })} kind="square" items=${actions(one, who, open, close).slice(one.status === "active" ? 2 : 0)} />` : null}>
    <${Loaded} from=${user}>${(found) => html`
      ${found.status === "inactive" ? html`<${Notice} kind="warn" icon="warn" title=${t("Deactivated on {day}", { day: day(found.deactivated_at) })}>${t("Can't sign in to this organization. Role and groups are kept.")}<//>` : null}
      ${found.effective_role !== found.role ? html`<${Notice} kind="warn" icon="lock" title=${t("Acts as {role} for now", { role: ROLES()[found.effective_role] })}>${t("The plan has no author slot left. The role {role} comes back with a free slot.", { role: ROLES()[found.role] })}<//>` : null}
      <${Card} title=${t("Membership")}><dl class="facts"><div><dt>${t("Role")}</dt><dd>${ROLES()[found.role]}</dd></div><div><dt>${t("Joined")}</dt><dd>${day(found.joined_at)}</dd></div><div><dt>${t("Id")}</dt><dd><code>${found.id}</code></dd></div></dl><//>
      <${Card} title=${t("Groups")} plain><ul class="lines">${found.groups.map((group) => html`<li><a class="name-link" href="${ROOT}/groups/${group.id}">${group.name}</a>${group.kind === "custom" ? null : html`<${Badge}>${t("Built-in")}<//>`}</li>`)}</ul><//>`}<//>
    ${dialog}<//>`;
}
