// Long work: how far it has come, as it goes on, and the file that it made.
import { html, useEffect, useState } from "../lib/dom.js";
import { t } from "../lib/i18n.js";
import { watch } from "../lib/api.js";
import { reasonTold } from "../lib/told.js";
import { Icon, Notice, Refused } from "./basics.js";

/** Follows an operation that a request has begun: `{operation, error}`. */
export function useOperation(begun) {
  const [state, set] = useState({ operation: begun, error: null });
  useEffect(() => (begun ? watch(begun.id, (operation) => set({ operation, error: null }), (error) => set((was) => ({ ...was, error }))) : undefined), [begun?.id]);
  return state;
}

/** A bar that fills: `head` says what is going on, `words` how far it is; `told` is read out as soon as it is over. */
export function Advance({ name, head, words, done, total, filled, told, kind = "" }) {
  return html`<div class="meter ${kind}"><div class="row"><span>${head}</span><span class="quiet number">${words}</span></div>
      <div class="track" role="progressbar" aria-label=${name} aria-valuemin="0" aria-valuemax=${total ?? undefined} aria-valuenow=${done} aria-valuetext=${words}><div class="fill" style=${{ width: `${filled * 100}%` }}></div></div></div>
    <p class="visually-hidden" role="status">${told}</p>`;
}

export function Progress({ state, doing, done, children, file }) {
  const { operation, error } = state;
  const { total, finished_at: finished } = operation;
  const words = total === null ? t("{done} done", operation) : t("{done} of {total}", operation);
  const filled = finished ? 1 : total ? operation.done / total : 0.08;
  if (operation.state === "failed") return html`<${Notice} kind="danger" icon="warn" role="alert" title=${t("It didn't work")}>${operation.problem ? reasonTold(operation.problem) : null}<//>`;
  return html`<div class="stack"><${Advance} name=${doing} head=${finished ? done : doing} words=${words} done=${operation.done} total=${total} filled=${filled} told=${finished ? done : ""} />
    <${Refused} error=${error} />${finished ? children : html`<p class="small quiet">${t("You can close this; it goes on.")}</p>`}
    ${operation.result_url && finished ? html`<div class="row"><a class="button primary" href=${operation.result_url} download><${Icon} name="file" />${file}</a></div>` : null}</div>`;
}
