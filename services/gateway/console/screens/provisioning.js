// Provisioning: the identity provider's tokens, removals that wait for an admin, what new users become, and what it asked for last.
import { get, patch, post, remove } from "../lib/api.js";
import { html, useSignal, useState } from "../lib/dom.js";
import { ago, t, tn } from "../lib/i18n.js";
import { ROLES, whyNot } from "../lib/may.js";
import { me, say, useGuard, useList, useLoad } from "../lib/state.js";
import { Badge, Button, Card, Copy, Empty, Loaded, Notice, Page, When } from "../ui/basics.js";
import { Check, Choices, Field, FormError, Submit, useSend } from "../ui/forms.js";
import { Confirm, Dialog } from "../ui/overlays.js";
import { PlanLock } from "../ui/plan-lock.js";
import { ShownOnce } from "../ui/shown-once.js";
import { Act, Table } from "../ui/table.js";
import { DryRun } from "./provisioning-dry-run.js";
import { LastChanges, LastRequests } from "./provisioning-requests.js";

const MOST_TOKENS = 2;
const SHOWN = 8;

export function Provisioning() {
  const who = useSignal(me);
  const [dialog, open] = useState(null);
  const tokens = useList("/v1/scim-tokens");
  const settings = useLoad(() => get("/v1/provisioning"), "provisioning");
  const held = useLoad(() => get("/v1/provisioning/removals"), "held");
  const close = (done) => {
    open(null);
    if (done) [tokens, settings, held].forEach((one) => one.reload());
  };
  const trying = html`<${Button} why=${whyNot("provisioning.manage")} onClick=${() => open(html`<${DryRun} onClose=${close} />`)}>${t("Try it first…")}<//>`;
  return html`<${Page} title=${t("Provisioning")} org=${who.organization.name} lead=${t("Your identity provider adds people, keeps their groups, and has them out the moment they leave.")} actions=${trying}>
    <${PlanLock} action="scim_tokens.create" title=${t("Provisioning isn't in your plan")}><p>${tokens.rows?.length ? t("What is set up goes on taking access away; it lets nobody new in until the plan includes it.") : t("With it, nobody has to invite or remove people by hand.")}</p><//>
    <${Held} list=${held} open=${open} close=${close} />
    <${Tokens} list=${tokens} open=${open} close=${close} />
    <${Loaded} from=${settings} lines=${3}>${(data) => html`<${Settings} key=${settings.etag} data=${data} etag=${settings.etag} reload=${settings.reload} />`}<//>
    ${tokens.rows?.length ? html`<${LastRequests} tokens=${tokens.rows} /><${LastChanges} tokens=${tokens.rows} />` : null}${dialog}<//>`;
}

function Held({ list, open, close }) {
  const [picked, pick] = useState([]);
  const people = list.data?.data ?? [];
  if (list.error) return html`<${Loaded} from=${list} lines=${1}>${() => null}<//>`;
  if (!people.length) return null;
  const chosen = people.filter((one) => picked.includes(one.user_id));
  const flip = (id) => (on) => pick(on ? [...picked, id] : picked.filter((one) => one !== id));
  const decide = (approve) => open(html`<${Decide} people=${chosen} approve=${approve} onClose=${(done) => (done && pick([]), close(done))} />`);
  const why = whyNot("provisioning.manage") || (chosen.length ? "" : t("Choose somebody first"));
  const all = chosen.length === people.length;
  const kinds = { deactivation: t("is to be deactivated"), deletion: t("is to be removed") };
  return html`<${Card} plain kind="danger" title=${tn(people.length, "{n} removal waits for you", "{n} removals wait for you")} lead=${t("The provider wanted more people out at once than you allow. They keep their access until you decide.")}
    footer=${html`<${Button} kind="plain" onClick=${() => pick(all ? [] : people.map((one) => one.user_id))}>${all ? t("Choose none") : t("Choose all")}<//><${Button} why=${why} onClick=${() => decide(false)}>${t("Let them stay…")}<//><${Button} kind="danger" why=${why} onClick=${() => decide(true)}>${t("Carry it out…")}<//>`}>
    <ul class="lines">${people.map((one) => html`<li key=${one.user_id}><${Check} flat label=${html`<span data-name>${one.name}</span>`} note=${`${one.email} · ${ROLES()[one.role]} · ${kinds[one.kind]}`} checked=${picked.includes(one.user_id)} onChange=${flip(one.user_id)} /><small class="quiet"><${When} at=${one.asked_at} /></small></li>`)}</ul><//>`;
}

