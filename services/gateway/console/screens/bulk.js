// One action on many people: says what it does to how many, and answers for each.
import { post } from "../lib/api.js";
import { html, useState } from "../lib/dom.js";
import { t, tn } from "../lib/i18n.js";
import { ROLES, roleOptions, whyNot } from "../lib/may.js";
import { say } from "../lib/state.js";
import { Button, Icon, Notice } from "../ui/basics.js";
import { Choices, FormError, Select, Submit, useSend } from "../ui/forms.js";
import { Dialog } from "../ui/overlays.js";

const MOST = 500;

const KINDS = () => ({
  set_role: { label: t("Change role…"), verb: t("Change role"), title: (n) => tn(n, "Change the role of {n} person", "Change the role of {n} people") },
  add_to_group: { label: t("Add to group…"), verb: t("Add to group"), title: (n) => tn(n, "Add {n} person to a group", "Add {n} people to a group") },
  deactivate: { label: t("Deactivate…"), verb: t("Deactivate"), danger: true, title: (n) => tn(n, "Deactivate {n} person?", "Deactivate {n} people?"), says: t("Their sessions end within a second, and their slots are free. Role, groups and dashboards stay.") },
  reactivate: { label: t("Reactivate…"), verb: t("Reactivate"), title: (n) => tn(n, "Reactivate {n} person?", "Reactivate {n} people?"), says: t("They come back as they were, and take slots again.") },
  remove: { label: t("Remove for good…"), verb: t("Remove for good"), danger: true, title: (n) => tn(n, "Remove {n} person for good?", "Remove {n} people for good?"), says: t("Memberships and groups are gone; only new invitations bring them back.") },
});

/** The bar below the list, once somebody is chosen. `chosen` is a map of users by id. */
export function BulkBar({ chosen, status, groups, open, close, clear }) {
  const people = [...chosen.values()];
  if (!people.length) return null;
  const manage = whyNot("users.manage") || (people.length > MOST ? t("At most {n} at once.", { n: MOST }) : "");
  const kinds = status === "active" ? ["set_role", "add_to_group", "deactivate"] : ["reactivate", "remove"];
  const locked = { add_to_group: whyNot("groups.manage") || (groups.length ? "" : t("There are no groups yet.")) };
  return html`<div class="bulk" role="region" aria-label=${t("Chosen people")}><b role="status">${tn(people.length, "{n} chosen", "{n} chosen")}</b>
    ${kinds.map((kind) => html`<${Button} key=${kind} kind=${KINDS()[kind].danger ? "danger" : ""} why=${manage || locked[kind]} onClick=${() => open(html`<${Bulk} kind=${kind} people=${people} groups=${groups} onClose=${(done) => { if (done) clear(); close(done); }} />`)}>${KINDS()[kind].label}<//>`)}
    <${Button} kind="plain" onClick=${clear}>${t("Choose nobody")}<//></div>`;
}

/** The box of one row, and of all that are shown. */
export function pickColumn(rows, chosen, setChosen) {
  const flip = (users, on) => {
    const next = new Map(chosen);
    for (const user of users) on ? next.set(user.id, user) : next.delete(user.id);
    setChosen(next);
  };
  const all = rows.length > 0 && rows.every((one) => chosen.has(one.id));
  return {
    key: "pick",
    pick: true,
    label: html`<label class="pick"><input type="checkbox" aria-label=${t("Choose everybody shown")} checked=${all} onChange=${(event) => flip(rows, event.target.checked)} /></label>`,
    cell: (user) => html`<label class="pick"><input type="checkbox" aria-label=${t("Choose {name}", { name: user.name })} checked=${chosen.has(user.id)} onChange=${(event) => flip([user], event.target.checked)} /></label>`,
  };
}

function Bulk({ kind, people, groups, onClose }) {
  const { verb, title, says, danger } = KINDS()[kind];
  const [role, setRole] = useState("viewer");
  const [group, setGroup] = useState(groups[0]?.id ?? "");
  const [outcome, setOutcome] = useState(null);
  const sending = useSend(async (body, options) => {
    const { data } = await post("/v1/users/bulk-actions", body, options);
    say(tn(data.changed, "{n} person is changed.", "{n} people are changed."));
    if (data.refused) setOutcome(data);
    else onClose(true);
  });
  const body = { action: kind, user_ids: people.map((one) => one.id), ...(kind === "set_role" ? { role } : {}), ...(kind === "add_to_group" ? { group_id: group } : {}) };
  if (outcome) return html`<${Outcome} outcome=${outcome} people=${people} onClose=${() => onClose(true)} />`;
  return html`<${Dialog} title=${title(people.length)} onClose=${() => onClose(false)} onSubmit=${() => sending.run(body)}
    footer=${html`<${Button} onClick=${() => onClose(false)}>${t("Cancel")}<//><${Submit} sending=${sending} kind="primary ${danger ? "danger" : ""}">${verb}<//>`}>
    ${says ? html`<p>${says}</p>` : null}
    ${kind === "set_role" ? html`<${Choices} hidden legend=${t("Role")} value=${role} onInput=${setRole} options=${roleOptions()} />` : null}
    ${kind === "add_to_group" ? html`<${Select} label=${t("Group")} value=${group} onInput=${setGroup} options=${groups.map((one) => [one.id, one.name])} />` : null}
    <ul class="plain-list boxed">${people.map((one) => html`<li>${one.name} <span class="quiet">${ROLES()[one.role]}</span></li>`)}</ul>
    <p class="small quiet">${t("Each is judged alone: who can't be changed doesn't hold up the others.")}</p><${FormError} sending=${sending} /><//>`;
}

function Outcome({ outcome, people, onClose }) {
  const named = Object.fromEntries(people.map((one) => [one.id, one.name]));
  const refused = outcome.results.filter((one) => one.problem);
  return html`<${Dialog} title=${tn(outcome.refused, "{n} person couldn't be changed", "{n} people couldn't be changed")} onClose=${onClose} footer=${html`<${Button} kind="primary" onClick=${onClose}>${t("Close")}<//>`}>
    ${outcome.changed ? html`<${Notice} kind="ok" icon="check" title=${tn(outcome.changed, "{n} person is changed.", "{n} people are changed.")} />` : null}
    <ul class="impact">${refused.map((one) => html`<li><${Icon} name="warn" /><span><b>${named[one.user_id]}</b><br />${one.problem.detail}</span></li>`)}</ul><//>`;
}
