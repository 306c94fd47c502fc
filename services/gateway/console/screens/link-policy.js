// What the organization allows of its sharing links, and what another policy would do to those that there are.
import { get, patch, post } from "../lib/api.js";
import { html, useState } from "../lib/dom.js";
import { day, t, tn } from "../lib/i18n.js";
import { whyNot } from "../lib/may.js";
import { say, useLoad } from "../lib/state.js";
import { Button, Card, Icon, Loaded, Notice, useResting } from "../ui/basics.js";
import { Check, Field, FormError, Submit, useSend } from "../ui/forms.js";
import { Dialog } from "../ui/overlays.js";

const LONGEST_DAYS = 3650;
const USUAL_DAYS = 90;

/** The policy in a sentence each. */
function inWords(policy) {
  if (!policy.links_allowed) return [["lock", t("No link opens, and none can be made.")]];
  return [
    policy.password_required ? ["lock", t("Only links with a password open.")] : ["globe", t("Links open with or without a password.")],
    policy.longest_days ? ["clock", tn(policy.longest_days, "A link opens for {n} day after it got its token.", "A link opens for {n} days after it got its token.")] : ["clock", t("A link opens as long as it says itself.")],
  ];
}

export function LinkPolicy({ admin, open, changed }) {
  const found = useLoad(() => get("/v1/links/policy"), "policy");
  const close = (done) => {
    open(null);
    if (!done) return;
    found.reload();
    changed();
  };
  const change = admin ? html`<${Button} why=${whyNot("links.restrict") || (found.busy ? t("Loading…") : "")} onClick=${() => open(html`<${ChangePolicy} policy=${found.data} etag=${found.etag} onClose=${close} />`)}>${t("Change the policy…")}<//>` : null;
  return html`<${Card} title=${t("Link policy")}><${Loaded} from=${found} lines=${2}>${(policy) => html`<div class="row spread"><ul class="impact">${inWords(policy).map(([icon, text]) => html`<li key=${text}><${Icon} name=${icon} /><span>${text}</span></li>`)}</ul>${change}</div>`}<//><//>`;
}

function ChangePolicy({ policy: opened, etag: openedAt, onClose }) {
  const [again, setAgain] = useState(null);
  const { data: policy, etag } = again ?? { data: opened, etag: openedAt };
  const [given, set] = useState({ links_allowed: policy.links_allowed, password_required: policy.password_required, limited: policy.longest_days !== null, days: String(policy.longest_days ?? USUAL_DAYS) });
  const change = (name) => (value) => set((was) => ({ ...was, [name]: value }));
  const days = Number(given.days);
  const wrong = given.limited && !(Number.isInteger(days) && days >= 1 && days <= LONGEST_DAYS) ? t("Between 1 and {n}.", { n: LONGEST_DAYS }) : "";
  const wanted = { links_allowed: given.links_allowed, password_required: given.password_required, longest_days: given.limited ? days : null };
  const same = Object.entries(wanted).every(([name, value]) => policy[name] === value);
  const key = useResting(wrong || same ? "" : JSON.stringify(wanted), 200);
  const preview = useLoad(async () => (key ? post("/v1/links/policy-preview", JSON.parse(key)) : { data: null }), key);
  const sending = useSend(async (body, options) => {
    await patch("/v1/links/policy", body, { ...options, etag });
    say(t("The link policy is changed."));
    onClose(true);
  });
  const look = async () => {
    const now = await get("/v1/links/policy");
    setAgain(now);
    sending.forget();
  };
  const stale = sending.error?.code === "precondition_failed";
  const ready = preview.data && !preview.busy && !preview.error && key === JSON.stringify(wanted);
  const why = wrong || (same ? t("Nothing is changed yet") : ready ? "" : t("The consequences are being worked out"));
  return html`<${Dialog} title=${t("Link policy")} onClose=${() => onClose(false)} onSubmit=${() => why || sending.run(wanted)}
    footer=${html`<${Button} onClick=${() => onClose(false)}>${t("Cancel")}<//><${Submit} sending=${sending} why=${why} kind=${preview.data?.closing ? "primary danger" : "primary"}>${t("Save")}<//>`}>
    ${stale ? html`<${Notice} kind="warn" icon="warn" title=${t("Somebody else changed this meanwhile")} role="alert"><${Button} onClick=${look}>${t("Show what is there now")}<//><//>` : html`<${FormError} sending=${sending} fields=${["longest_days"]} />`}
    <p class="quiet">${t("It holds for every link at every opening, those of before too, and on any plan. No link is rewritten: what it closes opens again as it was when the policy lets it.")}</p>
    <div class="choices"><${Check} flat label=${t("Allow sharing links")} note=${t("Without it none opens, and none can be made.")} checked=${given.links_allowed} onChange=${change("links_allowed")} />
      <${Check} flat label=${t("Only with a password")} note=${t("Links without one open for nobody until they get one.")} checked=${given.password_required} onChange=${change("password_required")} />
      <${Check} flat label=${t("Only for so many days")} note=${t("Counted from when a link got the token that it has; a new token begins anew.")} checked=${given.limited} onChange=${change("limited")} /></div>
    ${given.limited ? html`<${Field} label=${t("Days at most")} name="longest_days" type="number" min="1" max=${LONGEST_DAYS} value=${given.days} onInput=${change("days")} wrong=${wrong || sending.wrong("longest_days")} />` : null}
    <div role="status" aria-live="polite"><${Effects} preview=${preview} /></div><//>`;
}

function Effects({ preview }) {
  if (preview.error) return html`<${Notice} kind="danger" icon="warn" title=${preview.error.message}>${preview.error.detail}<//>`;
  const found = preview.data;
  if (!found) return null;
  const parts = [
    ["closes", found.closing, "warn", "lock", tn(found.closing, "{n} link closes at once", "{n} links close at once")],
    ["ends_sooner", found.ending_sooner, "", "clock", tn(found.ending_sooner, "{n} link ends sooner than now", "{n} links end sooner than now")],
    ["opens", found.opening, "accent", "globe", tn(found.opening, "{n} link opens again", "{n} links open again")],
  ].filter(([, count]) => count);
  if (!parts.length) return html`<${Notice} kind="ok" icon="check" title=${t("No link that there is opens more or less by it")} />`;
  return html`<div class="stack tight">${parts.map(([effect, count, kind, icon, title]) => {
    const named = found.links.filter((one) => one.effect === effect);
    return html`<${Notice} key=${effect} kind=${kind} icon=${icon} title=${title}><ul class="plain-list">${named.map((one) => html`<li key=${one.id}><span data-name>${one.dashboard_title}</span> · <span data-name>${one.name}</span>${effect === "ends_sooner" ? html` <span class="quiet">${t("until {day}", { day: day(one.ends_at) })}</span>` : null}</li>`)}</ul>
      ${count > named.length ? html`<p class="quiet">${tn(count - named.length, "and {n} more", "and {n} more")}</p>` : null}<//>`;
  })}</div>`;
}
