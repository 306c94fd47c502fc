// What the identity provider asked for last, what it was answered, and what it changed.
import { get } from "../lib/api.js";
import { html, useState } from "../lib/dom.js";
import { inWords } from "../lib/events.js";
import { t } from "../lib/i18n.js";
import { ROOT, useLoad } from "../lib/state.js";
import { reasonTold } from "../lib/told.js";
import { Badge, Button, Card, Empty, Icon, Loaded, When } from "../ui/basics.js";

const SHOWN = 8;
const DEEDS = () => ({
  "POST Users": t("Adds a person"), "PUT Users": t("Changes a person"), "PATCH Users": t("Changes a person"), "DELETE Users": t("Removes a person"), "GET Users": t("Looks for people"),
  "POST Groups": t("Adds a group"), "PUT Groups": t("Changes a group"), "PATCH Groups": t("Changes a group"), "DELETE Groups": t("Removes a group"), "GET Groups": t("Looks for groups"),
});
const deedOf = ({ method, path }) => DEEDS()[`${method} ${path.split("/")[1]}`] ?? `${method} ${path}`;

/** Its last writes and refusals; `tokens` are those that are shown by name. */
export function LastRequests({ tokens }) {
  const [all, showAll] = useState(false);
  const found = useLoad(() => get("/v1/provisioning/requests"), tokens.map((one) => one.id).join());
  const named = Object.fromEntries(tokens.map((one) => [one.id, one.name]));
  const rows = found.data?.data ?? [];
  const failed = rows.filter((one) => one.status >= 400).length;
  const footer = html`${rows.length > SHOWN ? html`<${Button} kind="plain" onClick=${() => showAll(!all)}>${all ? t("Show fewer") : t("Show all {n}", { n: rows.length })}<//>` : null}<${Button} busy=${found.busy} onClick=${found.reload}>${t("Look again")}<//>`;
  return html`<${Card} plain title=${t("Last requests")} lead=${failed ? t("{n} of the last {all} were refused; each says why.", { n: failed, all: rows.length }) : t("Its last writes, and whatever is refused. Reads that succeed aren't listed.")} footer=${footer}><${Loaded} from=${found} lines=${3}>${({ data }) => (data.length
    ? html`<ul class="lines dense">${(all ? data : data.slice(0, SHOWN)).map((one) => html`<li key=${one.request_id}><span><span class="row"><${Badge} kind=${one.status < 400 ? "ok" : "danger"} icon=${one.status < 400 ? "check" : "warn"}>${one.status}<//><b>${deedOf(one)}</b><small class="quiet" data-name>${named[one.token_id] ?? ""}</small></span>${one.detail ? html`<small data-name>${one.refusal ? reasonTold(one.refusal) : one.detail}</small>` : null}</span><small class="quiet"><${When} at=${one.at} /></small></li>`)}</ul>`
    : html`<${Empty} icon="clock" title=${t("It has asked for nothing yet")}>${t("Test the connection at your provider; what comes of it appears here.")}<//>`)}<//><//>`;
}

async function changesBy(tokens) {
  const pages = await Promise.all(tokens.map((one) => get(`/v1/audit-entries?actor=${one.id}&limit=${SHOWN}`)));
  return { data: pages.flatMap((one) => one.data.data).sort((one, other) => (one.at < other.at ? 1 : -1)).slice(0, SHOWN) };
}

/** What came of it in the organization, out of the audit log. */
export function LastChanges({ tokens }) {
  const found = useLoad(() => changesBy(tokens), tokens.map((one) => one.id).join());
  const named = Object.fromEntries(tokens.map((one) => [one.id, one.name]));
  if (found.data && !found.data.length) return null;
  return html`<${Card} plain title=${t("What the provider changed")} footer=${tokens.map((one) => html`<a class="button" key=${one.id} href="${ROOT}/audit?actor=${one.id}">${t("All by {name}", { name: one.name })}</a>`)}><${Loaded} from=${found} lines=${3}>${(entries) => html`<ul class="lines">${entries.map((one) => html`<li key=${one.id}><span class="person"><span class="avatar" aria-hidden="true"><${Icon} name="users" /></span><span><b>${inWords(one.action)}</b><small>${one.target_name ?? one.target_id ?? ""} · ${named[one.actor_id]}</small></span></span><small class="quiet"><${When} at=${one.at} /></small></li>`)}</ul>`}<//><//>`;
}
