// User groups: what there is, one in detail, its members, and its end.
import { get, patch, post, remove } from "../lib/api.js";
import { html, useSignal, useState } from "../lib/dom.js";
import { number, t, tn } from "../lib/i18n.js";
import { useLive } from "../lib/live.js";
import { whyNot } from "../lib/may.js";
import { can, go, me, ROOT, say, useList, useLoad } from "../lib/state.js";
import { groupTold } from "../lib/told.js";
import { Badge, Button, Card, Empty, Icon, Loaded, Notice, Page, Person, useResting } from "../ui/basics.js";
import { MOST } from "../ui/bulk.js";
import { Field, FormError, Search, Submit, useSend } from "../ui/forms.js";
import { Confirm, Dialog } from "../ui/overlays.js";
import { PlanLock } from "../ui/plan-lock.js";
import { More, Nothing, Table } from "../ui/table.js";
import { PeopleOutcome } from "./bulk.js";
import { Activity, Boards, Deleted, DeleteGroup } from "./group-parts.js";
import { RoleBadge } from "./users.js";

function Named({ group }) {
  return html`<a class="name-link" href="${ROOT}/groups/${group.id}">${group.name}</a>${group.description ? html`<div class="small quiet">${group.description}</div>` : null}`;
}

export function Groups() {
  const who = useSignal(me);
  const [adding, add] = useState(false);
  const [text, setText] = useState("");
  const resting = useResting(text).trim();
  const list = useLive(useList(`/v1/groups${resting ? `?q=${encodeURIComponent(resting)}` : ""}`), "org.group");
  const columns = [
    { key: "name", label: t("Name"), cell: (one) => html`<${Named} group=${groupTold(one)} />` },
    { key: "members", label: t("Members"), cell: (group) => html`<span class="number">${number(group.members)}</span>` },
    { key: "state", label: t("State"), secondary: true, cell: (group) => group.suspended ? html`<${Badge} kind="warn" icon="lock">${t("Suspended by the plan")}<//>` : group.kind === "custom" ? html`<${Badge} kind="ok">${t("Active")}<//>` : html`<${Badge}>${t("Built-in")}<//>` },
  ];
  const button = html`<${Button} kind="primary" icon="plus" why=${whyNot("groups.manage")} onClick=${() => add(true)}>${t("Add group")}<//>`;
  return html`<${Page} title=${t("User groups")} org=${who.organization.name} lead=${t("Share a dashboard with a group, and everybody in it sees it.")} actions=${button}>
    <${PlanLock} action="groups.manage" title=${t("Your own groups aren't in your plan")} />
    <${Card} plain><div class="toolbar"><${Search} label=${t("Search groups")} value=${text} onInput=${setText} /></div>
    <${Table} label=${t("User groups")} list=${list} columns=${columns} empty=${html`<${Nothing} filtered=${resting} clear=${() => setText("")} icon="groups" title=${t("No groups yet")} action=${button} />`} /><//>
    <${Deleted} reload=${list.reload} />
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
  const one = group.data && groupTold(group.data);
  const own = one?.kind === "custom";
  return html`<${Page} title=${one?.name ?? t("Group")} org=${who.organization.name} crumbs=${html`<a href="${ROOT}/groups">${t("User groups")}</a>`} lead=${one ? one.description || (own ? "" : t("Membership is automatic.")) : ""}
    actions=${own ? html`<${Button} why=${whyNot("groups.edit")} onClick=${() => open(html`<${GroupDialog} group=${one} onClose=${close} />`)}>${t("Edit…")}<//><${Button} kind="primary" icon="plus" why=${whyNot("groups.manage")} onClick=${() => open(html`<${AddMembers} group=${one} onClose=${close} />`)}>${t("Add members")}<//>` : null}>
    <${Loaded} from=${group}>${(found) => html`
      ${found.suspended ? html`<${Notice} kind="warn" icon="lock" title=${t("Suspended by the plan")}>${t("Everything is kept, but the group gives no access until the plan includes groups again.")}<//>` : null}
      ${can("groups.read_members").allowed ? html`<${Members} key=${round} group=${found} own=${own} open=${open} close=${close} />` : html`<${Card}><p>${tn(found.members, "{n} person", "{n} people")}</p><//>`}
      ${can("sharing.manage").allowed && own ? html`<${Boards} group=${found} own=${own} open=${open} close=${close} />` : null}
      ${can("audit.read").allowed && own ? html`<${Activity} group=${found} />` : null}
      ${own ? html`<${Card} kind="danger" title=${t("Danger zone")}><div class="row spread"><p>${t("Deleting a group takes away what its members see only through it.")}</p>
        <${Button} kind="danger" why=${whyNot("groups.edit")} onClick=${() => open(html`<${DeleteGroup} group=${found} onClose=${() => open(null)} />`)}>${t("Delete group…")}<//></div><//>` : null}`}<//>
    ${dialog}<//>`;
}

function Members({ group, own, open, close }) {
  const [text, setText] = useState("");
  const resting = useResting(text).trim();
  const list = useLive(useList(`/v1/groups/${group.id}/members${resting ? `?q=${encodeURIComponent(resting)}` : ""}`), "org.group,org.member");
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

/** Several people at once, whatever is searched meanwhile; each is answered. */
function AddMembers({ group, onClose }) {
  const [text, setText] = useState("");
  const [chosen, setChosen] = useState([]);
  const [outcome, setOutcome] = useState(null);
  const resting = useResting(text).trim();
  const found = useList(`/v1/users?status=active${resting ? `&q=${encodeURIComponent(resting)}` : ""}`, 20);
  const inside = (user) => user.groups.some((one) => one.id === group.id);
  const flip = (user) => setChosen(chosen.some((one) => one.id === user.id) ? chosen.filter((one) => one.id !== user.id) : [...chosen, user]);
  const sending = useSend(async (body, options) => {
    const { data } = await post("/v1/users/bulk-actions", body, options);
    say(tn(data.changed, "{n} person is added.", "{n} people are added."));
    if (data.refused) setOutcome(data);
    else onClose(true);
  });
  if (outcome) return html`<${PeopleOutcome} outcome=${outcome} people=${chosen} onClose=${() => onClose(true)} />`;
  const why = chosen.length > MOST ? t("At most {n} at once.", { n: MOST }) : chosen.length ? "" : t("Choose somebody first");
  return html`<${Dialog} title=${t("Add members to {name}", { name: group.name })} onClose=${() => onClose(false)} onSubmit=${() => why || sending.run({ action: "add_to_group", group_id: group.id, user_ids: chosen.map((one) => one.id) })}
    footer=${html`<span class="note" role="status">${tn(chosen.length, "{n} chosen", "{n} chosen")}</span><${Button} onClick=${() => onClose(false)}>${t("Cancel")}<//><${Submit} sending=${sending} why=${why}>${t("Add")}<//>`}>
    <${FormError} sending=${sending} />
    <${Search} label=${t("Search by name or e-mail")} value=${text} onInput=${setText} data-first />
    ${chosen.length ? html`<ul class="chips still" aria-label=${t("Chosen people")}>${chosen.map((user) => html`<li class="chip" key=${user.id}><span data-name>${user.name}</span><button type="button" aria-label=${t("Remove {name}", { name: user.name })} onClick=${() => flip(user)}><${Icon} name="close" /></button></li>`)}</ul>` : null}
    <${Loaded} from=${found}>${() => found.rows.length ? html`<div class="choices list" role="group" aria-label=${t("Users")}>${found.rows.map((user) => html`<label class="choice flat" key=${user.id}><input type="checkbox" checked=${inside(user) || chosen.some((one) => one.id === user.id)} disabled=${inside(user)} onChange=${() => flip(user)} /><span><b>${user.name}</b><small>${inside(user) ? t("is in this group") : user.email}</small></span></label>`)}
      <${More} list=${{ ...found, total: null }} /></div>` : html`<${Empty} icon="search" title=${t("Nobody is found")} />`}<//><//>`;
}
