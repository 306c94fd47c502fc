// Inviting many at once: addresses as chips, one role, groups, and an answer for each address.
import { post } from "../lib/api.js";
import { html, useId, useRef, useState } from "../lib/dom.js";
import { t, tn } from "../lib/i18n.js";
import { roleOptions } from "../lib/may.js";
import { say, useLoad, whole } from "../lib/state.js";
import { Button, Icon, Notice } from "../ui/basics.js";
import { Choices, FormError, Submit, useSend } from "../ui/forms.js";
import { Dialog } from "../ui/overlays.js";
import { GroupPicker } from "./role-and-groups.js";

const ADDRESS = /^[^\s@<>"]+@[^\s@<>"]+\.[^\s@<>"]+$/;

/** The addresses of pasted text: `a@x.com, Bob <b@x.com>; c@x.com`. */
export function addressesOf(text) {
  return text.split(/[,;\n\r\t]+|\s+(?=[^\s<]+@)/).map((one) => one.trim()).filter(Boolean).map((one) => /<([^<>]+)>/.exec(one)?.[1].trim() ?? one);
}

function Addresses({ chips, onChange, wrong }) {
  const id = useId();
  const [text, setText] = useState("");
  const input = useRef(null);
  const add = (more) => {
    const known = new Set(chips.map((one) => one.toLowerCase()));
    onChange([...chips, ...more.filter((one) => !known.has(one.toLowerCase()) && known.add(one.toLowerCase()))]);
    setText("");
  };
  const keys = (event) => {
    if (["Enter", ",", ";"].includes(event.key) && text.trim()) {
      event.preventDefault();
      add(addressesOf(text));
    } else if (event.key === "Backspace" && !text && chips.length) {
      onChange(chips.slice(0, -1));
    }
  };
  const paste = (event) => {
    const pasted = event.clipboardData.getData("text");
    if (!/[,;\s]/.test(pasted.trim())) return;
    event.preventDefault();
    add(addressesOf(text + pasted));
  };
  const without = (one) => () => {
    onChange(chips.filter((other) => other !== one));
    input.current.focus();
  };
  return html`<div class="field"><label for=${id}>${t("E-mail addresses")}</label>
    <div class="chips">${chips.map((one) => html`<span class="chip ${wrong[one] || !ADDRESS.test(one) ? "bad" : ""}" key=${one}>${one}<button type="button" aria-label=${t("Remove {name}", { name: one })} onClick=${without(one)}><${Icon} name="close" /></button></span>`)}
      <input id=${id} ref=${input} type="text" inputmode="email" autocomplete="off" spellcheck="false" value=${text} aria-describedby="${id}-hint" onInput=${(event) => setText(event.target.value)} onKeyDown=${keys} onPaste=${paste}
        onBlur=${() => text.trim() && add(addressesOf(text))} data-first /></div>
    <p class="hint" id="${id}-hint">${t("Enter or comma adds one; a list can be pasted.")}</p></div>`;
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
    <${Addresses} chips=${chips} onChange=${setChips} wrong=${refused} />
    ${Object.keys(refused).length ? html`<${Notice} kind="danger" icon="warn" title=${tn(Object.keys(refused).length, "{n} address was refused", "{n} addresses were refused")} role="alert"><ul class="impact">${Object.entries(refused).map(([email, problem]) => html`<li><span><b>${email}</b> ${problem.detail}</span></li>`)}</ul><//>` : null}
    ${malformed.length ? html`<p class="wrong">${t("{address} isn't an e-mail address.", { address: malformed[0] })}</p>` : null}
    ${over ? html`<${Notice} kind="warn" icon="warn" title=${t("More invitations than free slots")}>${t("Who finds no slot is refused; invite them as viewers, free a slot, or change the plan.")}<//>` : null}
    <div class="columns"><${Choices} legend=${t("Role")} value=${role} onInput=${setRole} options=${roleOptions()} />
      <div class="stack tight"><p class="label small">${t("Groups")}</p>${groups.data ? html`<${GroupPicker} groups=${groups.data} chosen=${chosen} onChange=${setChosen} />` : null}</div></div><//>`;
}

const firstRow = (data) => Math.min(...data.results.map((one) => one.row));
