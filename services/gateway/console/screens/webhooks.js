// Webhooks: where events are sent, which ones, and what came of it.
import { patch, post, remove } from "../lib/api.js";
import { html, useState } from "../lib/dom.js";
import { day, t, tn } from "../lib/i18n.js";
import { whyNot } from "../lib/may.js";
import { can, say, useList } from "../lib/state.js";
import { told } from "../lib/told.js";
import { Badge, Button, Card, Empty, When } from "../ui/basics.js";
import { Check, Choices, Field, FormError, Submit, useSend } from "../ui/forms.js";
import { Confirm, Dialog, Menu } from "../ui/overlays.js";
import { PlanLock } from "../ui/plan-lock.js";
import { ShownOnce } from "../ui/shown-once.js";
import { Act, Table } from "../ui/table.js";

const FAMILIES = () => [
  ["org.member.*", t("Members")],
  ["org.invitation.*", t("Invitations")],
  ["org.group.*", t("User groups")],
  ["org.domain.*", t("Domains")],
  ["sharing.dashboard.*", t("Dashboards")],
  ["identity.session.*", t("Sign-ins and sessions")],
  ["billing.subscription.*", t("Subscription")],
  ["billing.invoice.*", t("Invoices")],
];
const named = (type) => FAMILIES().find(([key]) => key === type)?.[1] ?? type;

function State({ webhook }) {
  if (webhook.suspended) return html`<${Badge} kind="warn" icon="lock">${t("Suspended by the plan")}<//>`;
  const off = { failing: t("Switched off: it failed for too long"), gone: t("Switched off: nobody is there"), admin: t("Switched off") }[webhook.disabled_because];
  if (off) return html`<${Badge} kind=${webhook.disabled_because === "admin" ? "" : "danger"}>${off}<//>`;
  if (webhook.failing_since) return html`<${Badge} kind="warn" icon="warn">${t("Failing")}<//><div class="small quiet">${t("Fails since {day}", { day: day(webhook.failing_since) })}</div>`;
  return html`<${Badge} kind="ok" icon="check">${t("Active")}<//>`;
}

export function Webhooks() {
  const [dialog, open] = useState(null);
  const [fresh, setFresh] = useState(null);
  const list = useList("/v1/webhooks");
  const close = (done) => {
    open(null);
    if (done) list.reload();
  };
  const shown = (webhook) => {
    setFresh(webhook.id);
    list.reload();
    open(html`<${Secret} webhook=${webhook} onClose=${close} />`);
  };
  const testing = useSend(async (webhook, options) => {
    await post(`/v1/webhooks/${webhook.id}/tests`, undefined, options);
    say(t("A test event is on its way."));
    open(html`<${Deliveries} webhook=${webhook} onClose=${() => close(true)} />`);
  });
  const edit = whyNot("webhooks.edit");
  const show = (Part, one, given) => () => open(html`<${Part} webhook=${one} shown=${shown} onClose=${close} ...${given} />`);
  const adding = html`<${Button} icon="plus" why=${whyNot("webhooks.create")} onClick=${() => open(html`<${Add} shown=${shown} onClose=${close} />`)}>${t("Add a webhook")}<//>`;
  const columns = [
    { key: "url", label: t("Address"), cell: (one) => html`<b class="address" data-name>${one.url}</b><div class="small quiet">${one.description ? `${one.description} · ` : ""}${one.types.map(named).join(", ") || t("Everything")}</div>` },
    { key: "state", label: t("State"), cell: (one) => html`<${State} webhook=${one} />${one.waiting ? html`<div class="small quiet">${tn(one.waiting, "{n} waits", "{n} wait")}</div>` : null}` },
    { key: "made", label: t("Created"), secondary: true, cell: (one) => html`<${When} at=${one.created_at} />` },
    { key: "act", label: t("Actions"), act: true, cell: (one) => html`<${Menu} label=${t("Actions for {name}", { name: one.url })} items=${[
      { label: t("Deliveries…"), act: show(Deliveries, one) },
      { label: t("Send a test event"), why: edit || (one.enabled ? "" : t("Switch it on first.")), act: () => testing.run(one) },
      null,
      { label: one.enabled ? t("Switch off…") : t("Switch on…"), why: edit, act: show(Switch, one) },
      { label: t("Change the secret…"), why: edit, act: show(Rotate, one) },
      { label: t("Delete…"), danger: true, why: edit, act: show(Delete, one) },
    ]} />` },
  ];
  const locked = can("webhooks.create").because?.kind === "plan";
  return html`<${PlanLock} action="webhooks.create" title=${t("Webhooks aren't in your plan")}><p>${list.rows?.length ? t("The webhooks below get nothing until it includes them; they stay as they are.") : t("With one, your servers hear of every change as it happens.")}</p><//>
    <${FormError} sending=${testing} />
    <${Card} plain title=${t("Webhooks")} lead=${t("Events are sent to your servers as they happen, signed, and again for three days when they don't answer.")} footer=${list.rows?.length ? adding : null}>
    <${Table} label=${t("Webhooks")} list=${list} columns=${columns} fresh=${fresh} empty=${html`<${Empty} icon="link" title=${t("No webhooks yet")} action=${locked ? null : adding}>${t("Add one where a server of yours waits for events.")}<//>`} /><//>${dialog}`;
}

