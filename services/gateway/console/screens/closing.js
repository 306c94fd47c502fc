// The end of an organization: taking everything along, what closing does, thirty days to take it back.
import { get, post, remove } from "../lib/api.js";
import { html, useSignal, useState } from "../lib/dom.js";
import { day, exactly, number, remaining, t, tn } from "../lib/i18n.js";
import { whyNot } from "../lib/may.js";
import { me, recognize, ROOT, say, useLoad } from "../lib/state.js";
import { Button, Card, Icon, Loaded, Notice, Page } from "../ui/basics.js";
import { Ring } from "../ui/charts.js";
import { Field, FormError, Submit, useSend } from "../ui/forms.js";
import { Confirm, Dialog } from "../ui/overlays.js";
import { Progress, useOperation } from "../ui/progress.js";

const DAY_MS = 86_400_000;
const GRACE_DAYS = 30;
/** What people know of what is erased, by the name of its records; the others are counted together. */
const KNOWN = () => ({
  "org.members": ["users", "{n} person is in it", "{n} people are in it"],
  "org.groups": ["groups", "{n} user group", "{n} user groups"],
  "org.invitations": ["mail", "{n} invitation", "{n} invitations"],
  "org.domains": ["globe", "{n} domain", "{n} domains"],
  "identity.sso_connections": ["key", "{n} provider for single sign-on", "{n} providers for single sign-on"],
  "identity.api_keys": ["key", "{n} API key", "{n} API keys"],
  "sharing.dashboards": ["share", "{n} dashboard's sharing", "the sharing of {n} dashboards"],
  "sharing.links": ["link", "{n} sharing link", "{n} sharing links"],
  "sharing.embed_secrets": ["key", "{n} embed secret", "{n} embed secrets"],
  "courier.webhooks": ["link", "{n} webhook", "{n} webhooks"],
  "audit.audit_entries": ["log", "{n} entry in the audit log", "{n} entries in the audit log"],
});

/** The card on the organization's own page that leads here. */
export function DangerZone() {
  const { closed } = useSignal(me).organization;
  return html`<${Card} kind="danger" title=${t("Closing the organization")} footer=${html`<a class="button ${closed ? "" : "danger"}" href="${ROOT}/organization/closing">${closed ? t("When it is erased, and taking it back") : t("Take data along, or close…")}</a>`}>
    <p class="quiet">${closed ? t("The organization is closed.") : t("Everybody is out at once. For 30 days it can be taken back; then everything is erased.")}</p><//>`;
}

export function Closing() {
  const who = useSignal(me);
  const state = useLoad(() => get("/v1/organization/closure"), String(who.organization.closed));
  return html`<${Page} title=${t("Closing the organization")} org=${who.organization.name} crumbs=${html`<a href="${ROOT}/organization">${t("Organization")}</a>`} lead=${t("Take everything along, close it, or take the closing back.")}>
    <${Loaded} from=${state} lines=${3}>${({ closure }) => html`${closure ? html`<${Closed} closure=${closure} />` : null}<${Export} />${closure ? null : html`<${Close} name=${who.organization.name} />`}`}<//><//>`;
}

function Export() {
  const [begun, begin] = useState(null);
  const starting = useSend(async (options) => begin((await post("/v1/organization/exports", undefined, options)).data));
  return html`<${Card} title=${t("Take everything along")} lead=${t("All that your organization has here, as one ZIP: JSON and CSV, with a signed list of all files.")} footer=${html`<${Button} why=${whyNot("organization.export")} busy=${starting.busy} onClick=${() => starting.run()}>${begun ? t("Gather it anew") : t("Gather it")}<//>`}>
    ${begun ? html`<${Gathered} key=${begun.id} begun=${begun} />` : html`<p class="small quiet">${t("Secrets and passwords aren't in it. It takes from seconds to minutes.")}</p>`}<${FormError} sending=${starting} /><//>`;
}

function Gathered({ begun }) {
  const state = useOperation(begun);
  return html`<${Progress} state=${state} doing=${t("Everything is gathered…")} done=${t("Everything is gathered.")} file=${t("Download the ZIP")} />`;
}

function Close({ name }) {
  const [dialog, open] = useState(null);
  const preview = useLoad(() => get("/v1/organization/closure-preview"), "preview");
  const closing = () => open(html`<${CloseIt} name=${name} preview=${preview.data} onClose=${() => open(null)} />`);
  const why = whyNot("organization.close") || (preview.data ? "" : t("Loading…"));
  return html`<${Card} kind="danger" title=${t("Close {name}", { name })} footer=${html`<${Button} kind="danger" why=${why} onClick=${closing}>${t("Close the organization…")}<//>`}>
    <${Loaded} from=${preview} lines=${5}>${(found) => html`<${Timeline} erasedAt=${found.erased_at} people=${found.active_users} /><${Erased} found=${found} />`}<//><//>${dialog}`;
}

