// Lists as tables: server-side order, more on demand, readable at any width.
import { html } from "../lib/dom.js";
import { t, tn } from "../lib/i18n.js";
import { Button, Empty, Forbidden, Icon, Refused, Skeleton } from "./basics.js";

/** `columns` are `{key, label, sort, secondary, act, cell}`; `empty` is what to show instead of no rows. */
export function Table({ label, list, columns, empty, sort, onSort, fresh }) {
  if (list.error && !list.rows) return list.error.status === 403 ? html`<${Forbidden} error=${list.error} />` : html`<div class="skeleton"><${Refused} error=${list.error} retry=${list.reload} /></div>`;
  if (!list.rows) return html`<${Skeleton} lines=${8} />`;
  if (!list.rows.length) return html`<${News} list=${list} />${empty}`;
  return html`<${News} list=${list} />${list.error ? html`<div class="skeleton"><${Refused} error=${list.error} retry=${list.reload} /></div>` : null}
    <div class="scroll" role="region" aria-label=${label} tabindex="0"><table aria-busy=${list.busy ? "true" : undefined}><thead><tr>
      ${columns.map((one) => html`<th scope="col" class="${one.secondary ? "secondary" : ""} ${one.pick ? "pick" : ""}" aria-sort=${order(one, sort)}>${head(one, sort, onSort)}</th>`)}</tr></thead>
      <tbody>${list.rows.map((row) => html`<tr key=${row.id} class=${fresh === row.id ? "fresh" : ""}>${columns.map((one) => html`<${Cell} key=${one.key} column=${one} content=${one.cell(row)} />`)}</tr>`)}</tbody></table></div>
    <${More} list=${list} />`;
}

/** The foot of a list by pages: its further rows, or why they couldn't be had and the way to try again, by the same button, so that it keeps the focus. */
export function More({ list, word = t("Load more") }) {
  const total = list.total ?? null;
  return html`${list.failed ? html`<div class="skeleton"><${Refused} error=${list.failed} /></div>` : null}
    ${list.more || total !== null ? html`<div class="table-foot row">${list.more ? html`<${Button} onClick=${list.more} busy=${list.loadingMore}>${list.failed ? t("Try again") : word}<//>` : null}
      ${total !== null ? html`<span class="small quiet number">${tn(total, "{n} in all", "{n} in all")}${list.capped ? "+" : ""}</span>` : null}</div>` : null}`;
}

/** What can be done about a row, which `name` says in full; on a phone its picture stands for the word. */
export function Act({ name, icon, kind = "", href, children, ...rest }) {
  const word = html`<span class="word">${children}</span>`;
  return href ? html`<a class="button act" href=${href} aria-label=${name} ...${rest}><${Icon} name=${icon} />${word}</a>`
    : html`<${Button} kind="act ${kind}" icon=${icon} aria-label=${name} ...${rest}>${word}<//>`;
}

/** A day or a word stays on one line. */
function Cell({ column, content }) {
  const short = typeof content === "string" && content.length < 13;
  return html`<td class="${column.secondary ? "secondary" : ""} ${column.act ? "act" : ""} ${column.pick ? "pick" : ""} ${short ? "short" : ""}">${content}</td>`;
}

/** How much others have changed since the list was loaded; rows move when one asks for it. */
export function News({ list }) {
  if (list.news === undefined) return null;
  return html`<div class="news" role="status">${list.news ? html`<button type="button" class="button" onClick=${list.reload} data-news>${tn(list.news, "{n} change", "{n} changes")} · ${t("Refresh")}</button>` : null}</div>`;
}

function order(column, sort) {
  if (!column.sort) return undefined;
  return sort === column.sort ? "ascending" : sort === `-${column.sort}` ? "descending" : "none";
}

function head(column, sort, onSort) {
  if (column.act) return html`<span class="visually-hidden">${column.label}</span>`;
  if (!column.sort) return column.label;
  const mark = sort === column.sort ? " ↑" : sort === `-${column.sort}` ? " ↓" : "";
  return html`<button type="button" class="button plain" onClick=${() => onSort(sort === column.sort ? `-${column.sort}` : column.sort)}>${column.label}<span aria-hidden="true">${mark}</span></button>`;
}

export function Nothing({ filtered, clear, icon, title, children, action }) {
  if (filtered) return html`<${Empty} icon="search" title=${t("Nothing matches")} action=${html`<${Button} onClick=${clear}>${t("Clear filters")}<//>`}>${t("No entry fits what you searched for.")}<//>`;
  return html`<${Empty} icon=${icon} title=${title} action=${action}>${children}<//>`;
}
