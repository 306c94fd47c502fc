// Single sign-on: the connections, what stands with each, how it is verified, activated and switched off.
import { get, post, put, remove } from "../lib/api.js";
import { html, useSignal, useState } from "../lib/dom.js";
import { day, t, tn } from "../lib/i18n.js";
import { useLive } from "../lib/live.js";
import { whyNot } from "../lib/may.js";
import { go, me, ROOT, route, say, useList, useLoad } from "../lib/state.js";
import { told } from "../lib/told.js";
import { Badge, Button, Card, Empty, Loaded, Notice, Page, When } from "../ui/basics.js";
import { FormError, useSend } from "../ui/forms.js";
import { Confirm } from "../ui/overlays.js";
import { PlanLock } from "../ui/plan-lock.js";
import { Table } from "../ui/table.js";
import { ChangeConnection, GroupsOfNewcomers, NewConnection } from "./sso-connection-form.js";
import { SetUp } from "./sso-set-up.js";
import { toDoAbout } from "./sso-steps.js";

const PROTOCOLS = { oidc: "OpenID Connect", saml: "SAML 2.0" };
const SHOWN_BY_NAME = 5;
const NEWCOMERS = () => ({ approval: t("Wait for an admin"), at_once: t("Start at once"), refused: t("Have to be invited") });

/** A connection's state as a badge, and in a sentence. */
function stateOf(one) {
  if (one.status === "active") return ["ok", "check", t("Active"), t("People of {domains} sign in there.", { domains: one.domains.join(", ") })];
  if (one.status === "verified") return ["accent", "clock", t("Verified"), t("It works, and nobody uses it yet: activate it.")];
  if (one.status === "off") return ["", "lock", t("Switched off"), t("People sign in with their passwords.")];
  return ["accent", "clock", t("Being set up"), t("It does nothing until it is verified and activated.")];
}

const HEALTH = () => ({
  certificate_expiring: t("A certificate of the provider expires soon. Import its metadata anew."),
  certificate_expired: t("The provider's certificate has expired. Import its metadata anew."),
  domain_lost: t("A domain isn't proven any more; nobody of it can sign in here."),
});

function State({ one }) {
  const [kind, icon, label] = stateOf(one);
  return html`<span class="row"><${Badge} kind=${kind} icon=${icon}>${label}<//>${one.health === "ok" ? null : html`<${Badge} kind="warn" icon="warn">${t("Needs attention")}<//>`}</span>`;
}

/** Who came in without the provider is told what this sign-in is good for. */
function Emergency() {
  const who = useSignal(me);
  if (!who.session.amr.includes("break_glass")) return null;
  return html`<${Notice} kind="warn" icon="warn" title=${t("You signed in without the provider")}><p>${t("Repair or switch off single sign-on here; everything else is closed. Then sign out, and sign in as usual.")}</p><//>`;
}

export function SingleSignOn() {
  const who = useSignal(me);
  const [dialog, open] = useState(null);
  const list = useLive(useList("/v1/sso-connections"), "identity.sso_connection");
  const columns = [
    { key: "name", label: t("Name"), cell: (one) => html`<a class="name-link" href="${ROOT}/sso/${one.id}">${one.name}</a>` },
    { key: "state", label: t("State"), cell: (one) => html`<${State} one=${one} />` },
    { key: "domains", label: t("Domains"), secondary: true, cell: (one) => one.domains.join(", ") || html`<span class="quiet">–</span>` },
    { key: "protocol", label: t("Protocol"), secondary: true, cell: (one) => PROTOCOLS[one.protocol] },
    { key: "success", label: t("Last sign-in"), secondary: true, cell: (one) => html`<${When} at=${one.last_success_at} />` },
  ];
  const add = html`<${Button} kind="primary" icon="plus" why=${whyNot("sso.manage")} onClick=${() => open(html`<${NewConnection} onClose=${() => open(null)} />`)}>${t("Set up a provider")}<//>`;
  return html`<${Page} title=${t("Single sign-on")} org=${who.organization.name} lead=${t("Your people sign in at your own identity provider.")} actions=${add}>
    <${Emergency} /><${PlanLock} action="sso.manage" title=${t("Single sign-on isn't in your plan")} />
    <${Card} plain><${Table} label=${t("Single sign-on")} list=${list} columns=${columns} empty=${html`<${Empty} icon="key" title=${t("No provider is set up")} action=${add}>${t("Prove a domain first; then connect the provider that its people sign in at.")}<//>`} /><//>
    ${list.rows?.some((one) => one.status === "active") ? html`<${Enforcement} />` : null}${dialog}<//>`;
}

