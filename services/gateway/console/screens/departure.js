// Somebody leaves: what they own and lose is shown first, and can be handed over in the same step.
import { get, post, remove } from "../lib/api.js";
import { html, useState } from "../lib/dom.js";
import { t, tn } from "../lib/i18n.js";
import { say, useLoad, whole } from "../lib/state.js";
import { Button, Loaded, Notice } from "../ui/basics.js";
import { FormError, Select, Submit, useSend } from "../ui/forms.js";
import { Dialog } from "../ui/overlays.js";
import { Impact } from "./user-actions.js";

const SHOWN = 5;

/** All dashboards of somebody, however many calls it takes. */
async function handOver(from, to) {
  let count = 0;
  for (let left = 1; left > 0; ) {
    const { data } = await post(`/v1/users/${from}/dashboard-transfer`, { owner_id: to });
    count += data.transferred.length;
    left = data.transferred.length ? data.left : 0;
  }
  return count;
}

/** Who can own dashboards: the active admins and analysts, but for one. */
async function heirs(except) {
  const found = await Promise.all(["admin", "analyst"].map((role) => whole(`/v1/users?status=active&role=${role}`)));
  return { data: found.flatMap((one) => one.data).filter((one) => one.id !== except && one.effective_role !== "viewer") };
}

function Heir({ user, value, onInput, keep, sending }) {
  const found = useLoad(() => heirs(user.id), user.id);
  return html`<${Loaded} from=${found} lines=${1}>${(people) => html`<${Select} label=${t("Hand the dashboards over to")} wrong=${sending.wrong("owner_id")} value=${value} onInput=${onInput} options=${[["", keep ?? t("Choose a person")], ...people.map((one) => [one.id, `${one.name} (${one.email})`])]} />`}<//>`;
}

function Boards({ title, of }) {
  const more = of.count - SHOWN;
  return html`<div class="stack tight"><p class="label">${title}</p><ul class="plain-list">${of.dashboards.slice(0, SHOWN).map((one) => html`<li>${one.title}</li>`)}${more > 0 ? html`<li class="quiet">${tn(more, "and {n} more", "and {n} more")}</li>` : null}</ul></div>`;
}

