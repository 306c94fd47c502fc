// Making and changing a sharing link: what it shows, who gets in, what they may do there.
import { get, patch, post } from "../lib/api.js";
import { html, useState } from "../lib/dom.js";
import { fromField, t, toField, zone } from "../lib/i18n.js";
import { whyNot } from "../lib/may.js";
import { me, say, useLoad, whole } from "../lib/state.js";
import { Button, Loaded, Notice } from "../ui/basics.js";
import { Chips } from "../ui/chips.js";
import { Check, Choices, Field, FormError, Password, Submit, useSend } from "../ui/forms.js";
import { Dialog } from "../ui/overlays.js";
import { Frozen, frozenOf, givenFilters } from "./link-filters.js";

const FLAGS = ["requires_secret", "allow_parameters", "tv_mode", "dark_mode", "toolbar", "csv", "excel"];
const EVERYBODY = ["0.0.0.0/0", "::/0"];
const FIELDS = ["name", "description", "report_id", "expires_at", "password", "networks", "origins", "allow_parameters", "frozen_filters"];
const words = (text) => text.split(/[\s,;]+/).filter(Boolean);

/** A link that is changed; `link` needs its id and name alone. */
export function LinkDialog({ link, onClose }) {
  const found = useLoad(() => get(`/v1/links/${link.id}`), link.id);
  const dashboard = useLoad(() => get(`/v1/dashboards/${encodeURIComponent(link.dashboard_id)}`).catch((refusal) => {
    if (refusal.status === 404) return { data: null };
    throw refusal;
  }), link.dashboard_id);
  if (!found.data || dashboard.busy || dashboard.error) return html`<${Dialog} large title=${t("Edit {name}", { name: link.name })} onClose=${() => onClose(false)}><${Loaded} from=${found.error ? found : dashboard.error ? dashboard : { busy: true }} lines=${8}>${() => null}<//><//>`;
  return html`<${LinkForm} key=${found.etag} link=${found.data} etag=${found.etag} reload=${found.reload} dashboard=${dashboard.data} onClose=${onClose} />`;
}

/** Without `link` a new one; `shown(link)` then has what is made. */
export function LinkForm({ link, etag, reload, dashboard, shown, onClose }) {
  const [given, set] = useState(() => ({
    name: link?.name ?? "", description: link?.description ?? "", what: "dashboard", report_id: "",
    ends: link?.expires_at ? "at" : "never", expires_at: link?.expires_at ? toField(link.expires_at) : "",
    keep: Boolean(link?.has_password), protect: Boolean(link?.has_password), password: "",
    networks: link?.networks ?? [], origins: link?.origins ?? [],
    ...Object.fromEntries(FLAGS.map((name) => [name, link?.[name] ?? name === "toolbar"])),
    ...frozenOf(link?.frozen_filters),
  }));
  const change = (name) => (value) => set((was) => ({ ...was, [name]: value }));
  const mine = !link || link.owner_id === me.value.user.id;
  const path = link ? `/v1/links/${link.id}` : `/v1/dashboards/${encodeURIComponent(dashboard.id)}/links`;
  const sending = useSend(async (body, options) => {
    const { data } = link ? await patch(path, body, { ...options, etag }) : await post(path, body, options);
    say(link ? t("{name} is changed.", { name: data.name }) : t("The link {name} is there.", { name: data.name }));
    if (shown) shown(data);
    else onClose(true, data.id);
  });
  const frozen = givenFilters(given);
  const why = !given.name.trim() ? t("Give it a name first")
    : given.ends === "at" && !given.expires_at ? t("Choose when it ends first")
      : given.protect && !given.keep && given.password.length < 8 ? t("The password needs at least 8 characters")
        : given.filters === "frozen" && !Object.keys(frozen).length ? t("Freeze a filter first")
          : given.what === "report" && !given.report_id.trim() ? t("Type the report's id first") : "";
  const send = () => why || sending.run(bodyOf(given, frozen, link));
  const stale = sending.error?.code === "precondition_failed";
  const parts = { given, change, sending };
  return html`<${Dialog} large title=${link ? t("Edit {name}", { name: link.name }) : t("Add a link to {name}", { name: dashboard.title })} onClose=${() => onClose(false)} onSubmit=${send}
    footer=${html`<${Button} onClick=${() => onClose(false)}>${t("Cancel")}<//><${Submit} sending=${sending} why=${why}>${link ? t("Save") : t("Add and show the address")}<//>`}>
    ${stale ? html`<${Notice} kind="warn" icon="warn" title=${t("Somebody else changed this meanwhile")} role="alert"><${Button} onClick=${reload}>${t("Show what is there now")}<//><//>` : html`<${FormError} sending=${sending} fields=${FIELDS} />`}
    ${mine ? null : html`<${Notice} icon="info" title=${t("You may close it further")}>${t("What opens it to more people or more data is up to the owner of the dashboard.")}<//>`}
    <div class="columns"><${Field} label=${t("Name")} name="name" maxlength="200" value=${given.name} onInput=${change("name")} wrong=${sending.wrong("name")} hint=${t("Where it is used, such as Wall in the lobby.")} data-first />
      <${Field} label=${t("Description")} name="description" maxlength="2000" value=${given.description} onInput=${change("description")} wrong=${sending.wrong("description")} hint=${t("You may leave it empty.")} /></div>
    <${WhoGetsIn} ...${parts} link=${link} mine=${mine} />
    <${WhatItShows} ...${parts} link=${link} dashboard=${dashboard} />
    <${WhatTheyMayDo} ...${parts} /><//>`;
}

