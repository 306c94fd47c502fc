// Entries of the audit log as a short list, on pages that are about something else.
import { html } from "../lib/dom.js";
import { actorOf, resultOf, sentence } from "../lib/sentences.js";
import { ROOT } from "../lib/state.js";
import { Badge, When } from "./basics.js";

/** Below each sentence stands what `below` says of its entry; by default who did it, where the sentence doesn't begin with that. */
export function Happenings({ entries, below = whoElse }) {
  return html`<ul class="lines">${entries.map((one) => html`<li key=${one.id}><span class="what"><span><a class="name-link sentence" href="${ROOT}/audit/${one.id}">${sentence(one)}</a>${resultOf(one) ? html` <${Badge} kind="danger">${resultOf(one)}<//>` : null}</span>
    ${below(one) ? html`<small class="quiet">${below(one)}</small>` : null}</span><small class="quiet"><${When} at=${one.at} /></small></li>`)}</ul>`;
}

const whoElse = (entry) => (sentence(entry).startsWith(actorOf(entry)) ? null : actorOf(entry));