function Enforcement() {
  const [dialog, open] = useState(null);
  const found = useLoad(() => get("/v1/sso-enforcement"), "enforcement");
  const set = (enforced) => open(html`<${Confirm} title=${enforced ? t("Refuse passwords?") : t("Let people use passwords too?")} verb=${enforced ? t("Refuse passwords") : t("Allow passwords")} danger=${enforced}
    act=${async (options) => { await put("/v1/sso-enforcement", { enforced }, { ...options, etag: found.etag }); say(enforced ? t("Passwords are refused from now on.") : t("Passwords work beside the provider.")); }}
    onClose=${(done) => { open(null); if (done) found.reload(); }}>${enforced ? html`<${Impact} impact=${found.data.impact} />` : html`<p>${t("People of the domains can sign in either way.")}</p>`}<//>`);
  return html`<${Card} title=${t("Passwords beside the provider")}><${Loaded} from=${found} lines=${2}>${({ enforced }) => html`<div class="row spread"><p>${enforced ? t("Refused: people of the domains sign in at the provider alone.") : t("Allowed: people of the domains use either.")}</p>
    <${Button} why=${whyNot("sso.switch_off") || (found.busy ? t("Loading…") : "")} onClick=${() => set(!enforced)}>${enforced ? t("Allow passwords…") : t("Refuse passwords…")}<//></div>`}<//>${dialog}<//>`;
}

/** Whom it concerns that passwords are refused. */
function Impact({ impact }) {
  const rest = impact.never_signed_in - Math.min(SHOWN_BY_NAME, impact.data.length);
  return html`<p>${tn(impact.people, "{n} person of the domains signs in at the provider alone.", "{n} people of the domains sign in at the provider alone.")}</p>
    ${impact.never_signed_in ? html`<${Notice} kind="warn" icon="warn" title=${tn(impact.never_signed_in, "{n} has never signed in there", "{n} have never signed in there")}><ul>${impact.data.slice(0, SHOWN_BY_NAME).map((one) => html`<li>${one.name} · ${one.email}</li>`)}</ul>${rest > 0 ? html`<p>${tn(rest, "and {n} more", "and {n} more")}</p>` : null}<//>` : null}`;
}