function bodyOf(given, frozen, link) {
  const body = { name: given.name.trim(), description: given.description.trim(), networks: given.networks, origins: given.origins };
  for (const name of FLAGS) body[name] = given[name];
  if (!given.requires_secret) body.allow_parameters = false;
  body.frozen_filters = given.filters === "frozen" ? frozen : null;
  const ends = given.ends === "at" ? given.expires_at : null;
  const kept = link?.expires_at ? toField(link.expires_at) : null;
  if (ends !== kept) body.expires_at = ends && fromField(ends).toISOString();
  if (given.protect && !given.keep) body.password = given.password;
  if (!given.protect && link?.has_password) body.password = null;
  if (!link && given.what === "report") body.report_id = given.report_id.trim();
  return body;
}

function WhoGetsIn({ given, change, sending, link, mine }) {
  const sessions = useLoad(() => whole("/v1/me/sessions"), "sessions");
  const address = sessions.data?.find((one) => one.current)?.source_ip;
  const addOwn = address && !given.networks.some((one) => one.startsWith(address)) ? html`<${Button} kind="plain small" onClick=${() => change("networks")([...given.networks, address])}>${t("Add my address ({address})", { address })}<//>` : null;
  const anybody = !given.protect && !given.networks.length && !given.requires_secret;
  const all = given.networks.filter((one) => EVERYBODY.includes(one));
  const cannotTake = given.allow_parameters ? "" : whyNot("links.allow_parameters");
  return html`<fieldset class="section"><legend>${t("Who gets in")}</legend>
    ${anybody ? html`<${Notice} kind="warn" icon="globe" title=${t("Whoever has the address gets in")}>${t("A password, networks or an embed token keep others out.")}<//>` : null}
    <div class="columns"><div class="stack tight"><${Check} label=${t("With a password")} note=${t("Asked once in twelve hours.")} checked=${given.protect} onChange=${change("protect")} />
        ${given.protect ? html`<div class="indent">${given.keep && link ? html`<div class="row spread"><span class="small quiet">${t("The present password stays.")}</span><${Button} why=${mine ? "" : t("Only the owner of the dashboard may.")} onClick=${() => change("keep")(false)}>${t("Choose another")}<//></div>`
          : html`<${Password} label=${t("Password of the link")} name="password" autocomplete="new-password" maxlength="256" value=${given.password} onInput=${change("password")} wrong=${sending.wrong("password")} hint=${t("At least 8 characters. It is never shown again.")} />`}</div>` : null}</div>
      <div class="stack tight"><${Check} label=${t("Ends by itself")} note=${t("Afterwards it opens for nobody.")} checked=${given.ends === "at"} onChange=${(on) => change("ends")(on ? "at" : "never")} />
        ${given.ends === "at" ? html`<div class="indent"><${Field} label=${t("Ends")} name="expires_at" type="datetime-local" value=${given.expires_at} onInput=${change("expires_at")} wrong=${sending.wrong("expires_at")} hint=${t("In the time zone {zone}.", { zone: zone() })} /></div>` : null}</div></div>
    <${Chips} label=${t("Networks")} name="networks" chips=${given.networks} onChange=${change("networks")} parse=${words} bad=${(one) => EVERYBODY.includes(one)} wrong=${sending.wrong("networks")} after=${addOwn}
      hint=${t("Addresses such as 203.0.113.7 and networks such as 203.0.113.0/24 or 2001:db8::/32. Empty: from everywhere.")} />
    ${all.length ? html`<${Notice} kind="warn" icon="warn" title=${t("{network} lets in the whole internet", { network: all[0] })} />` : null}
    <${Check} label=${t("Needs an embed token")} note=${t("Opens only where your server signs a token for each viewer.")} checked=${given.requires_secret} onChange=${change("requires_secret")} />
    ${given.requires_secret ? html`<div class="indent"><${Check} label=${t("The token may fix parameters")} note=${cannotTake || t("So that each viewer sees only what is theirs.")} disabled=${Boolean(cannotTake)} checked=${given.allow_parameters} onChange=${change("allow_parameters")} wrong=${sending.wrong("allow_parameters")} /></div>` : null}
    <${Chips} label=${t("Sites that may show it in a frame")} name="origins" chips=${given.origins} onChange=${change("origins")} parse=${words} wrong=${sending.wrong("origins")}
      hint=${t("Origins such as https://app.example.com. Empty: it is opened by itself only.")} /></fieldset>`;
}