function Decide({ people, approve, onClose }) {
  const act = async (options) => {
    const { data } = await post("/v1/provisioning/removals/decisions", { user_ids: people.map((one) => one.user_id), approve }, options);
    if (data.refused.length) say(tn(data.refused.length, "{n} couldn't be carried out: an organization keeps its last admin.", "{n} couldn't be carried out: an organization keeps its last admin."));
    else say(approve ? tn(data.done.length, "{n} removal is carried out.", "{n} removals are carried out.") : tn(data.done.length, "{n} person stays.", "{n} people stay."));
  };
  const names = people.slice(0, SHOWN).map((one) => one.name).join(", ");
  return html`<${Confirm} title=${approve ? tn(people.length, "Take {n} person out?", "Take {n} people out?") : tn(people.length, "Let {n} person stay?", "Let {n} people stay?")} verb=${approve ? t("Carry it out") : t("Let them stay")} danger=${approve} act=${act} onClose=${onClose}>
    <p data-name>${names}${people.length > SHOWN ? " …" : ""}</p><p>${approve ? t("Their sessions end within a second. Who is deactivated can come back; who is removed needs a new invitation.") : t("They stay active, to the provider as well. It may ask again.")}</p><//>`;
}

function Tokens({ list, open, close }) {
  const url = `${location.origin}/scim/v2`;
  const shown = (token) => {
    list.reload();
    open(html`<${Token} token=${token} onClose=${close} />`);
  };
  const full = (list.rows?.length ?? 0) >= MOST_TOKENS;
  const why = whyNot("scim_tokens.create") || (full ? t("There are two already: revoke the older one first.") : "");
  const making = html`<${Button} kind=${list.rows?.length ? "" : "primary"} icon="plus" why=${why} onClick=${() => open(html`<${Make} shown=${shown} second=${list.rows?.length > 0} onClose=${close} />`)}>${list.rows?.length ? t("Make the next token…") : t("Make a token…")}<//>`;
  const columns = [
    { key: "name", label: t("Name"), cell: (one) => html`<b data-name>${one.name}</b><div class="small quiet">${t("ends in {hint}", { hint: one.hint })}</div>` },
    { key: "used", label: t("Last request"), cell: (one) => (one.last_used_at ? html`<${Badge} kind="ok" icon="check"><${When} at=${one.last_used_at} /><//>${one.last_used_ip ? html`<div class="small quiet">${one.last_used_ip}</div>` : null}` : html`<${Badge} kind="warn" icon="clock">${t("none yet")}<//>`) },
    { key: "made", label: t("Created"), secondary: true, cell: (one) => html`<${When} at=${one.created_at} />` },
    { key: "act", label: t("Actions"), act: true, cell: (one) => html`<${Act} icon="close" kind="danger" why=${whyNot("scim_tokens.edit")} name=${t("Revoke the token {name}", { name: one.name })} onClick=${() => open(html`<${Revoke} token=${one} only=${list.rows.length === 1} onClose=${close} />`)}>${t("Revoke…")}<//>` },
  ];
  return html`<${Card} plain title=${t("Where the provider connects")} lead=${t("Okta calls it the connector base URL, Microsoft Entra ID the tenant URL. A token opens it and nothing else.")} footer=${list.rows?.length ? making : null}>
    <div class="body"><dl class="record"><dt>${t("Base URL")}</dt><dd><code>${url}</code></dd><dd><${Copy} text=${url} label=${t("Copy the base URL")} /></dd></dl></div>
    <${Table} label=${t("Tokens")} list=${list} columns=${columns} empty=${html`<${Empty} icon="key" title=${t("No token yet")} action=${making}>${t("The provider shows it with each request.")}<//>`} />
    ${full ? html`<div class="body"><p class="small quiet">${t("Two tokens work side by side, so that the provider can change over. When the newer one is in use, revoke the older.")}</p></div>` : null}<//>`;
}

