// Pictures of numbers: each says in a sentence what it shows, and is a table for who would rather read one.
import { html, useState } from "../lib/dom.js";
import { t } from "../lib/i18n.js";
import { Button } from "./basics.js";

const WIDTH = 600;
const HEIGHT = 100;

/** `sentence` is what the picture says; `head` and `rows` are the same as a table. */
export function Figure({ sentence, head, rows, from, to, children, legend, top }) {
  const [asTable, turn] = useState(false);
  return html`<figure class="chart">${asTable
    ? html`<div class="scroll table" role="region" tabindex="0" aria-label=${sentence}><table><thead><tr>${head.map((one) => html`<th scope="col">${one}</th>`)}</tr></thead>
        <tbody>${rows.map(([first, ...others]) => html`<tr><th scope="row">${first}</th>${others.map((one) => html`<td class="number">${one}</td>`)}</tr>`)}</tbody></table></div>`
    : html`${top === undefined ? null : html`<div class="small quiet number" aria-hidden="true">${top}</div>`}<svg viewBox="0 0 ${WIDTH} ${HEIGHT}" preserveAspectRatio="none" role="img" aria-label=${sentence}>${children}</svg>
        <div class="row spread small quiet" aria-hidden="true"><span>${from}</span><span>${to}</span></div>`}
    <figcaption class="row spread small quiet"><span>${legend ?? sentence}</span><${Button} kind="plain small" onClick=${() => turn(!asTable)}>${asTable ? t("Show as a picture") : t("Show as a table")}<//></figcaption></figure>`;
}

/** One bar for each number. */
export function Bars({ counts }) {
  const most = Math.max(1, ...counts);
  const step = WIDTH / Math.max(1, counts.length);
  return counts.map((count, n) => {
    const height = count ? Math.max(3, (count / most) * HEIGHT) : 1;
    return html`<rect class=${count ? "bar" : "bar none"} x=${n * step + step * 0.12} y=${HEIGHT - height} width=${step * 0.76} height=${height} />`;
  });
}

/** One number for each day, small enough for a row; `sentence` says what it shows. */
export function Spark({ counts, sentence }) {
  const most = Math.max(1, ...counts);
  return html`<svg class="spark" viewBox="0 0 ${counts.length * 4} 24" preserveAspectRatio="none" role="img" aria-label=${sentence}>${counts.map((count, n) => {
    const height = count ? Math.max(2, (count / most) * 24) : 1;
    return html`<rect class=${count ? "bar" : "bar none"} x=${n * 4 + 0.5} y=${24 - height} width="3" height=${height} />`;
  })}</svg>`;
}

const AHEAD_DAYS = 30;

/** What was held day by day, as an area, below its limit; `expected` is what it will be in 30 days. */
export function Area({ counts, limit, expected = null }) {
  const most = Math.max(1, ...counts, limit ?? 0, expected ?? 0) * 1.1;
  const y = (count) => HEIGHT - (count / most) * HEIGHT;
  const step = WIDTH / Math.max(1, counts.length + (expected === null ? 0 : AHEAD_DAYS));
  const now = counts.length * step;
  const line = counts.map((count, n) => `L${n * step} ${y(count)} H${(n + 1) * step}`).join(" ");
  return html`<path class="area" d="M0 ${HEIGHT} ${line} V${HEIGHT} Z" /><path class="line" d="M0 ${y(counts[0] ?? 0)} ${line}" />
    ${expected === null ? null : html`<path class="today" d="M${now} 0 V${HEIGHT}" /><path class="line expected" d="M${now} ${y(counts.at(-1) ?? 0)} L${WIDTH} ${y(expected)}" />`}
    ${limit === null ? null : html`<path class="limit" d="M0 ${y(limit)} H${WIDTH}" />`}`;
}

/** How much of something is done, as a ring; said beside it in words. */
export function Ring({ done, of }) {
  const round = 2 * Math.PI * 15;
  return html`<svg class="ring" viewBox="0 0 36 36" aria-hidden="true"><circle cx="18" cy="18" r="15" /><circle class="done" cx="18" cy="18" r="15" stroke-dasharray="${(round * done) / of} ${round}" transform="rotate(-90 18 18)" /></svg>`;
}
