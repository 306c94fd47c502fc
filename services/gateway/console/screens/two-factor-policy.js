// A second factor of everybody: whether the organization asks for one, from when on, and who has none yet.
import { get, patch } from "../lib/api.js";
import { html, useSignal, useState } from "../lib/dom.js";
import { day, t, tn } from "../lib/i18n.js";
import { whyNot } from "../lib/may.js";
import { me, refine, ROOT, route, say, useList, useLoad } from "../lib/state.js";
import { Badge, Button, Card, Loaded, Notice, Page, Person } from "../ui/basics.js";
import { Choices, Field, FormError, Select, Submit, useSend } from "../ui/forms.js";
import { Dialog } from "../ui/overlays.js";
import { Nothing, Table } from "../ui/table.js";

const DAY_MS = 86_400_000;
const FARTHEST_DAYS = 180;
const dateIn = (days) => new Date(Date.now() + days * DAY_MS).toISOString().slice(0, 10);

export function TwoFactorPolicy() {
  const who = useSignal(me);
  const [dialog, open] = useState(null);
  const policy = useLoad(() => get("/v1/security-policy"), "policy");
  const without = useLoad(() => get("/v1/security-policy/roster?two_factor=false&limit=1"), "without");
  const everybody = useLoad(() => get("/v1/security-policy/roster?limit=1"), "everybody");
  const close = (done) => {
    open(null);
    if (done) policy.reload();
  };
  const missing = without.data?.page.total ?? null;
  const all = everybody.data?.page.total ?? null;
  return html`<${Page} title=${t("Two-factor")} org=${who.organization.name} lead=${t("Whether everybody here has to show a second factor, and who has one.")}>
    <${Loaded} from=${policy} lines=${3}>${(rule) => html`<${Rule} rule=${rule} busy=${policy.busy} open=${() => open(html`<${Change} rule=${rule} etag=${policy.etag} missing=${missing} reload=${policy.reload} onClose=${close} />`)} />`}<//>
    ${all !== null && missing !== null ? html`<${Coverage} have=${all - missing} all=${all} />` : null}<${Roster} />${dialog}<//>`;
}

function Rule({ rule, busy, open }) {
  const past = rule.two_factor_deadline && new Date(rule.two_factor_deadline) <= Date.now();
  const badge = !rule.two_factor_required ? html`<${Badge}>${t("Not required")}<//>` : past ? html`<${Badge} kind="ok" icon="check">${t("Required")}<//>` : html`<${Badge} kind="accent" icon="clock">${t("Required from {day}", { day: day(rule.two_factor_deadline) })}<//>`;
  return html`<${Card} title=${t("Requirement")} footer=${html`<${Button} why=${whyNot("security_policy.manage") || (busy ? t("Loading…") : "")} onClick=${open}>${t("Change…")}<//>`}><div class="stack tight"><div class="row">${badge}</div>
    <p class="quiet">${rule.two_factor_required ? t("Who has none by then sets one up at the next sign-in, before anything else. Nobody loses their membership.") : t("Everybody decides for themselves.")}</p></div><//>`;
}

function Coverage({ have, all }) {
  const share = all ? Math.round((have / all) * 100) : 0;
  const words = t("{have} of {all} have a second factor", { have, all });
  return html`<div class="meter"><div class="row"><span>${words}</span><span class="quiet number">${share} %</span></div><div class="track" role="img" aria-label=${words}><div class="fill" style=${{ width: `${share}%` }}></div></div></div>`;
}