function Timeline({ erasedAt, people }) {
  return html`<ol class="steps"><li><b>${t("At once")}</b><span>${tn(people, "{n} person loses access; admins can still look, take data along and take it back.", "{n} people lose access; admins can still look, take data along and take it back.")} ${t("Links, embeds, API keys and webhooks stop.")}</span></li>
    <li><b>${t("Until {day}", { day: day(erasedAt) })}</b><span>${t("Any admin can take it back: everybody and everything is as it was. Admins get a mail a week and a day before the end.")}</span></li>
    <li><b>${t("Then")}</b><span>${t("Everything below is erased, everywhere, for good.")}</span></li></ol>`;
}

function Erased({ found }) {
  const known = KNOWN();
  const lines = found.erased.filter((one) => one.rows && known[`${one.service}.${one.name}`]);
  const others = found.erased.filter((one) => one.rows && !known[`${one.service}.${one.name}`]);
  const rest = others.reduce((sum, one) => sum + one.rows, 0);
  return html`<div class="columns"><div class="stack tight"><h3>${t("What is erased")}</h3><ul class="impact">${lines.map((one) => {
    const [icon, single, many] = known[`${one.service}.${one.name}`];
    return html`<li><${Icon} name=${icon} /><span>${tn(one.rows, single, many)}</span></li>`;
  })}</ul>${rest ? html`<details class="more"><summary>${tn(rest, "and {n} other record", "and {n} other records")}</summary><ul class="plain-list">${others.map((one) => html`<li><code>${one.service}.${one.name}</code> <span class="quiet number">${number(one.rows)}</span></li>`)}</ul></details>` : null}</div>
    <div class="stack tight"><h3>${t("What stays")}</h3><ul class="impact">${found.kept.map((one) => html`<li><${Icon} name="check" /><span>${t(one)}</span></li>`)}</ul></div></div>`;
}

function CloseIt({ name, preview, onClose }) {
  const [typed, setTyped] = useState("");
  const sending = useSend(async (body, options) => {
    const { data } = await post("/v1/organization/closure", body, options);
    say(t("The organization is closed. Until {day} it can be taken back.", { day: day(data.erased_at) }));
    onClose();
    await recognize();
  });
  const why = typed.trim() === name.trim() ? "" : t("Type the organization's name first");
  return html`<${Dialog} title=${t("Close {name}?", { name })} onClose=${onClose} onSubmit=${() => why || sending.run({ name: typed })}
    footer=${html`<${Button} onClick=${onClose}>${t("Cancel")}<//><${Submit} sending=${sending} kind="primary danger" why=${why}>${t("Close {name}", { name })}<//>`}>
    <${Notice} kind="danger" icon="warn" title=${tn(preview.active_users, "{n} person is out at once", "{n} people are out at once")}><p>${t("On {day} everything is erased, unless an admin takes it back before. All admins get a mail.", { day: day(preview.erased_at) })}</p><//>
    <${Field} label=${t("Type {name} to go on", { name })} name="name" autocomplete="off" value=${typed} onInput=${setTyped} wrong=${sending.wrong("name")} data-first /><${FormError} sending=${sending} fields=${["name"]} /><//>`;
}

function Closed({ closure }) {
  const [dialog, open] = useState(null);
  const left = Math.max(0, (new Date(closure.erased_at) - Date.now()) / DAY_MS);
  const back = async (options) => {
    await remove("/v1/organization/closure", options);
    say(t("The closing is taken back. Everybody and everything is as it was."));
    await recognize();
  };
  const taking = () => open(html`<${Confirm} title=${t("Take the closing back?")} verb=${t("Take it back")} act=${back} onClose=${() => open(null)}><p>${t("Everybody gets in again within a second, with the role, groups and dashboards that they had. Links, embeds, API keys and webhooks work again.")}</p><//>`);
  return html`<${Card} kind="danger" title=${html`<span class="person"><${Ring} done=${GRACE_DAYS - left} of=${GRACE_DAYS} /><span>${t("Closed: erased in {time}", { time: remaining(closure.erased_at) })}</span></span>`} footer=${html`<${Button} kind="primary" why=${whyNot("organization.close")} onClick=${taking}>${t("Take it back…")}<//>`}>
    <div class="stack"><p>${t("Only admins get in, and they can only look. On {moment} everything is erased everywhere; until then any admin can take it back.", { moment: exactly(closure.erased_at) })}</p>
    <dl class="facts"><div><dt>${t("Closed on")}</dt><dd>${exactly(closure.closed_at)}</dd></div><div><dt>${t("Closed by")}</dt><dd><a href="${ROOT}/users/${closure.closed_by}">${closure.closed_by === me.value.user.id ? t("you") : t("another admin")}</a></dd></div></dl></div><//>${dialog}`;
}