function WhatItShows({ given, change, sending, link, dashboard }) {
  const parts = [["dashboard", t("The whole dashboard")], ["report", t("A single report of it")]];
  const filters = [["defaults", t("Follows the dashboard's defaults"), t("When they are changed there, this link changes with them.")], ["frozen", t("Frozen filters"), t("Always with the values chosen here.")]];
  return html`<fieldset class="section"><legend>${t("What it shows")}</legend><div class="columns">
    ${link ? (link.report_id ? html`<p class="small quiet">${t("A single report of it")}: <code>${link.report_id}</code></p>` : null) : html`<div class="stack"><${Choices} legend=${t("Part")} value=${given.what} onInput=${change("what")} options=${parts} />
      ${given.what === "report" ? html`<${Field} label=${t("Id of the report")} name="report_id" maxlength="200" spellcheck="false" value=${given.report_id} onInput=${change("report_id")} wrong=${sending.wrong("report_id")} hint=${t("As the analytics product names it.")} />` : null}</div>`}
    <${Choices} legend=${t("Filters")} value=${given.filters} onInput=${change("filters")} options=${filters} /></div>
    ${given.filters === "frozen" ? html`<${Frozen} parameters=${dashboard?.parameters ?? []} given=${given} change=${change} sending=${sending} />` : null}</fieldset>`;
}

function WhatTheyMayDo({ given, change }) {
  const options = [
    ["toolbar", t("Toolbar"), t("Filters and the menu above the dashboard.")],
    ["csv", t("Take data away as CSV"), t("A file with the rows behind a chart.")],
    ["excel", t("Take data away as Excel"), t("The same as a workbook.")],
    ["tv_mode", t("TV mode"), t("Full screen, renewed by itself.")],
    ["dark_mode", t("Dark mode"), t("Light letters on a dark ground.")],
  ];
  return html`<fieldset class="section"><legend>${t("What the viewer gets")}</legend><div class="columns">${[options.slice(0, 3), options.slice(3)].map((some) => html`<div class="stack tight">${some.map(([name, label, note]) => html`<${Check} key=${name} flat label=${label} note=${note} checked=${given[name]} onChange=${change(name)} />`)}</div>`)}</div></fieldset>`;
}
