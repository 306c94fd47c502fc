// Role and groups of one person: what is chosen, and what it would change before it is saved.
import { get, post, put } from "../lib/api.js";
import { html, useEffect, useState } from "../lib/dom.js";
import { t, tn } from "../lib/i18n.js";
import { ROLES, roleOptions, whyNot } from "../lib/may.js";
import { say, useLoad, whole } from "../lib/state.js";
import { Button, Icon, Loaded, Notice, useResting } from "../ui/basics.js";
import { Check, Choices, FormError, Search, Submit, useSend, Wrong } from "../ui/forms.js";
import { Dialog } from "../ui/overlays.js";

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
  const preview = usePreview(user, role, chosen, changes.length > 0);
  const stale = sending.error?.code === "precondition_failed";
  const why = changes.length ? "" : t("Nothing is changed yet");
  return html`<${Dialog} large title=${t("Role & groups of {name}", { name: user.name })} onClose=${() => onClose(false)} onSubmit=${() => why || sending.run({ role, group_ids: chosen })}
    footer=${html`<span class="note" role="status">${changes.length ? changes.join("  ·  ") : t("No change")}</span><${Button} onClick=${() => onClose(false)}>${t("Cancel")}<//><${Submit} sending=${sending} why=${why}>${t("Save")}<//>`}>
    ${stale ? html`<${Notice} kind="warn" icon="warn" title=${t("Somebody else changed this meanwhile")} role="alert"><${Button} onClick=${reload}>${t("Show what is there now")}<//><//>` : html`<${FormError} sending=${sending} fields=${["role", "group_ids"]} />`}
    <div class="columns"><${Choices} legend=${t("Role")} wrong=${sending.wrong("role")} value=${role} onInput=${setRole} options=${roleOptions()} />
      <div class="stack tight"><p class="label small">${t("Groups")}</p><${GroupPicker} groups=${groups} chosen=${chosen} onChange=${setChosen} /><${Wrong}>${sending.wrong("group_ids")}<//></div></div><${Preview} found=${preview} name=${user.name} /><//>`;
}

/** What the choice would change, asked once it rests; nothing while nothing is changed. */
function usePreview(user, role, chosen, changed) {
  const wanted = useResting(JSON.stringify({ role, group_ids: chosen }));
  const [found, set] = useState(null);
  useEffect(() => {
    let late = false;
    set(null);
    if (changed) post(`/v1/users/${user.id}/role-and-groups-preview`, JSON.parse(wanted)).then(({ data }) => late || set({ data }), (error) => late || set({ error }));
    return () => { late = true; };
  }, [wanted, changed]);
  return found;
}

function Preview({ found, name }) {
  if (!found) return null;
  if (found.error) return html`<${Notice} kind="warn" icon="warn" title=${t("This can't be done now")}>${found.error.detail || found.error.title}<//>`;
  const { gains, loses, slot_suspended: suspended, slot_resumed: resumed } = found.data;
  const titles = (of) => of.dashboards.slice(0, 3).map((one) => one.title).join(", ") + (of.count > 3 ? " …" : "");
  const lines = [
    gains.count ? ["eye", `${tn(gains.count, "{name} sees {n} more dashboard", "{name} sees {n} more dashboards", { name })}: ${titles(gains)}`] : null,
    loses.count ? ["lock", `${tn(loses.count, "{name} no longer sees {n} dashboard", "{name} no longer sees {n} dashboards", { name })}: ${titles(loses)}`] : null,
    suspended.length ? ["warn", t("Acts as a viewer then, for want of an author slot: {names}", { names: suspended.map((one) => one.name).join(", ") })] : null,
    resumed.length ? ["check", t("Gets an author slot again: {names}", { names: resumed.map((one) => one.name).join(", ") })] : null,
  ].filter(Boolean);
  return html`<ul class="impact" role="status">${lines.length ? lines.map(([icon, text]) => html`<li><${Icon} name=${icon} /><span>${text}</span></li>`) : html`<li class="quiet">${t("What {name} sees stays the same.", { name })}</li>`}</ul>`;
}
