// One action on many people.
import { html, useState } from "../lib/dom.js";
import { t, tn } from "../lib/i18n.js";
import { ROLES, roleOptions, whyNot } from "../lib/may.js";
import { Bulk, BulkBar, Outcome } from "../ui/bulk.js";
import { Choices, Select } from "../ui/forms.js";

const KINDS = () => ({
  set_role: { label: t("Change role…"), verb: t("Change role"), title: (n) => tn(n, "Change the role of {n} person", "Change the role of {n} people") },
  add_to_group: { label: t("Add to group…"), verb: t("Add to group"), title: (n) => tn(n, "Add {n} person to a group", "Add {n} people to a group") },
  deactivate: { label: t("Deactivate…"), verb: t("Deactivate"), danger: true, title: (n) => tn(n, "Deactivate {n} person?", "Deactivate {n} people?"), says: t("Their sessions end within a second, and their slots are free. Role, groups and dashboards stay.") },
  reactivate: { label: t("Reactivate…"), verb: t("Reactivate"), title: (n) => tn(n, "Reactivate {n} person?", "Reactivate {n} people?"), says: t("They come back as they were, and take slots again.") },
  remove: { label: t("Remove for good…"), verb: t("Remove for good"), danger: true, title: (n) => tn(n, "Remove {n} person for good?", "Remove {n} people for good?"), says: t("Memberships and groups are gone; only new invitations bring them back.") },
});

const couldnt = (n) => tn(n, "{n} person couldn't be changed", "{n} people couldn't be changed");
const changed = (n) => tn(n, "{n} person is changed.", "{n} people are changed.");

/** The bar below the list, once somebody is chosen. `chosen` is a map of users by id. */
export function PeopleBar({ chosen, status, groups, open, close, clear }) {
  const manage = whyNot("users.manage");
  const locked = { add_to_group: whyNot("groups.manage") || (groups.length ? "" : t("There are no groups yet.")) };
  const keys = status === "active" ? ["set_role", "add_to_group", "deactivate"] : ["reactivate", "remove"];
  const kinds = keys.map((key) => ({ key, ...KINDS()[key], why: manage || locked[key] }));
  const done = (ok) => {
    if (ok) clear();
    close(ok);
  };
  return html`<${BulkBar} label=${t("Chosen people")} count=${chosen.size} kinds=${kinds} none=${t("Choose nobody")} clear=${clear} ask=${(kind) => open(html`<${PeopleBulk} kind=${kind} people=${[...chosen.values()]} groups=${groups} onClose=${done} />`)} />`;
}

function PeopleBulk({ kind, people, groups, onClose }) {
  const { verb, title, says, danger } = KINDS()[kind];
  const [role, setRole] = useState("viewer");
  const [group, setGroup] = useState(groups[0]?.id ?? "");
  const fields = { set_role: { role }, add_to_group: { group_id: group } }[kind];
  const rows = people.map((one) => ({ id: one.id, name: one.name, note: ROLES()[one.role] }));
  return html`<${Bulk} title=${title(people.length)} verb=${verb} danger=${danger} says=${says} path="/v1/users/bulk-actions" body=${{ action: kind, user_ids: people.map((one) => one.id) }} fields=${fields}
    label=${t("Chosen people")} rows=${rows} told=${changed} refused=${couldnt} caution=${t("Each is judged alone: who can't be changed doesn't hold up the others.")} onClose=${onClose}>
    ${(sending) => kind === "set_role" ? html`<${Choices} hidden legend=${t("Role")} wrong=${sending.wrong("role")} value=${role} onInput=${setRole} options=${roleOptions()} />`
      : kind === "add_to_group" ? html`<${Select} label=${t("Group")} wrong=${sending.wrong("group_id")} value=${group} onInput=${setGroup} options=${groups.map((one) => [one.id, one.name])} />` : null}<//>`;
}

/** Who couldn't be changed, and why; `people` are those who were asked about. */
export function PeopleOutcome({ outcome, people, onClose }) {
  return html`<${Outcome} outcome=${outcome} rows=${people} title=${couldnt(outcome.refused)} done=${changed(outcome.changed)} onClose=${onClose} />`;
}