function Add({ shown, onClose }) {
  const [given, set] = useState({ url: "", description: "", which: "all", types: [] });
  const change = (name) => (value) => set((was) => ({ ...was, [name]: value }));
  const flip = (type) => (on) => change("types")(on ? [...given.types, type] : given.types.filter((one) => one !== type));
  const sending = useSend(async (body, options) => shown((await post("/v1/webhooks", body, options)).data));
  const some = given.which === "some";
  const why = !given.url.trim() ? t("Type the address first") : some && !given.types.length ? t("Choose what it hears of first") : "";
  const send = () => why || sending.run({ url: given.url.trim(), description: given.description.trim(), types: some ? given.types : [] });
  return html`<${Dialog} title=${t("Add a webhook")} onClose=${() => onClose(false)} onSubmit=${send}
    footer=${html`<${Button} onClick=${() => onClose(false)}>${t("Cancel")}<//><${Submit} sending=${sending} why=${why}>${t("Add and show the secret")}<//>`}>
    <${Field} label=${t("Address")} name="url" type="url" maxlength="2048" placeholder="https://" spellcheck="false" value=${given.url} onInput=${change("url")} wrong=${sending.wrong("url")} hint=${t("Begins with https://, and leads to a public host.")} />
    <${Field} label=${t("Description")} name="description" maxlength="200" value=${given.description} onInput=${change("description")} wrong=${sending.wrong("description")} hint=${t("What it is for. You may leave it empty.")} />
    <${Choices} legend=${t("What it hears of")} wrong=${sending.wrong("types")} value=${given.which} onInput=${change("which")} options=${[["all", t("Everything"), t("Every event of your organization.")], ["some", t("Some things"), t("Only what is chosen below.")]]} />
    ${some ? html`<div class="choices list" role="group" aria-label=${t("Which events")}>${FAMILIES().map(([key, label]) => html`<${Check} key=${key} flat label=${label} note=${html`<code>${key}</code>`} checked=${given.types.includes(key)} onChange=${flip(key)} />`)}</div>` : null}
    <${FormError} sending=${sending} fields=${["url", "description", "types"]} /><//>`;
}

function Secret({ webhook, onClose }) {
  return html`<${ShownOnce} title=${t("The signing secret")} secret=${webhook.secret} copy=${t("Copy the secret")} onClose=${onClose} lead=${t("Your server checks the signature of each event with it (Standard Webhooks). It is shown only now.")}
    again=${t("Close once more to go on without it. You can change the secret to get another.")} />`;
}

function Rotate({ webhook, shown, onClose }) {
  const act = async (options) => shown((await post(`/v1/webhooks/${webhook.id}/secret-rotations`, undefined, options)).data);
  return html`<${Confirm} title=${t("Change the signing secret?")} verb=${t("Change and show the secret")} act=${act} onClose=${(done) => done || onClose(false)}>
    <p>${t("Events are signed with a new secret at once, and for 24 hours with the present one as well.")}</p><//>`;
}

function Switch({ webhook, onClose }) {
  const on = !webhook.enabled;
  const act = (options) => patch(`/v1/webhooks/${webhook.id}`, { enabled: on }, options);
  return html`<${Confirm} title=${on ? t("Switch this webhook on?") : t("Switch this webhook off?")} verb=${on ? t("Switch the webhook on") : t("Switch the webhook off")} act=${act} onClose=${onClose}>
    <p>${on ? t("What waits for it is sent now.") : t("What happens meanwhile waits for it, for 30 days.")}</p><//>`;
}

function Delete({ webhook, onClose }) {
  const act = async (options) => {
    await remove(`/v1/webhooks/${webhook.id}`, options);
    say(t("The webhook is deleted."));
  };
  return html`<${Confirm} title=${t("Delete this webhook?")} verb=${t("Delete the webhook")} danger act=${act} onClose=${onClose}><p>${t("It and its log are gone for good. What waits is never sent.")}</p><//>`;
}

function Deliveries({ webhook, onClose }) {
  const list = useList(`/v1/webhooks/${webhook.id}/deliveries`, 25);
  const sending = useSend(async (one, options) => {
    await post(`/v1/webhooks/${webhook.id}/deliveries/${one.id}/retries`, undefined, options);
    say(t("It is sent again."));
    list.reload();
  });
  const states = { delivered: ["ok", t("Delivered")], waiting: ["accent", t("Waits")], failed: ["danger", t("Failed")] };
  const columns = [
    { key: "type", label: t("Event"), cell: (one) => html`<code>${one.type}</code><div class="small quiet"><${When} at=${one.occurred_at} /></div>` },
    { key: "state", label: t("State"), cell: (one) => html`<${Badge} kind=${states[one.state][0]}>${states[one.state][1]}<//><div class="small quiet">${tn(one.attempts, "{n} attempt", "{n} attempts")}</div>` },
    { key: "answer", label: t("Answer"), secondary: true, cell: (one) => one.status ?? (one.error ? told([`reach:${one.error_code}`], one.error) : html`<span class="quiet">–</span>`) },
    { key: "act", label: t("Actions"), act: true, cell: (one) => html`<${Act} icon="arrow" why=${one.state === "waiting" ? t("It waits to be sent already.") : whyNot("webhooks.edit")} name=${t("Send {type} again", { type: one.type })} onClick=${() => sending.run(one)}>${t("Send again")}<//>` },
  ];
  return html`<${Dialog} large title=${t("Deliveries")} onClose=${() => onClose(false)} footer=${html`<${Button} busy=${list.busy} onClick=${list.reload}>${t("Look again")}<//><${Button} kind="primary" onClick=${() => onClose(false)}>${t("Close")}<//>`}>
    <p class="small quiet"><code>${webhook.url}</code></p><${FormError} sending=${sending} />
    <${Table} label=${t("Deliveries")} list=${list} columns=${columns} empty=${html`<${Empty} icon="link" title=${t("Nothing was sent yet")}>${t("What happens from now on appears here.")}<//>`} /><//>`;
}