export function Departure({ user, kind, onClose }) {
  const preview = useLoad(() => get(`/v1/users/${user.id}/departure-preview`), user.id);
  const [heir, setHeir] = useState("");
  const { name } = user;
  const removing = kind === "remove";
  const sending = useSend(async (options) => {
    if (heir) await handOver(user.id, heir);
    if (removing) await remove(`/v1/users/${user.id}`, options);
    else await post(`/v1/users/${user.id}/deactivation`, undefined, options);
    say(removing ? t("{name} is removed.", { name }) : t("{name} is deactivated.", { name }));
    onClose(true);
  });
  const facts = preview.data;
  const why = !facts ? t("Loading…") : facts.last_admin ? t("{name} is the last admin.", { name }) : "";
  const verb = removing ? t("Remove {name}", { name }) : t("Deactivate");
  return html`<${Dialog} title=${removing ? t("Remove {name} for good?", { name }) : t("Deactivate {name}?", { name })} onClose=${() => onClose(false)} onSubmit=${() => why || sending.run()}
    footer=${html`<${Button} onClick=${() => onClose(false)}>${t("Cancel")}<//><${Submit} sending=${sending} kind="primary danger" why=${why}>${heir ? t("Hand over and {verb}", { verb }) : verb}<//>`}>
    <${Loaded} from=${preview} lines=${4}>${(found) => html`
      ${found.last_admin ? html`<${Notice} kind="warn" icon="warn" title=${t("{name} is the last admin.", { name })}>${t("Make somebody else an admin first.")}<//>` : null}
      <${Impact} lines=${consequences(user, found, removing)} />
      ${found.owns.count ? html`<${Boards} title=${tn(found.owns.count, "{name} owns {n} dashboard", "{name} owns {n} dashboards", { name })} of=${found.owns} />
        <${Heir} user=${user} sending=${sending} value=${heir} onInput=${setHeir} keep=${removing ? t("Nobody: it can be done later") : t("Nobody: {name} keeps them", { name })} />` : null}
      <${Lost} name=${name} found=${found} />`}<//>
    <${FormError} sending=${sending} fields=${["owner_id"]} /><//>`;
}

/** What they see of others' and won't; their own is said already. */
function Lost({ name, found: { owns, loses } }) {
  const own = new Set(owns.dashboards.map((one) => one.id));
  const dashboards = loses.dashboards.filter((one) => !own.has(one.id));
  const count = loses.count - owns.count;
  return count > 0 ? html`<${Boards} title=${tn(count, "{name} no longer sees {n} dashboard", "{name} no longer sees {n} dashboards", { name })} of=${{ count, dashboards }} />` : null;
}

/** The first by name, and how many more. */
function named(keys) {
  const names = keys.slice(0, SHOWN).map((one) => one.name);
  const more = keys.length - names.length;
  return [...names, ...(more ? [tn(more, "and {n} more", "and {n} more")] : [])].join(", ");
}

function consequences({ name, status }, found, removing) {
  const custom = found.groups.filter((one) => one.kind === "custom");
  return [
    status === "active" ? ["out", t("Every session in your organization ends within a second.")] : null,
    found.slot ? ["card", found.slot === "author" ? t("An author slot is free for somebody else.") : t("A viewer slot is free for somebody else.")] : null,
    removing ? ["groups", custom.length ? t("The place in {groups} is gone; only a new invitation brings {name} back.", { name, groups: custom.map((one) => one.name).join(", ") }) : t("Only a new invitation brings {name} back.", { name })]
      : ["groups", t("Role, groups and dashboards stay, and come back on reactivation.")],
    found.links.count ? ["link", tn(found.links.count, "{n} sharing link made by {name} goes on opening.", "{n} sharing links made by {name} go on opening.", { name })] : null,
    found.keys.length ? ["key", tn(found.keys.length, "A key made by {name} goes on working: {keys}. Rotate or revoke it if {name} may have kept it.", "{n} keys made by {name} go on working: {keys}. Rotate or revoke those that {name} may have kept.", { name, keys: named(found.keys) })] : null,
    found.open_invitations ? ["mail", tn(found.open_invitations, "{n} invitation sent by {name} stays open.", "{n} invitations sent by {name} stay open.", { name })] : null,
    removing ? ["log", t("The audit log keeps what {name} did.", { name })] : null,
  ];
}

export function HandOver({ user, onClose }) {
  const preview = useLoad(() => get(`/v1/users/${user.id}/departure-preview`), user.id);
  const [heir, setHeir] = useState("");
  const sending = useSend(async () => {
    const n = await handOver(user.id, heir);
    say(tn(n, "{n} dashboard is handed over.", "{n} dashboards are handed over."));
    onClose(true);
  });
  const owns = preview.data?.owns;
  const why = !owns ? t("Loading…") : !owns.count ? t("There is nothing to hand over.") : heir ? "" : t("Choose a person first");
  return html`<${Dialog} title=${t("Hand over the dashboards of {name}", { name: user.name })} onClose=${() => onClose(false)} onSubmit=${() => why || sending.run()}
    footer=${html`<${Button} onClick=${() => onClose(false)}>${t("Cancel")}<//><${Submit} sending=${sending} why=${why}>${t("Hand over")}<//>`}>
    <${Loaded} from=${preview} lines=${3}>${(found) => (found.owns.count ? html`<${Boards} title=${tn(found.owns.count, "{name} owns {n} dashboard", "{name} owns {n} dashboards", { name: user.name })} of=${found.owns} /><${Heir} user=${user} sending=${sending} value=${heir} onInput=${setHeir} />
      <p class="small quiet">${t("With whom they are shared stays as it is. The audit log tells it of each.")}</p>` : html`<p>${t("{name} owns no dashboard.", { name: user.name })}</p>`)}<//><${FormError} sending=${sending} fields=${["owner_id"]} /><//>`;
}
