// User groups: what there is, one in detail, its members, and its end.
import { get, patch, post, put, remove } from "../lib/api.js";
import { html, useSignal, useState } from "../lib/dom.js";
import { t, tn } from "../lib/i18n.js";
import { whyNot } from "../lib/may.js";
import { can, go, me, ROOT, say, useList, useLoad } from "../lib/state.js";
import { Badge, Button, Card, Empty, Loaded, Notice, Page, Person, useResting } from "../ui/basics.js";
import { Field, FormError, Search, Submit, useSend } from "../ui/forms.js";
import { Confirm, Dialog } from "../ui/overlays.js";
import { Nothing, Table } from "../ui/table.js";
import { RoleBadge } from "./users.js";

export function Groups() {
  const who = useSignal(me);
  const [adding, add] = useState(false);
  const [text, setText] = useState("");
  const resting = useResting(text).trim();
  const list = useList(`/v1/groups${resting ? `?q=${encodeURIComponent(resting)}` : ""}`);
  const locked = can("groups.manage").because?.kind === "plan" ? can("groups.manage").because : null;
  const columns = [
    { key: "name", label: t("Name"), cell: (group) => html`<a class="name-link" href="${ROOT}/groups/${group.id}">${group.name}</a>${group.description ? html`<div class="small quiet">${group.description}</div>` : null}` },
    { key: "members", label: t("Members"), cell: (group) => html`<span class="number">${group.members.toLocaleString()}</span>` },
    { key: "state", label: t("State"), secondary: true, cell: (group) => group.suspended ? html`<${Badge} kind="warn" icon="lock">${t("Suspended by the plan")}<//>` : group.kind === "custom" ? html`<${Badge} kind="ok">${t("Active")}<//>` : html`<${Badge}>${t("Built-in")}<//>` },
  ];
  const button = html`<${Button} kind="primary" icon="plus" why=${whyNot("groups.manage")} onClick=${() => add(true)}>${t("Add group")}<//>`;
  return html`<${Page} title=${t("User groups")} org=${who.organization.name} lead=${t("Share a dashboard with a group, and everybody in it sees it.")} actions=${button}>
    ${locked ? html`<${Notice} kind="accent" icon="lock" title=${t("Your own groups aren't in your plan")}><p>${locked.detail}</p><//>` : null}
    <${Card} plain><div class="toolbar"><${Search} label=${t("Search groups")} value=${text} onInput=${setText} /></div>
    <${Table} label=${t("User groups")} list=${list} columns=${columns} empty=${html`<${Nothing} filtered=${resting} clear=${() => setText("")} icon="groups" title=${t("No groups yet")} action=${button} />`} /><//>
    ${adding ? html`<${GroupDialog} onClose=${() => add(false)} />` : null}<//>`;
}

function GroupDialog({ group, onClose }) {
  const [given, set] = useState({ name: group?.name ?? "", description: group?.description ?? "" });
  const change = (name) => (value) => set((was) => ({ ...was, [name]: value }));
  const sending = useSend(async (body, options) => {
    const { data } = await (group ? patch(`/v1/groups/${group.id}`, body, options) : post("/v1/groups", body, options));
    say(group ? t("The group is changed.") : t("The group {name} is there.", { name: data.name }));
    onClose(true);
    if (!group) go(`/groups/${data.id}`);
  });
  const why = given.name.trim() ? "" : t("Give it a name first");
  return html`<${Dialog} title=${group ? t("Edit group") : t("Add group")} onClose=${() => onClose(false)} onSubmit=${() => why || sending.run(given)}
    footer=${html`<${Button} onClick=${() => onClose(false)}>${t("Cancel")}<//><${Submit} sending=${sending} why=${why}>${group ? t("Save") : t("Add group")}<//>`}>
    <${FormError} sending=${sending} fields=${["name", "description"]} />
    <${Field} label=${t("Name")} name="name" maxlength="80" value=${given.name} onInput=${change("name")} wrong=${sending.wrong("name") ?? (sending.error?.code === "name_taken" ? t("A group has this name already.") : undefined)} data-first />
    <${Field} area label=${t("Description")} name="description" maxlength="500" hint=${t("Up to 500 characters; helps people who share.")} value=${given.description} onInput=${change("description")} wrong=${sending.wrong("description")} /><//>`;
}

