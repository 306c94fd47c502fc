// Lists as tables: server-side order, more on demand, readable at any width.
import { html } from "../lib/dom.js";
import { t, tn } from "../lib/i18n.js";
import { Button, Empty, Forbidden, Refused, Skeleton } from "./basics.js";

/** `columns` are `{key, label, sort, secondary, act, cell}`; `empty` is what to show instead of no rows. */
export function Table({ label, list, columns, empty, sort, onSort, fresh }) {
  if (list.error && !list.rows) return list.error.status === 403 ? html`<${Forbidden} error=${list.error} />` : html`<div class="skeleton"><${Refused} error=${list.error} retry=${list.reload} /></div>`;
  if (!list.rows) return html`<${Skeleton} lines=${8} />`;
  if (!list.rows.length) return empty;
  return html`${list.error ? html`<div class="skeleton"><${Refused} error=${list.error} retry=${list.reload} /></div>` : null}
    <div class="scroll" role="region" aria-label=${label} tabindex="0"><table aria-busy=${list.busy ? "true" : undefined}><thead><tr>
      ${columns.map((one) => html`<th scope="col" class=${one.secondary ? "secondary" : ""} aria-sort=${order(one, sort)}>${head(one, sort, onSort)}</th>`)}</tr></thead>
      <tbody>${list.rows.map((row) => html`<tr key=${row.id} class=${fresh === row.id ? "fresh" : ""}>${columns.map((one) => html`<td class="${one.secondary ? "secondary" : ""} ${one.act ? "act" : ""} ${one.pick ? "pick" : ""}">${one.cell(row)}</td>`)}</tr>`)}</tbody></table></div>
    ${list.more || list.total !== null ? html`<div class="table-foot row">${list.more ? html`<${Button} onClick=${list.more} busy=${list.loadingMore}>${t("Load more")}<//>` : null}
      ${list.total !== null ? html`<span class="small quiet number">${tn(list.total, "{n} in all", "{n} in all")}${list.capped ? "+" : ""}</span>` : null}</div>` : null}`;
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
