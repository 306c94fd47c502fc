// Who came by the organization's provider and waits for an admin: let in with a role and groups, or turned away.
import { post, remove } from "../lib/api.js";
import { html, useState } from "../lib/dom.js";
import { t, tn } from "../lib/i18n.js";
import { ROLES, roleOptions, whyNot } from "../lib/may.js";
import { say, useLoad, whole } from "../lib/state.js";
import { Button, Card, Loaded, Person, When } from "../ui/basics.js";
import { Choices, FormError, Submit, useSend, Wrong } from "../ui/forms.js";
import { Confirm, Dialog } from "../ui/overlays.js";
import { Act, Table } from "../ui/table.js";
import { GroupPicker } from "./role-and-groups.js";

const REASONS = () => ({
  approval: t("Is new at your provider."),
  slots: t("No slot was free."),
  plan: t("The plan lets nobody in by themselves any more."),
  removed: t("Was removed before."),
});

/** Says what was done, or that another admin was quicker. */
async function decide(one, ask, done) {
  try {
    await ask();
    say(done);
  } catch (refusal) {
    if (refusal.status !== 404) throw refusal;
    say(t("Somebody else has decided on {name} meanwhile.", { name: one.name }));
  }
}

export function Waiting({ list, slots, open, close }) {
  if (!list.rows?.length) return null;
  const why = whyNot("users.manage");
  const columns = [
    { key: "name", label: t("Name"), cell: (one) => html`<${Person} name=${one.name} email=${one.email} />` },
    { key: "why", label: t("Why"), secondary: true, cell: (one) => REASONS()[one.reason] ?? "" },
    { key: "role", label: t("Role"), secondary: true, cell: (one) => ROLES()[one.role] },
    { key: "since", label: t("Since"), secondary: true, cell: (one) => html`<${When} at=${one.requested_at} />` },
    { key: "act", label: t("Actions"), act: true, cell: (one) => html`<span class="row"><${Act} icon="check" why=${why} name=${t("Let {name} in", { name: one.name })} onClick=${() => open(html`<${LetIn} one=${one} slots=${slots} onClose=${close} />`)}>${t("Let in…")}<//>
      <${Act} icon="close" why=${why} name=${t("Turn {name} away", { name: one.name })} onClick=${() => open(html`<${TurnAway} one=${one} onClose=${close} />`)}>${t("Turn away…")}<//></span>` },
  ];
  return html`<${Card} plain title=${t("Waiting for an admin")} lead=${t("They have signed in at your provider, and see nothing until an admin lets them in.")}><${Table} label=${t("Waiting for an admin")} list=${list} columns=${columns} /><//>`;
}

function LetIn({ one, slots, onClose }) {
  const [role, setRole] = useState(one.role);
  const [chosen, setChosen] = useState(one.group_ids);
  const groups = useLoad(() => whole("/v1/groups"), "groups");
  const sending = useSend(async (body, options) => {
    await decide(one, () => post(`/v1/users/approvals/${one.id}/approval`, body, options), t("{name} is in.", { name: one.name }));
    onClose(true);
  });
  const known = chosen.filter((id) => groups.data?.some?.((group) => group.id === id)); // some may be deleted since
  const why = groups.data ? "" : t("Loading…");
  const use = slots && (role === "viewer" ? slots.viewer : slots.author);
  const free = use && use.limit !== null ? Math.max(0, use.limit - use.used) : null;
  return html`<${Dialog} large title=${t("Let {name} in", { name: one.name })} onClose=${() => onClose(false)} onSubmit=${() => why || sending.run({ role, group_ids: known })}
    footer=${html`<span class="note" role="status">${free === null ? "" : tn(free, "{n} slot is free", "{n} slots are free")}</span><${Button} onClick=${() => onClose(false)}>${t("Cancel")}<//><${Submit} sending=${sending} why=${why}>${t("Let in")}<//>`}>
    <${FormError} sending=${sending} fields=${["role", "group_ids"]} /><p>${one.email} · ${REASONS()[one.reason] ?? ""}</p>
    <div class="columns"><${Choices} legend=${t("Role")} wrong=${sending.wrong("role")} value=${role} onInput=${setRole} options=${roleOptions()} />
      <div class="stack tight"><p class="label small">${t("Groups")}</p><${Loaded} from=${groups} lines=${3}>${(all) => html`<${GroupPicker} groups=${all} chosen=${known} onChange=${setChosen} />`}<//><${Wrong}>${sending.wrong("group_ids")}<//></div></div><//>`;
}

function TurnAway({ one, onClose }) {
  const act = (options) => decide(one, () => remove(`/v1/users/approvals/${one.id}`, options), t("{name} is turned away.", { name: one.name }));
  return html`<${Confirm} title=${t("Turn {name} away?", { name: one.name })} verb=${t("Turn away")} danger act=${act} onClose=${onClose}>
    <p>${t("Whoever is turned away isn't listed again. An invitation still lets them in.")}</p><//>`;
}
