// Many links closed at once.
import { html } from "../lib/dom.js";
import { t, tn } from "../lib/i18n.js";
import { Icon } from "../ui/basics.js";
import { Bulk, BulkBar } from "../ui/bulk.js";

const KINDS = () => ({
  pause: { label: t("Pause…"), verb: t("Pause"), title: (n) => tn(n, "Pause {n} link?", "Pause {n} links?"), says: t("They open for nobody from this moment on. Everything is kept; the owner of each dashboard can let its links go on.") },
  remove: { label: t("Delete…"), verb: t("Delete"), danger: true, title: (n) => tn(n, "Delete {n} link?", "Delete {n} links?"), says: t("They open for nobody from this moment on, for good. Their addresses never work again.") },
});

const couldnt = (n) => tn(n, "{n} link couldn't be changed", "{n} links couldn't be changed");
const TOLD = {
  pause: (n) => tn(n, "{n} link is paused.", "{n} links are paused."),
  remove: (n) => tn(n, "{n} link is deleted.", "{n} links are deleted."),
};

/** The bar below the list, once a link is chosen. `chosen` is a map of links by id. */
export function LinkBar({ chosen, open, close, clear }) {
  const kinds = Object.entries(KINDS()).map(([key, kind]) => ({ key, ...kind }));
  const done = (ok) => {
    if (ok) clear();
    close(ok);
  };
  return html`<${BulkBar} label=${t("Chosen links")} count=${chosen.size} kinds=${kinds} none=${t("Choose none")} clear=${clear} ask=${(kind) => open(html`<${LinkBulk} kind=${kind} links=${[...chosen.values()]} onClose=${done} />`)} />`;
}

function LinkBulk({ kind, links, onClose }) {
  const { verb, title, says, danger } = KINDS()[kind];
  const open = links.filter((one) => one.state === "open").length;
  const paused = links.filter((one) => one.paused).length;
  const rows = links.map((one) => ({ id: one.id, name: `${one.dashboard_title} · ${one.name}` }));
  return html`<${Bulk} title=${title(links.length)} verb=${verb} danger=${danger} says=${says} path="/v1/links/bulk-actions" body=${{ action: kind, link_ids: links.map((one) => one.id) }}
    label=${t("Chosen links")} rows=${rows} told=${TOLD[kind]} refused=${couldnt} caution=${t("Each is judged alone: what can't be changed doesn't hold up the others.")} onClose=${onClose}>
    ${() => html`<ul class="impact"><li><${Icon} name="link" /><span>${tn(open, "{n} of them opens at present.", "{n} of them open at present.")}</span></li>
      ${kind === "pause" && paused ? html`<li><${Icon} name="clock" /><span>${tn(paused, "{n} is paused already.", "{n} are paused already.")}</span></li>` : null}</ul>`}<//>`;
}