function Roster() {
  const { query } = useSignal(route);
  const chosen = ["true", "false"].includes(query.get("two_factor")) ? query.get("two_factor") : "";
  const list = useList(`/v1/security-policy/roster${chosen ? `?two_factor=${chosen}` : ""}`);
  const columns = [
    { key: "name", label: t("Name"), cell: (one) => html`<a class="name-link" href="${ROOT}/users/${one.id}"><${Person} name=${one.name} email=${one.email} /></a>` },
    { key: "has", label: t("Second factor"), cell: (one) => (one.two_factor ? html`<${Badge} kind="ok" icon="check">${t("On")}<//>` : html`<${Badge} kind="warn" icon="warn">${t("None")}<//>`) },
  ];
  return html`<${Card} plain><div class="toolbar"><${Select} slim hidden label=${t("Second factor")} value=${chosen} onInput=${(two_factor) => refine({ two_factor })} options=${[["", t("Everybody")], ["false", t("Without a second factor")], ["true", t("With a second factor")]]} /></div>
    <${Table} label=${t("Who has a second factor")} list=${list} columns=${columns} empty=${html`<${Nothing} filtered=${chosen} clear=${() => refine({ two_factor: "" })} icon="shield" title=${t("Nobody is here yet")} />`} /><//>`;
}

function Change({ rule, etag, missing, reload, onClose }) {
  const [required, setRequired] = useState(rule.two_factor_required ? "yes" : "no");
  const [date, setDate] = useState(rule.two_factor_deadline?.slice(0, 10) ?? dateIn(14));
  const wanted = required === "yes";
  const same = wanted === rule.two_factor_required && (!wanted || date === rule.two_factor_deadline?.slice(0, 10));
  const sending = useSend(async (body, options) => {
    await patch("/v1/security-policy", body, { ...options, etag });
    say(body.two_factor_required ? t("A second factor is required from {day} on.", { day: day(body.two_factor_deadline) }) : t("A second factor is no longer required."));
    onClose(true);
  });
  const body = () => (wanted ? { two_factor_required: true, two_factor_deadline: date <= dateIn(0) ? new Date().toISOString() : `${date}T00:00:00Z` } : { two_factor_required: false });
  const mine = wanted && !rule.two_factor_required && !me.value.session.amr.includes("mfa");
  const stale = sending.error?.code === "precondition_failed";
  const why = same ? t("Nothing is changed yet") : wanted && !date ? t("Choose a day first") : mine ? t("Sign in with a second factor of your own first.") : "";
  return html`<${Dialog} title=${t("Require a second factor?")} onClose=${() => onClose(false)} onSubmit=${() => why || sending.run(body())}
    footer=${html`<${Button} onClick=${() => onClose(false)}>${t("Cancel")}<//><${Submit} sending=${sending} why=${why}>${t("Save")}<//>`}>
    ${stale ? html`<${Notice} kind="warn" icon="warn" title=${t("Somebody else changed this meanwhile")} role="alert"><${Button} onClick=${() => (reload(), onClose(false))}>${t("Show what is there now")}<//><//>` : html`<${FormError} sending=${sending} fields=${["two_factor_required", "two_factor_deadline"]} />`}
    <${Choices} hidden legend=${t("Requirement")} wrong=${sending.wrong("two_factor_required")} value=${required} onInput=${setRequired} options=${[["no", t("Not required"), t("Everybody decides for themselves.")], ["yes", t("Required"), t("From a day on, nobody gets in without one.")]]} />
    ${mine ? html`<${Notice} kind="warn" icon="shield" title=${t("You have to go first")}><p>${t("Whoever asks others for a second factor has signed in with one. Set one up if you have none; then sign out, and in again.")}</p><a class="button" href="${ROOT}/me/security">${t("Security")}</a><//>` : null}
    ${wanted ? html`<${Field} label=${t("From this day on")} name="two_factor_deadline" type="date" min=${dateIn(0)} max=${dateIn(FARTHEST_DAYS - 1)} value=${date} onInput=${setDate} wrong=${sending.wrong("two_factor_deadline")} hint=${t("At most 180 days ahead. Until then people are reminded by mail.")} />
      ${missing ? html`<p class="small quiet">${tn(missing, "{n} person has no second factor yet", "{n} people have no second factor yet")}.</p>` : null}` : null}<//>`;
}
