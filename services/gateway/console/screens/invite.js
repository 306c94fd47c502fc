// Inviting many at once: addresses as chips, one role, groups, and an answer for each address.
import { post } from "../lib/api.js";
import { html, useState } from "../lib/dom.js";
import { t, tn } from "../lib/i18n.js";
import { roleOptions } from "../lib/may.js";
import { say, useLoad, whole } from "../lib/state.js";
import { reasonTold } from "../lib/told.js";
import { Button, Notice } from "../ui/basics.js";
import { Chips } from "../ui/chips.js";
import { Choices, FormError, Submit, useSend, Wrong } from "../ui/forms.js";
import { Dialog } from "../ui/overlays.js";
import { GroupPicker } from "./role-and-groups.js";

const ADDRESS = /^[^\s@<>"]+@[^\s@<>"]+\.[^\s@<>"]+$/;

/** The addresses of pasted text: `a@x.com, Bob <b@x.com>; c@x.com`. */
export function addressesOf(text) {
  return text.split(/[,;\n\r\t]+|\s+(?=[^\s<]+@)/).map((one) => one.trim()).filter(Boolean).map((one) => /<([^<>]+)>/.exec(one)?.[1].trim() ?? one);
}

export function InviteDialog({ slots, onClose }) {
  const [chips, setChips] = useState([]);
  const [role, setRole] = useState("viewer");
  const [chosen, setChosen] = useState([]);
  const [refused, setRefused] = useState({});
  const groups = useLoad(() => whole("/v1/groups"), "groups");
  const [sent, setSent] = useState(0);
  const sending = useSend(async (rows, options) => {
    const { data } = await post("/v1/invitations/batches", { invitations: rows }, options);
    const failed = data.results.filter((one) => one.problem);
    setSent(sent + data.created);
    if (data.created) say(tn(data.created, "{n} invitation is on its way.", "{n} invitations are on their way."));
    if (!failed.length) return onClose(true);
    setRefused(Object.fromEntries(failed.map((one) => [rows[one.row - firstRow(data)]?.email ?? one.email, one.problem])));
    return setChips(failed.map((one) => rows[one.row - firstRow(data)]?.email ?? one.email));
  });
  const malformed = chips.filter((one) => !ADDRESS.test(one));
  const why = !chips.length ? t("Add an address first") : malformed.length ? t("Correct the marked addresses first") : "";
  const send = () => why || sending.run(chips.map((email) => ({ email, role, group_ids: chosen })));
  const use = slots && (role === "viewer" ? slots.viewer : slots.author);
  const free = use && use.limit !== null ? Math.max(0, use.limit - use.used) : null;
  const note = free === null ? tn(chips.length, "{n} address", "{n} addresses") : tn(free, "{n} slot is free", "{n} slots are free");
  const over = free !== null && chips.length > free;
  return html`<${Dialog} large title=${t("Invite users")} onClose=${() => onClose(sent > 0)} onSubmit=${send}
    footer=${html`<span class="note" role="status">${note}</span><${Button} onClick=${() => onClose(sent > 0)}>${t("Cancel")}<//><${Submit} sending=${sending} why=${why}>${chips.length > 1 ? tn(chips.length, "Send {n} invitation", "Send {n} invitations") : t("Send invitation")}<//>`}>
    <${FormError} sending=${sending} />
    <${Chips} label=${t("E-mail addresses")} hint=${t("Enter or comma adds one; a list can be pasted.")} chips=${chips} onChange=${setChips} parse=${addressesOf} bad=${(one) => refused[one] || !ADDRESS.test(one)} inputmode="email" data-first />
    ${Object.keys(refused).length ? html`<${Notice} kind="danger" icon="warn" title=${tn(Object.keys(refused).length, "{n} address was refused", "{n} addresses were refused")} role="alert"><ul class="impact">${Object.entries(refused).map(([email, problem]) => html`<li><span><b>${email}</b> ${reasonTold(problem)}</span></li>`)}</ul><//>` : null}
    ${malformed.length ? html`<${Wrong}>${t("{address} isn't an e-mail address.", { address: malformed[0] })}<//>` : null}
    ${over ? html`<${Notice} kind="warn" icon="warn" title=${t("More invitations than free slots")}>${t("Who finds no slot is refused; invite them as viewers, free a slot, or change the plan.")}<//>` : null}
    <div class="columns"><${Choices} legend=${t("Role")} value=${role} onInput=${setRole} options=${roleOptions()} />
      <div class="stack tight"><p class="label small">${t("Groups")}</p>${groups.data ? html`<${GroupPicker} groups=${groups.data} chosen=${chosen} onChange=${setChosen} />` : null}</div></div><//>`;
}

const firstRow = (data) => Math.min(...data.results.map((one) => one.row));
