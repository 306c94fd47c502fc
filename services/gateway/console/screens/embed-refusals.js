// What was refused at sharing links, and precisely why: viewers hear nothing more than that.
import { html, useSignal } from "../lib/dom.js";
import { number, t } from "../lib/i18n.js";
import { useLive } from "../lib/live.js";
import { refine, ROOT, route, useList } from "../lib/state.js";
import { told } from "../lib/told.js";
import { Button, Card, Notice, When } from "../ui/basics.js";
import { Nothing, Table } from "../ui/table.js";

const REASONS = () => ({
  no_token: t("No embed token"), malformed: t("Not an embed token"), algorithm: t("Wrong algorithm"), header: t("Wrong header"),
  signature: t("Wrong signature"), unknown_key: t("Unknown key"), secret_expired: t("Secret expired"), secret_revoked: t("Secret revoked"),
  no_expiry: t("Without an end"), bad_claim: t("Malformed claim"), expired: t("Token expired"), too_far: t("Ends too late"), not_yet: t("Not valid yet"),
  no_link: t("Names no link"), other_link: t("For another link"), other_dashboard: t("For another dashboard"), old_token: t("Old address"),
  link_paused: t("Link paused"), link_expired: t("Link expired"), link_suspended: t("Link suspended by the plan"), link_switched_off: t("Links switched off"),
  organization_closed: t("Organization closed"), network: t("From another network"), wrong_password: t("Wrong password"), filter_gone: t("Frozen filter is gone"),
  bad_parameter: t("Malformed parameter"), parameters_not_allowed: t("Parameters not allowed"), undeclared_parameter: t("Unknown parameter"), outside_frozen: t("Beyond the frozen filters"),
});

/** A reason of the API in a few words. */
export const reasonInWords = (reason) => REASONS()[reason] ?? reason;

/** Why it was refused, in a sentence. */
export const whyRefused = (reason, detail) => told([`embed:${reason}`], detail);

/** A sentence whose `names` are set as code. */
export const Coded = ({ text }) => text.split("`").map((part, n) => (n % 2 ? html`<code>${part}</code>` : part));

export function Refusals() {
  const { query } = useSignal(route);
  const link = query.get("link") ?? "";
  const list = useLive(useList(`/v1/embed-refusals${link ? `?link_id=${encodeURIComponent(link)}` : ""}`), "sharing.embed_token");
  const named = (one) => one.link_name ?? t("A link that is gone");
  const columns = [
    { key: "why", label: t("Why"), cell: (one) => html`<b>${reasonInWords(one.reason)}</b><div class="small quiet"><${Coded} text=${whyRefused(one.reason, one.detail)} /></div>` },
    { key: "link", label: t("Link"), cell: (one) => html`<a class="name-link address" href="${ROOT}/embed-secret?show=refusals&link=${one.link_id}" data-name>${named(one)}</a><div class="small quiet" data-name>${one.dashboard_title ?? one.dashboard_id}</div>` },
    { key: "count", label: t("How often"), secondary: true, cell: (one) => html`<span class="number">${number(one.count)}</span>` },
    { key: "from", label: t("Last from"), secondary: true, cell: (one) => html`${one.source_ip ?? "–"}${one.secret_id ? html`<div class="small quiet"><code>${one.secret_id}</code></div>` : null}` },
    { key: "when", label: t("Last"), secondary: true, cell: (one) => html`<${When} at=${one.last_at} />` },
  ];
  const of = link && list.rows?.length ? named(list.rows[0]) : "";
  return html`<${Card} plain title=${t("Refusals")} lead=${t("Of the last 30 days, those of one reason and hour together. Who was refused saw none of this.")}>
    ${link ? html`<div class="toolbar"><${Notice} icon="link" title=${of ? t("Only refusals of {name}", { name: of }) : t("Only refusals of one link")}><${Button} onClick=${() => refine({ link: "" })}>${t("Show all")}<//><//></div>` : null}
    <${Table} label=${t("Refusals")} list=${list} columns=${columns} empty=${html`<${Nothing} filtered=${link} clear=${() => refine({ link: "" })} icon="shield" title=${t("Nothing was refused")} action=${html`<a class="button" href="${ROOT}/embed-secret?show=inspect">${t("Inspect a token")}</a>`}>${t("When a link stays shut for somebody, the reason stands here.")}<//>`} /><//>`;
}