function Make({ shown, second, onClose }) {
  const [name, setName] = useState("");
  const sending = useSend(async (body, options) => shown((await post("/v1/scim-tokens", body, options)).data));
  const why = name.trim() ? "" : t("Type a name first");
  return html`<${Dialog} title=${second ? t("Make the next token") : t("Make a token")} onClose=${() => onClose(false)} onSubmit=${() => why || sending.run({ name: name.trim() })}
    footer=${html`<${Button} onClick=${() => onClose(false)}>${t("Cancel")}<//><${Submit} sending=${sending} why=${why}>${t("Make and show the token")}<//>`}>
    ${second ? html`<p class="quiet">${t("The present one goes on working until you revoke it.")}</p>` : null}
    <${Field} label=${t("Name")} name="name" maxlength="80" value=${name} onInput=${setName} wrong=${sending.wrong("name")} hint=${t("Such as the provider's name. All admins get a mail.")} /><${FormError} sending=${sending} fields=${["name"]} /><//>`;
}

function Token({ token, onClose }) {
  return html`<${ShownOnce} title=${t("The token of {name}", { name: token.name })} secret=${token.token} copy=${t("Copy the token")} onClose=${onClose} lead=${t("Paste it at your provider, as the bearer token. It is shown only now, and has no end.")}
    again=${t("Close once more to go on without it. You can revoke it and make another.")} />`;
}

function Revoke({ token, only, onClose }) {
  const act = async (options) => {
    await remove(`/v1/scim-tokens/${token.id}`, options);
    say(t("The token {name} is revoked.", { name: token.name }));
  };
  return html`<${Confirm} title=${t("Revoke the token {name}?", { name: token.name })} verb=${t("Revoke the token")} danger act=${act} onClose=${onClose}>
    <p>${token.last_used_at ? t("Last used {when}.", { when: ago(token.last_used_at) }) : t("It was never used.")}</p><p>${only ? t("The provider can't reach you any more. People and groups stay as they are, and nobody is taken out when they leave.") : t("Requests with it are refused at once; the other token goes on working.")}</p><//>`;
}

function Settings({ data, etag, reload }) {
  const [role, setRole] = useState(data.default_role);
  const [most, setMost] = useState(String(data.removals_per_hour));
  const number = /^\d{1,6}$/.test(most) ? Number(most) : null;
  const changed = { ...(role === data.default_role ? {} : { default_role: role }), ...(number === data.removals_per_hour || number === null ? {} : { removals_per_hour: number }) };
  const dirty = Object.keys(changed).length > 0;
  useGuard(dirty, () => t("Leave without saving your changes?"));
  const sending = useSend(async (body, options) => {
    await patch("/v1/provisioning", body, { ...options, etag });
    say(t("The settings are saved."));
    reload();
  });
  const why = whyNot("provisioning.manage") || (number === null ? t("Type a whole number first") : dirty ? "" : t("Nothing is changed yet"));
  const send = (event) => {
    event.preventDefault();
    if (!why) sending.run(changed);
  };
  const stale = sending.error?.code === "precondition_failed";
  return html`<form novalidate onSubmit=${send}><${Card} title=${t("What becomes of people")} footer=${html`<span class="small quiet" role="status">${dirty ? t("Unsaved changes") : ""}</span><${Submit} sending=${sending} kind="" why=${why}>${t("Save")}<//>`}>
    <div class="stack">${stale ? html`<${Notice} kind="warn" icon="warn" title=${t("Somebody else changed this meanwhile")} role="alert"><${Button} onClick=${reload}>${t("Show what is there now")}<//><//>` : html`<${FormError} sending=${sending} fields=${["default_role", "removals_per_hour"]} />`}
    <div class="columns"><${Choices} legend=${t("New people start as")} wrong=${sending.wrong("default_role")} value=${role} onInput=${setRole} options=${[["viewer", t("Viewer"), t("Sees what is shared with them.")], ["analyst", t("Analyst"), t("Builds and shares dashboards. Uses an author slot.")]]} />
      <${Field} label=${t("At most so many removals within an hour")} name="removals_per_hour" inputmode="numeric" maxlength="6" value=${most} onInput=${setMost} wrong=${sending.wrong("removals_per_hour")} hint=${t("Beyond that they wait for an admin, and all admins get a mail: a slip at the provider shuts nobody out.")} /></div>
    <p class="small quiet">${t("The provider makes nobody an admin; give that role by hand.")}</p></div><//></form>`;
}
