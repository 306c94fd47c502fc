// One action on many at once: the boxes of a list, a bar that offers it, a dialog that says what it does, and an answer for each.
import { post } from "../lib/api.js";
import { html, useState } from "../lib/dom.js";
import { t, tn } from "../lib/i18n.js";
import { say } from "../lib/state.js";
import { reasonTold } from "../lib/told.js";
import { Button, Icon, Notice } from "./basics.js";
import { FormError, Submit, useSend } from "./forms.js";
import { Dialog } from "./overlays.js";

export const MOST = 500;

/** The box of one row, and of all that are shown. `chosen` is a map of them by id. */
export function pickColumn(rows, chosen, setChosen, all) {
  const flip = (some, on) => {
    const next = new Map(chosen);
    for (const one of some) on ? next.set(one.id, one) : next.delete(one.id);
    setChosen(next);
  };
  const whole = rows.length > 0 && rows.every((one) => chosen.has(one.id));
  return {
    key: "pick",
    pick: true,
    label: html`<label class="pick"><input type="checkbox" aria-label=${all} checked=${whole} onChange=${(event) => flip(rows, event.target.checked)} /></label>`,
    cell: (row) => html`<label class="pick"><input type="checkbox" aria-label=${t("Choose {name}", { name: row.name })} checked=${chosen.has(row.id)} onChange=${(event) => flip([row], event.target.checked)} /></label>`,
  };
}

/** The bar below the list, once something is chosen. `kinds` are `{key, label, danger, why}`. */
export function BulkBar({ label, count, kinds, none, ask, clear }) {
  if (!count) return null;
  const why = count > MOST ? t("At most {n} at once.", { n: MOST }) : "";
  return html`<div class="bulk" role="region" aria-label=${label}><b role="status">${tn(count, "{n} chosen", "{n} chosen")}</b>
    ${kinds.map((kind) => html`<${Button} key=${kind.key} kind=${kind.danger ? "danger" : ""} why=${kind.why || why} onClick=${() => ask(kind.key)}>${kind.label}<//>`)}
    <${Button} kind="plain" onClick=${clear}>${none}<//></div>`;
}

/** Asks, sends, and answers. `rows` are `{id, name, note}`; `told(changed)` says what was done to how many, and `refused(n)` to how many not. */
export function Bulk({ title, verb, danger, says, path, body, fields = {}, label, rows, told, refused, caution, onClose, children }) {
  const [outcome, setOutcome] = useState(null);
  const sending = useSend(async (content, options) => {
    const { data } = await post(path, content, options);
    say(told(data.changed));
    if (data.refused) setOutcome(data);
    else onClose(true);
  });
  if (outcome) return html`<${Outcome} outcome=${outcome} rows=${rows} title=${refused(outcome.refused)} done=${told(outcome.changed)} onClose=${() => onClose(true)} />`;
  return html`<${Dialog} title=${title} onClose=${() => onClose(false)} onSubmit=${() => sending.run({ ...body, ...fields })}
    footer=${html`<${Button} onClick=${() => onClose(false)}>${t("Cancel")}<//><${Submit} sending=${sending} kind="primary ${danger ? "danger" : ""}">${verb}<//>`}>
    ${says ? html`<p>${says}</p>` : null}${children?.(sending)}
    <ul class="plain-list boxed" tabindex="0" aria-label=${label}>${rows.map((one) => html`<li key=${one.id}><span data-name>${one.name}</span>${one.note ? html` <span class="quiet">${one.note}</span>` : null}</li>`)}</ul>
    <p class="small quiet">${caution}</p><${FormError} sending=${sending} fields=${Object.keys(fields)} /><//>`;
}

/** What couldn't be changed, and why; `rows` are those that were asked about. */
export function Outcome({ outcome, rows, title, done, onClose }) {
  const named = Object.fromEntries(rows.map((one) => [one.id, one.name]));
  return html`<${Dialog} title=${title} onClose=${onClose} footer=${html`<${Button} kind="primary" onClick=${onClose}>${t("Close")}<//>`}>
    ${outcome.changed ? html`<${Notice} kind="ok" icon="check" title=${done} />` : null}
    <ul class="impact">${outcome.results.filter((one) => one.problem).map(({ user_id: user, link_id: link = user, problem }) => html`<li key=${link}><${Icon} name="warn" /><span><b data-name>${named[link]}</b><br />${reasonTold(problem)}</span></li>`)}</ul><//>`;
}
