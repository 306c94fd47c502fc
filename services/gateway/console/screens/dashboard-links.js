// The sharing links of one dashboard, within its sharing dialog.
import { get } from "../lib/api.js";
import { html, useState } from "../lib/dom.js";
import { t } from "../lib/i18n.js";
import { whyNot } from "../lib/may.js";
import { can, me, useLoad } from "../lib/state.js";
import { Button, Empty, Loaded, Notice } from "../ui/basics.js";
import { FormError, useSend } from "../ui/forms.js";
import { Body, Menu } from "../ui/overlays.js";
import { PlanLock } from "../ui/plan-lock.js";
import { AddressDialog } from "./link-address.js";
import { LinkForm } from "./link-form.js";
import { copyAddress, isMine, linkActions, LinkState, Opens, pausing, Restrictions, useUsage, Views } from "./link-parts.js";

export function DashboardLinks({ dashboard, title, onClose }) {
  const [dialog, open] = useState(null);
  const [fresh, setFresh] = useState(null);
  const list = useLoad(() => get(`/v1/dashboards/${encodeURIComponent(dashboard.id)}/links`), dashboard.id);
  const all = useLoad(() => get("/v1/links/suspension"), "switch");
  const changed = (id) => {
    setFresh(id ?? null);
    list.reload();
  };
  const close = (done, id) => {
    open(null);
    if (done) changed(id);
  };
  const shown = (link) => {
    changed(link.id);
    open(html`<${AddressDialog} link=${link} known=${link} onClose=${close} />`);
  };
  const sending = useSend(pausing(changed));
  const copying = useSend(copyAddress);
  const switchedOff = all.data?.suspended ?? false;
  const owner = dashboard.owner.user_id === me.value.user.id;
  const why = whyNot("links.create") || (owner ? "" : t("Only the owner of the dashboard may.")) || (switchedOff ? t("All links are switched off. An admin can end that.") : "");
  const adding = html`<${Button} kind="primary" icon="plus" why=${why} onClick=${() => open(html`<${LinkForm} dashboard=${dashboard} shown=${shown} onClose=${close} />`)}>${t("Add a link")}<//>`;
  const rows = list.data?.data ?? [];
  const usage = useUsage(rows);
  return html`<${Body} label=${title} footer=${html`<${Button} onClick=${onClose}>${t("Close")}<//>${adding}`}>
    <p class="quiet">${t("A link shows this dashboard to people without an account, as far as you let it.")}</p>
    <${PlanLock} action="links.create" title=${t("Sharing links aren't in your plan")}>${rows.length ? html`<p>${t("Those below open for nobody until it includes them; they stay as they are.")}</p>` : null}<//>
    ${switchedOff ? html`<${Notice} kind="warn" icon="warn" title=${t("All sharing links of the organization are switched off")} />` : null}
    <${FormError} sending=${sending} /><${FormError} sending=${copying} />
    <${Loaded} from=${list} lines=${4}>${() => rows.length ? html`<ul class="lines framed">${rows.map((one) => html`<li key=${one.id} class=${fresh === one.id ? "fresh" : ""}><div class="what"><span class="row"><b data-name>${one.name}</b><${LinkState} link=${one} /></span>
        <${Restrictions} link=${one} /><span class="small quiet"><${Opens} link=${one} /></span><${Views} usage=${usage.get(one.id)} /></div>
        <span class="row nowrap">${isMine(one) ? html`<${Button} icon="copy" busy=${copying.busy} aria-label=${t("Copy the address of {name}", { name: one.name })} onClick=${() => copying.run(one)}>${t("Copy")}<//>` : null}
        <${Menu} label=${t("Actions for {name}", { name: one.name })} items=${linkActions(one, { open, close, sending, switchedOff })} /></span></li>`)}</ul>`
      : html`<${Empty} icon="link" title=${t("No links yet")}>${can("links.create").allowed ? t("Add one for a wall, a partner, or a page of your own.") : ""}<//>`}<//>${dialog}<//>`;
}
