// What belongs to a group besides its members: dashboards, what happened to it, its end by name, and groups that can come back.
import { get, post, remove } from "../lib/api.js";
import { html } from "../lib/dom.js";
import { day, t, tn } from "../lib/i18n.js";
import { whyNot } from "../lib/may.js";
import { can, go, ROOT, say, useList, useLoad } from "../lib/state.js";
import { Badge, Button, Card, Loaded, When } from "../ui/basics.js";
import { Happenings } from "../ui/happening.js";
import { Confirm } from "../ui/overlays.js";
import { useSend } from "../ui/forms.js";
import { Nothing, Table } from "../ui/table.js";

const SHOWN = 6;

export function Boards({ group, own, open, close }) {
  const list = useList(`/v1/groups/${group.id}/dashboards`);
  const columns = [
    { key: "title", label: t("Dashboard"), cell: (one) => html`<a class="name-link" href="${ROOT}/access?dashboard=${encodeURIComponent(one.id)}">${one.title}</a><div class="small quiet">${one.owner.name ?? t("Somebody who left")}</div>` },
    { key: "since", label: t("Shared"), secondary: true, cell: (one) => html`<${When} at=${one.shared_at} />` },
  ];
  if (own) columns.push({ key: "act", label: t("Actions"), act: true, cell: (one) => html`<${Button} kind="plain square" icon="close" aria-label=${t("Stop sharing {name}", { name: one.title })} why=${whyNot("groups.edit")} onClick=${() => open(html`<${Unshare} group=${group} board=${one} onClose=${(done) => { close(false); if (done) list.reload(); }} />`)} />` });
  return html`<${Card} plain title=${t("Dashboards")} lead=${t("What is shared with this group.")}><${Table} label=${t("Dashboards")} list=${list} columns=${columns} empty=${html`<${Nothing} icon="share" title=${t("Nothing is shared with this group")} action=${html`<a class="button" href="${ROOT}/sharing">${t("Sharing")}</a>`} />`} /><//>`;
}

function Unshare({ group, board, onClose }) {
  const act = async (options) => {
    await remove(`/v1/groups/${group.id}/dashboards/${encodeURIComponent(board.id)}`, options);
    say(t("{name} is no longer shared with {group}.", { name: board.title, group: group.name }));
  };
  return html`<${Confirm} title=${t("Stop sharing {name} with {group}?", { name: board.title, group: group.name })} verb=${t("Stop sharing")} danger act=${act} onClose=${onClose}>
    <p>${t("Who sees it only through this group loses it at once.")}</p><//>`;
}

export function Activity({ group }) {
  const q = `target:${group.id}`;
  const found = useLoad(() => get(`/v1/audit-entries?target=${group.id}&limit=${SHOWN}`), group.id);
  return html`<${Card} plain title=${t("Activity")} footer=${html`<a class="button" href="${ROOT}/audit?range=all&q=${encodeURIComponent(q)}">${t("All in the audit log")}</a>`}><${Loaded} from=${found} lines=${3}>${({ data }) => data.length ? html`<${Happenings} entries=${data} />` : html`<ul class="lines"><li class="quiet">${t("Nothing has happened yet")}</li></ul>`}<//><//>`;
}

export function DeleteGroup({ group, onClose }) {
  const preview = useLoad(() => get(`/v1/groups/${group.id}/deletion-preview`), group.id);
  const act = async (options) => {
    await remove(`/v1/groups/${group.id}`, options);
    say(t("The group {name} is deleted.", { name: group.name }));
    onClose();
    go("/groups", { replace: true });
  };
  return html`<${Confirm} title=${t("Delete the group {name}?", { name: group.name })} verb=${t("Delete group {name}", { name: group.name })} danger act=${act} onClose=${onClose} why=${preview.data || preview.error ? "" : t("Loading…")}>
    <${Loaded} from=${preview} lines=${3}>${(found) => html`<p>${found.people ? t("{people} will lose {dashboards} that they see only through this group.", { people: tn(found.people, "{n} person", "{n} people"), dashboards: tn(found.dashboards_count, "{n} dashboard", "{n} dashboards") }) : t("Nobody loses a dashboard by it.")}</p>
      ${found.dashboards.map((one) => html`<details key=${one.id} class="raw"><summary>${one.title} <${Badge}>−${one.people}<//></summary><ul class="plain-list boxed">${one.losing.map((person) => html`<li key=${person.id}>${person.name}</li>`)}${one.people > one.losing.length ? html`<li class="quiet">${tn(one.people - one.losing.length, "and {n} more", "and {n} more")}</li>` : null}</ul></details>`)}
      ${found.invitations ? html`<p class="small quiet">${tn(found.invitations, "{n} open invitation names this group; it stays, without it.", "{n} open invitations name this group; they stay, without it.")}</p>` : null}`}<//>
    <p class="quiet">${t("The dashboards stay. The group can be brought back within 30 days.")}</p><//>`;
}

/** Groups that were deleted in the last 30 days. */
export function Deleted({ reload }) {
  const allowed = can("groups.edit").allowed;
  const found = useLoad(() => (allowed ? get("/v1/deleted-groups?limit=20") : Promise.resolve({ data: { data: [] } })), "deleted");
  const sending = useSend(async (group, options) => {
    await post(`/v1/groups/${group.id}/restoration`, undefined, options);
    say(t("The group {name} is back.", { name: group.name }));
    found.reload();
    reload();
  });
  const rows = found.data?.data ?? [];
  if (!rows.length) return null;
  return html`<${Card} plain title=${t("Deleted lately")} lead=${t("They come back with their members and dashboards.")}><ul class="lines">${rows.map((one) => html`<li key=${one.id}><span><b>${one.name}</b><br /><small class="quiet">${tn(one.members, "{n} member", "{n} members")} · ${t("until {day}", { day: day(one.restorable_until) })}</small></span><${Button} why=${whyNot("groups.manage")} busy=${sending.busy} aria-label=${t("Restore {name}", { name: one.name })} onClick=${() => sending.run(one)}>${t("Restore")}<//></li>`)}</ul>
    ${sending.error ? html`<p class="body small" role="alert">${sending.error.detail || sending.error.title}</p>` : null}<//>`;
}