export function GroupPage({ id }) {
  const who = useSignal(me);
  const [dialog, open] = useState(null);
  const [round, again] = useState(0);
  const group = useLoad(() => get(`/v1/groups/${id}`), id);
  const close = (done) => {
    open(null);
    if (done) {
      group.reload();
      again(round + 1);
    }
  };
  const one = group.data;
  const own = one?.kind === "custom";
  return html`<${Page} title=${one?.name ?? t("Group")} org=${who.organization.name} crumbs=${html`<a href="${ROOT}/groups">${t("User groups")}</a>`} lead=${one ? one.description || (own ? "" : t("Membership is automatic.")) : ""}
    actions=${own ? html`<${Button} why=${whyNot("groups.edit")} onClick=${() => open(html`<${GroupDialog} group=${one} onClose=${close} />`)}>${t("Edit…")}<//><${Button} kind="primary" icon="plus" why=${whyNot("groups.manage")} onClick=${() => open(html`<${AddMembers} group=${one} onClose=${close} />`)}>${t("Add members")}<//>` : null}>
    <${Loaded} from=${group}>${(found) => html`
      ${found.suspended ? html`<${Notice} kind="warn" icon="lock" title=${t("Suspended by the plan")}>${t("Everything is kept, but the group gives no access until the plan includes groups again.")}<//>` : null}
      ${can("groups.read_members").allowed ? html`<${Members} key=${round} group=${found} own=${own} open=${open} close=${close} />` : html`<${Card}><p>${tn(found.members, "{n} person", "{n} people")}</p><//>`}
      ${own ? html`<${Card} kind="danger" title=${t("Danger zone")}><div class="row spread"><p>${t("Deleting a group takes away what its members see only through it.")}</p>
        <${Button} kind="danger" why=${whyNot("groups.edit")} onClick=${() => open(html`<${DeleteGroup} group=${found} onClose=${() => open(null)} />`)}>${t("Delete group…")}<//></div><//>` : null}`}<//>
    ${dialog}<//>`;
}

function Members({ group, own, open, close }) {
  const [text, setText] = useState("");
  const resting = useResting(text).trim();
  const list = useList(`/v1/groups/${group.id}/members${resting ? `?q=${encodeURIComponent(resting)}` : ""}`);
  const columns = [
    { key: "name", label: t("Name"), cell: (user) => html`<a class="name-link" href="${ROOT}/users/${user.id}"><${Person} name=${user.name} email=${user.email} /></a>` },
    { key: "role", label: t("Role"), secondary: true, cell: (user) => html`<${RoleBadge} user=${user} />` },
  ];
  if (own) columns.push({ key: "act", label: t("Actions"), act: true, cell: (user) => html`<${Button} kind="plain square" icon="close" aria-label=${t("Remove {name}", { name: user.name })} why=${whyNot("groups.edit")} onClick=${() => open(html`<${TakeOut} group=${group} user=${user} onClose=${close} />`)} />` });
  return html`<${Card} plain title=${tn(group.members, "{n} member", "{n} members")}><div class="toolbar"><${Search} label=${t("Search members")} value=${text} onInput=${setText} /></div>
    <${Table} label=${t("Members")} list=${list} columns=${columns} empty=${html`<${Nothing} filtered=${resting} clear=${() => setText("")} icon="users" title=${t("Nobody is in this group")}>${t("Add people, then share dashboards with the group.")}<//>`} /><//>`;
}

function TakeOut({ group, user, onClose }) {
  const act = async (options) => {
    await remove(`/v1/groups/${group.id}/members/${user.id}`, options);
    say(t("{name} is no longer in {group}.", { name: user.name, group: group.name }));
  };
  return html`<${Confirm} title=${t("Remove {name} from {group}?", { name: user.name, group: group.name })} verb=${t("Remove")} danger act=${act} onClose=${onClose}>
    <p>${t("What is shared with {name} only through this group is out of sight at once.", { name: user.name })}</p><//>`;
}

function DeleteGroup({ group, onClose }) {
  const act = async (options) => {
    await remove(`/v1/groups/${group.id}`, options);
    say(t("The group {name} is deleted.", { name: group.name }));
    onClose();
    go("/groups", { replace: true });
  };
  return html`<${Confirm} title=${t("Delete the group {name}?", { name: group.name })} verb=${t("Delete group {name}", { name: group.name })} danger act=${act} onClose=${onClose}>
    <p>${tn(group.members, "{n} person loses what is shared with them only through this group.", "{n} people lose what is shared with them only through this group.")}</p>
    <p class="quiet">${t("The dashboards stay. The group can be brought back within 30 days.")}</p><//>`;
}

function AddMembers({ group, onClose }) {
  const [text, setText] = useState("");
  const [chosen, setChosen] = useState([]);
  const resting = useResting(text).trim();
  const found = useList(`/v1/users?status=active${resting ? `&q=${encodeURIComponent(resting)}` : ""}`, 20);
  const inside = (user) => user.groups.some((one) => one.id === group.id);
  const flip = (user) => setChosen(chosen.some((one) => one.id === user.id) ? chosen.filter((one) => one.id !== user.id) : [...chosen, user]);
  const sending = useSend(async () => {
    for (const user of chosen) await put(`/v1/groups/${group.id}/members/${user.id}`);
    say(tn(chosen.length, "{n} person is added.", "{n} people are added."));
    onClose(true);
  });
  const why = chosen.length ? "" : t("Choose somebody first");
  return html`<${Dialog} title=${t("Add members to {name}", { name: group.name })} onClose=${() => onClose(sending.error !== null)} onSubmit=${() => why || sending.run()}
    footer=${html`<span class="note" role="status">${tn(chosen.length, "{n} chosen", "{n} chosen")}</span><${Button} onClick=${() => onClose(false)}>${t("Cancel")}<//><${Submit} sending=${sending} why=${why}>${t("Add")}<//>`}>
    <${FormError} sending=${sending} />
    <${Search} label=${t("Search by name or e-mail")} value=${text} onInput=${setText} data-first />
    <${Loaded} from=${found}>${() => found.rows.length ? html`<div class="choices list" role="group" aria-label=${t("Users")}>${found.rows.map((user) => html`<label class="choice flat" key=${user.id}><input type="checkbox" checked=${inside(user) || chosen.some((one) => one.id === user.id)} disabled=${inside(user)} onChange=${() => flip(user)} /><span><b>${user.name}</b><small>${inside(user) ? t("is in this group") : user.email}</small></span></label>`)}
      ${found.more ? html`<${Button} kind="plain" onClick=${found.more} busy=${found.loadingMore}>${t("Load more")}<//>` : null}</div>` : html`<${Empty} icon="search" title=${t("Nobody is found")} />`}<//><//>`;
}