export function ConnectionPage({ id }) {
  const who = useSignal(me);
  const { query } = useSignal(route);
  const [dialog, open] = useState(null);
  const found = useLoad(() => get(`/v1/sso-connections/${id}`), id);
  const attempts = useLoad(() => get(`/v1/sso-connections/${id}/login-attempts`), id);
  const verifying = useSend(async (options) => location.assign((await post(`/v1/sso-connections/${id}/verification`, undefined, options)).data.url));
  const done = (changed) => {
    open(null);
    if (changed) found.reload();
  };
  const gone = (removed) => {
    open(null);
    if (removed) go("/sso");
  };
  const failed = query.get("failed");
  return html`<${Page} title=${found.data?.name ?? t("Single sign-on")} org=${who.organization.name} crumbs=${html`<a href="${ROOT}/sso">${t("Single sign-on")}</a>`}><${Emergency} />
    ${query.get("verified") ? html`<${Notice} kind="ok" icon="check" role="status" title=${t("The configuration works")}><p>${t("You signed in there with your own address.")}</p><//>` : null}
    ${failed ? html`<${Notice} kind="danger" icon="warn" role="alert" title=${t("The verification didn't succeed")}>${toDoAbout(failed) ? html`<p>${toDoAbout(failed)}</p>` : null}<p>${t("The newest of the attempts below says what exactly failed.")}</p><//>` : null}
    <${Loaded} from=${found}>${(one) => html`<${Standing} one=${one} verifying=${verifying} open=${open} done=${done} />
      ${one.status === "active" ? html`<${Attempts} attempts=${attempts} />` : null}
      <${SetUp} key=${found.etag} one=${one} reload=${found.reload} />
      ${one.status === "active" ? null : html`<${Attempts} attempts=${attempts} />`}
      <${Card} title=${t("Details")} footer=${html`<${Button} why=${whyNot("sso.manage")} onClick=${() => open("change")}>${t("Change it…")}<//>`}><dl class="facts"><${Fact} name=${t("Who is new")}>${NEWCOMERS()[one.new_users]}<//>
        ${one.new_users === "refused" ? null : html`<${Fact} name=${t("Their role")}>${one.default_role === "analyst" ? t("Analyst") : t("Viewer")}<//><${Fact} name=${t("Their groups")}><${GroupsOfNewcomers} ids=${one.group_ids} /><//>`}
        <${Fact} name=${t("Domains")}>${one.domains.join(", ") || "–"}<//><${Fact} name=${t("Protocol")}>${PROTOCOLS[one.protocol]}<//><${Fact} name=${t("Issuer")}>${one.issuer ?? "–"}<//>
        ${one.protocol === "saml" ? html`<${Fact} name=${t("Encrypted assertions")}>${one.encrypt_assertions ? t("Asked for in our metadata") : t("Taken, but not asked for")}<//><${Fact} name=${t("Sign-ins that begin at the provider")}>${one.allow_idp_initiated ? t("Allowed") : t("Refused")}<//>` : null}
        <${Fact} name=${t("Verified")}><${When} at=${one.verified_at} /><//><${Fact} name=${t("Activated")}><${When} at=${one.activated_at} /><//><${Fact} name=${t("Last sign-in")}><${When} at=${one.last_success_at} /><//>
        ${one.issuer ? html`<${Fact} name=${t("Signing out")}>${one.sign_out_url ? t("Also at the provider") : t("Here alone: the provider names no address for it")}<//>` : null}
        ${one.certificates.map((certificate) => html`<${Fact} name=${t("Certificate until")}>${day(certificate.expires_at)}<//>`)}</dl><//>
      ${one.status === "active" ? null : html`<${Card} kind="danger" title=${t("Danger zone")}><div class="row spread"><p class="quiet">${t("What was set up here is deleted. People keep their accounts.")}</p><${Button} kind="danger" why=${whyNot("sso.switch_off")} onClick=${() => open(html`<${RemoveConnection} one=${one} onClose=${gone} />`)}>${t("Remove it…")}<//></div><//>`}`}<//>${dialog === "change" ? html`<${ChangeConnection} one=${found.data} onClose=${done} />` : dialog}<//>`;
}

function RemoveConnection({ one, onClose }) {
  const act = async (options) => {
    await remove(`/v1/sso-connections/${one.id}`, options);
    say(t("{name} is removed.", { name: one.name }));
  };
  return html`<${Confirm} title=${t("Remove {name}?", { name: one.name })} verb=${t("Remove")} danger act=${act} onClose=${onClose}><p>${t("It can't be brought back; a new one can be set up.")}</p><//>`;
}

function Fact({ name, children }) {
  return html`<div><dt>${name}</dt><dd>${children}</dd></div>`;
}

function Standing({ one, verifying, open, done }) {
  const [kind, icon, label, sentence] = stateOf(one);
  const configured = Boolean(one.issuer);
  const verify = html`<${Button} kind=${one.status === "draft" ? "primary" : ""} busy=${verifying.busy} why=${whyNot("sso.manage") || (configured ? "" : t("Import what the provider says of itself first"))} onClick=${() => verifying.run()}>${t("Verify the configuration")}<//>`;
  const activate = ["verified", "off"].includes(one.status) ? html`<${Button} kind="primary" why=${whyNot("sso.manage") || (one.verified_at ? "" : t("Verify it first"))} onClick=${() => open(html`<${Activate} one=${one} onClose=${done} />`)}>${t("Activate…")}<//>` : null;
  const off = one.status === "active" ? html`<${Button} kind="danger" why=${whyNot("sso.switch_off")} onClick=${() => open(html`<${SwitchOff} one=${one} onClose=${done} />`)}>${t("Switch off…")}<//>` : null;
  return html`<${Card} footer=${html`${verify}${activate}${off}`}><div class="stack"><${Notice} kind=${kind} icon=${icon} title=${label}><p>${sentence}</p><//>
    ${one.health === "ok" ? null : html`<${Notice} kind="warn" icon="warn" title=${t("Needs attention")}><p>${HEALTH()[one.health]}</p><//>`}
    ${one.frozen ? html`<${Notice} kind="warn" icon="lock" title=${t("Single sign-on isn't in your plan")}><p>${t("What is active goes on; it can only be switched off.")}</p><//>` : null}
    <${FormError} sending=${verifying} /></div><//>`;
}

function Activate({ one, onClose }) {
  const preview = useLoad(() => get(`/v1/sso-connections/${one.id}/activation-preview`), one.id);
  const act = async (options) => {
    await post(`/v1/sso-connections/${one.id}/activation`, undefined, options);
    say(t("{name} is active.", { name: one.name }));
  };
  return html`<${Confirm} title=${t("Activate {name}?", { name: one.name })} verb=${t("Activate")} act=${act} onClose=${onClose} why=${preview.data ? "" : t("Loading…")}>
    <${Loaded} from=${preview} lines=${2}>${(impact) => html`<${Impact} impact=${impact} />`}<//><p class="quiet">${t("Who is signed in stays so until their session ends. All admins are told.")}</p><//>`;
}

function SwitchOff({ one, onClose }) {
  const act = async (options) => {
    await post(`/v1/sso-connections/${one.id}/deactivation`, undefined, options);
    say(t("{name} is switched off.", { name: one.name }));
  };
  return html`<${Confirm} title=${t("Switch off {name}?", { name: one.name })} verb=${t("Switch off")} danger act=${act} onClose=${onClose}>
    <ul class="impact"><li>${t("People of its domains sign in with a password again.")}</li><li>${t("Who has none sets one by “Forgot your password?”.")}</li><li>${t("All admins are told.")}</li></ul><//>`;
}

/** Why it failed, for an admin; in other languages what the step means is said where the cause has no code. */
function Cause({ attempt }) {
  const { cause, cause_code: code, cause_meta: facts, step } = attempt;
  const reach = code && facts.reach ? told([`reach:${facts.reach}`], "") : "";
  return html`<span>${told([`cause:${code}`, `attempt:${step}`], cause, facts)}${reach ? ` ${reach}` : ""}</span>`;
}

const STEPS = () => ({
  audience: t("whom the answer is for"),
  browser: t("the browser it began in"),
  certificate: t("the provider's certificate"),
  claims: t("what the answer holds"),
  connection: t("the connection"),
  destination: t("the address it was sent to"),
  discovery: t("what the provider publishes"),
  document: t("the SAML response"),
  domain: t("the domain"),
  email: t("the e-mail address"),
  encryption: t("the encryption"),
  exchange: t("the exchange of the code"),
  expiry: t("the time of the answer"),
  freshness: t("the fresh proof"),
  issuer: t("the issuer"),
  keys: t("the provider's keys"),
  metadata: t("the provider's metadata"),
  nonce: t("the nonce"),
  person: t("the person"),
  provider: t("the provider's own answer"),
  recipient: t("the recipient of the answer"),
  replay: t("the check for repeated answers"),
  request: t("the request it answers"),
  signature: t("the signature"),
  subject: t("the name of the person"),
  userinfo: t("what the provider says of the person"),
});
const PURPOSES = () => ({ sign_in: t("Sign-in"), verification: t("Verification"), proof: t("Fresh proof") });

function Attempts({ attempts }) {
  const columns = [
    { key: "at", label: t("When"), cell: (one) => html`<${When} at=${one.at} />` },
    { key: "what", label: t("Purpose"), cell: (one) => PURPOSES()[one.purpose] },
    { key: "step", label: t("Result"), cell: (one) => one.step === "done" ? html`<${Badge} kind="ok" icon="check">${t("Succeeded")}<//>` : html`<span class="stack tight"><${Badge} kind="danger" icon="warn">${t("Failed at: {step}", { step: STEPS()[one.step] ?? one.step })}<//><${Cause} attempt=${one} /></span>` },
    { key: "email", label: t("Address"), secondary: true, cell: (one) => one.email ?? html`<span class="quiet">–</span>` },
    { key: "trace", label: t("Trace"), secondary: true, cell: (one) => one.trace ? html`<code>${one.trace}</code>` : null },
  ];
  const list = { rows: attempts.data?.data, error: attempts.error, busy: attempts.busy, reload: attempts.reload, total: null, more: null };
  return html`<${Card} plain title=${t("The last sign-ins")} lead=${t("Up to twenty that came back from the provider, addresses masked.")}>
    <${Table} label=${t("The last sign-ins")} list=${list} columns=${columns} empty=${html`<${Empty} icon="log" title=${t("Nobody has come back from there yet")} />`} /><//>`;
}
