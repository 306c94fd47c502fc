// What happened, as a sentence: one for every kind of entry, and the words of its type for kinds that are newer than this page.
import { inWords } from "./events.js";
import { day, money, t, tn } from "./i18n.js";
import { ROLES } from "./may.js";

const SENTENCES = {
  "org.organization.created": "{who} founded {organization}",
  "org.organization.changed": "{who} changed the details of the organization: {fields}",
  "org.organization.closed": "{who} closed the organization",
  "org.organization.reopened": "{who} took the closing of the organization back",
  "org.domain.claimed": "{who} added the domain {name}",
  "org.domain.verified": "The domain {name} was proven",
  "org.domain.at_risk": "The proof of the domain {name} is gone from DNS",
  "org.domain.lapsed": "The domain {name} lapsed",
  "org.domain.removed": "{who} removed the domain {name}",
  "org.domain.suspended": "The plan {plan} suspended domains ({things})",
  "org.domain.resumed": "The plan {plan} brought domains back ({things})",
  "org.security_policy.changed": (d) => (d.policy?.two_factor_required ? "{who} made two-factor a must for everybody" : "{who} no longer asks everybody for two-factor"),
  "org.legal.accepted": (d) => (d.document === "terms" ? "{accepter} accepted the Terms & Conditions, version {version}" : "{accepter} accepted the Privacy Policy, version {version}"),
  "org.legal.dpa_accepted": "{accepter} accepted the Data Processing Amendment, version {version}",
  "org.legal.dpa_not_applicable": "{decider} said that the Data Processing Amendment doesn't apply",
  "org.invitation.sent": "{who} invited {name} as {role}",
  "org.invitation.resent": "{who} sent {name} the invitation again",
  "org.invitation.revoked": "{who} took back the invitation of {name}",
  "org.invitation.renewal_requested": "{name} asked for a new invitation",
  "org.invitation.expired": "The invitation of {name} expired",
  "org.invitation.accepted": "{name} accepted the invitation",
  "org.member.joined": "{name} joined as {role}",
  "org.member.role_changed": "{who} changed {name}'s role from {before} to {role}",
  "org.member.slot_suspended": "{name} lost the author slot and acts as Viewer",
  "org.member.slot_resumed": "{name} has an author slot again",
  "org.member.renamed": "{name} goes by a new name",
  "org.member.email_changed": "The address of {name} changed from {before} to {email}",
  "org.member.deactivated": "{who} deactivated {name}",
  "org.member.reactivated": "{who} reactivated {name}",
  "org.member.removed": (d, who) => (who.self ? "{name} left the organization" : "{who} removed {name} from the organization"),
  "org.member.approval_requested": "{name} signed in at the identity provider and waits for an admin",
  "org.member.approved": "{who} let {name} in",
  "org.member.declined": "{who} didn't let {name} in",
  "org.group.created": (d) => (d.group?.kind === "custom" ? "{who} created the group {name}" : "The group {name} was set up"),
  "org.group.changed": "{who} changed the group {name}: {fields}",
  "org.group.deleted": "{who} deleted the group {name}",
  "org.group.restored": "{who} restored the group {name}",
  "org.group.member_added": (d, who) => (who.self ? "{whom} joined the group {name}" : "{who} added {whom} to the group {name}"),
  "org.group.member_removed": (d, who) => (who.self ? "{whom} left the group {name}" : "{who} took {whom} out of the group {name}"),
  "org.group.suspended": "The plan {plan} suspended groups ({things})",
  "org.group.resumed": "The plan {plan} brought groups back ({things})",
  "org.group.handed_over": (d) => (d.managed_by === "provider" ? "The identity provider manages the group {name} from now on" : "{who} manages the group {name} by hand again"),
  "org.provisioning.name_changed": "The identity provider gave {whom} the name {newName}",
  "org.provisioning.removal_held": "The removal of {whom} waits for an admin",
  "org.provisioning.removals_decided": (d) => ({ approved: "{who} approved removals of people ({people})", rejected: "{who} rejected removals of people ({people})" })[d.decision] ?? "The identity provider took removals of people back ({people})",
  "org.provisioning.changed": "{who} changed what the identity provider may do",
  "identity.user.registered": "{whom} opened an account",
  "identity.user.name_changed": "{before} is called {whom} now",
  "identity.user.language_changed": (d) => (d.language === "de" ? "{whom} wants to be written to in German" : "{whom} wants to be written to in English"),
  "identity.user.email_changed": "The sign-in address of {whom} changed from {before} to {email}",
  "identity.user.closed": "{whom} closed their account",
  "identity.password.changed": "{whom} set a new password",
  "identity.password.reset_sent": "{who} had {whom} mailed the link for a new password",
  "identity.session.started": "{whom} signed in",
  "identity.session.changed": (d) => ({ proven: "{whom} proved who they are once more", switched: "{whom} switched to this organization", entered: "{whom}, signed in already, came into this organization" })[d.reason] ?? "{whom} proved themselves anew or switched organization",
  "identity.session.ended": (d) => ENDS[d.reason] ?? "A session of {whom} ended",
  "identity.session.all_ended": (d) => (d.reason === "revoked_by_admin" ? "{who} ended all sessions of {whom}" : "All sessions of {whom} ended"),
  "identity.session.ended_in_organization": "{who} ended the sessions of {whom} in this organization",
  "identity.sign_in.failed": (d) => ({ throttled: "Sign-in as {whom} was locked after too many attempts", second_factor: "Somebody failed the second factor of {whom}", second_factor_locked: "The second factors of {whom} were locked after too many wrong codes", second_factor_frozen: "Somebody tried the frozen authenticator app of {whom}" })[d.reason] ?? "Somebody tried to sign in as {whom} with a wrong password",
  "identity.two_factor.enabled": (d) => (d.factor === "passkey" ? "{whom} added a passkey" : "{whom} set up an authenticator app"),
  "identity.two_factor.removed": (d) => (d.org_id ? "{who} removed the two-factor of {whom}" : "{whom} removed a second factor"),
  "identity.recovery_codes.renewed": "{whom} made new recovery codes",
  "identity.recovery_code.used": "{whom} signed in with a recovery code; {left} are left",
  "identity.api_key.created": "{who} created the API key {thing}",
  "identity.api_key.changed": "{who} changed the API key {thing}",
  "identity.api_key.rotated": "{who} gave the API key {thing} a new token",
  "identity.api_key.expired": "The API key {thing} expired",
  "identity.api_key.revoked": "{who} revoked the API key {thing}",
  "identity.api_key.suspended": "API keys were suspended ({things})",
  "identity.api_key.resumed": "API keys work again ({things})",
  "identity.scim_token.created": "{who} created the SCIM token {thing}",
  "identity.scim_token.revoked": "{who} revoked the SCIM token {thing}",
  "identity.sso_connection.created": "{who} began to set up single sign-on “{name}”",
  "identity.sso_connection.changed": "{who} changed single sign-on “{name}”: {fields}",
  "identity.sso_connection.verified": "{who} verified single sign-on “{name}”",
  "identity.sso_connection.activated": "{who} activated single sign-on “{name}”",
  "identity.sso_connection.switched_off": "{who} switched single sign-on “{name}” off",
  "identity.sso_connection.suspended": "The plan {plan} froze the configuration of single sign-on",
  "identity.sso_connection.resumed": "The plan {plan} includes single sign-on again",
  "identity.sso_connection.removed": "{who} removed single sign-on “{name}”",
  "identity.sso_enforcement.changed": (d) => (d.enforced ? "{who} made single sign-on the only way in" : "{who} allowed passwords again beside single sign-on"),
  "identity.sso_sign_in.failed": "A sign-in at the identity provider failed",
  "identity.sso_identity.linked": "{whom} signs in at the identity provider from now on",
  "identity.sso_identity.unlinked": "{who} unlinked {whom} from the identity provider",
  "identity.sso_user.arrived": "{whom} came by the identity provider",
  "identity.break_glass.asked": "{whom} asked for an emergency sign-in",
  "identity.break_glass.used": "{whom} used the emergency sign-in",
  "sharing.dashboard.registered": "{who} registered the dashboard {name}",
  "sharing.dashboard.changed": "{who} changed the dashboard {name}: {fields}",
  "sharing.dashboard.removed": "{who} removed the dashboard {name}",
  "sharing.dashboard.shared": (d) => ({ nobody: "{who} stopped sharing {name}", all_users: "{who} shared {name} with all users", all_analysts: "{who} shared {name} with all analysts" })[d.shared_with?.mode] ?? "{who} shared {name} with {groups}",
  "sharing.dashboard.transferred": "{who} handed {name} over from {previousOwner} to {owner}",
  "sharing.embed_secret.reset": (d, who) => (d.first || who.system ? "The first embed secret was made" : "{who} reset the embed secret"),
  "sharing.embed_secret.expired": "An old embed secret expired",
  "sharing.embed_secret.revoked": "{who} revoked an embed secret",
  "sharing.embed_secret.revealed": "{who} looked at the embed secret",
  "sharing.embed_token.refused": "A viewer was refused at a sharing link",
  "sharing.link.created": "{who} created the sharing link “{link}”",
  "sharing.link.changed": "{who} changed the sharing link “{link}”: {fields}",
  "sharing.link.token_rotated": "{who} gave the sharing link “{link}” a new address",
  "sharing.link.removed": "{who} removed the sharing link “{link}”",
  "sharing.link.suspended": (d) => (d.cause === "plan" ? "The plan no longer includes sharing links: none opens" : "{who} switched all sharing links off"),
  "sharing.link.resumed": (d) => (d.cause === "plan" ? "The plan includes sharing links again" : "{who} allowed sharing links again"),
  "billing.subscription.started": "The organization began on the plan {plan}",
  "billing.subscription.plan_changed": "{who} changed the plan from {before} to {plan}",
  "billing.subscription.change_scheduled": "{who} scheduled the change to the plan {nextPlan}",
  "billing.subscription.change_cancelled": "{who} called off the change to the plan {nextPlan}",
  "billing.subscription.renewed": "The plan {plan} was renewed",
  "billing.subscription.moved": "The plan {plan} moved to a newer version of the catalogue",
  "billing.subscription.past_due": "An invoice is overdue",
  "billing.subscription.recovered": "Nothing is overdue any more",
  "billing.subscription.lapsed": "The plan lapsed, because an invoice stayed unpaid",
  "billing.trial.started": "{who} began a trial of the plan {plan}",
  "billing.trial.ending": "The trial of the plan {plan} ends soon",
  "billing.trial.ended": "The trial ended",
  "billing.entitlements.changed": "The plan {plan} set what can be used",
  "billing.override.granted": "An exception to the plan was granted: {entitlement}",
  "billing.override.ended": "An exception to the plan ended",
  "billing.invoice.issued": "The invoice {name} over {total} was issued",
  "billing.invoice.credited": "The credit note {name} over {total} was issued",
  "billing.invoice.paid": "The invoice {name} over {total} was paid",
  "billing.invoice.payment_failed": "The payment of the invoice {name} failed",
  "billing.payment_method.changed": "{who} changed the payment method",
  "billing.details.changed": "{who} changed whom invoices are addressed to",
  "courier.webhook.created": "{who} created the webhook to {name}",
  "courier.webhook.changed": "{who} changed the webhook to {name}",
  "courier.webhook.secret_rotated": "{who} gave the webhook to {name} a new secret",
  "courier.webhook.disabled": "The webhook to {name} was switched off, because it kept failing",
  "courier.webhook.redelivered": "{who} sent events to the webhook {name} again",
  "courier.webhook.tested": "{who} sent a test to the webhook {name}",
  "courier.webhook.deleted": "{who} deleted the webhook to {name}",
  "courier.address.found_dead": "Mail to {address} came back",
  "courier.address.released": "{who} said that {address} receives mail again",
  "identity.passkey.renamed": "{whom} called a passkey {newName}",
  "identity.scim_token.resumed": "SCIM tokens work again",
  "identity.scim_token.suspended": "SCIM tokens were suspended with the organization",
  "org.export.begun": "{who} began an export of users or of the organization",
  "sharing.export.begun": "{who} began an access review",
  "audit.export.begun": "{who} began an export of the audit log",
  "sharing.link_policy.changed": "{who} changed what is allowed of sharing links: {fields}",
};
const ENDS = {
  signed_out: "{whom} signed out",
  expired: "A session of {whom} expired",
  token_reused: "A session of {whom} ended: its token was used twice",
  provider_signed_out: "{whom} signed out at the provider",
  revoked_by_admin: "{who} ended a session of {whom}",
  member_deactivated: "A session of {whom} ended with the deactivation",
};
const BAD = /\.(refused|failed|payment_failed|found_dead)$/;

export const ACTIONS = Object.keys(SENTENCES);
export const bare = (type) => type.replace(/\.v\d+$/, "");

/** Who acted, in words: a person, a key, or the system itself. */
export function actorOf(entry) {
  const { actor, actor_id: id } = entry;
  if (actor?.name ?? actor?.email) return actor.name ?? actor.email;
  if (id?.startsWith("usr_")) return entry.people?.[id] ?? t("Somebody");
  if (id?.startsWith("key_")) return t("An API key");
  return bare(entry.action) === "identity.sign_in.failed" ? t("Somebody") : t("Tenantry");
}

const isPerson = (entry) => Boolean(entry.actor_id?.startsWith("usr_"));

/** What came of it in a word, when it came to nothing. */
export function resultOf(entry) {
  if (!BAD.test(bare(entry.action))) return null;
  return bare(entry.action).endsWith(".refused") ? t("Refused") : t("Failed");
}

/** How somebody had signed in, from the words of RFC 8176. */
export function provenBy(amr) {
  const names = { pwd: t("password"), otp: t("code"), hwk: t("passkey"), swk: t("passkey"), sso: t("single sign-on"), break_glass: t("emergency sign-in") };
  return (amr ?? []).map((one) => names[one]).filter(Boolean).join(" + ");
}

export function sentence(entry) {
  const type = bare(entry.action);
  const data = entry.data ?? {};
  if (type.endsWith(".action.refused")) return t("{who} was refused: {action}", { who: entry.people?.[data.user_id] ?? actorOf(entry), action: data.action });
  if (type.endsWith(".organization.erased")) return inWords(entry.action);
  const found = SENTENCES[type];
  if (!found) return `${actorOf(entry)}: ${inWords(entry.action)}${entry.target_name ? ` · ${entry.target_name}` : ""}`;
  const who = { self: entry.actor_id === (data.member?.user_id ?? data.user_id ?? entry.subject), system: !isPerson(entry) };
  return t(typeof found === "string" ? found : found(data, who), facts(entry, data));
}

function facts(entry, data) {
  const named = (id) => entry.people?.[id] ?? t("somebody");
  const role = data.member?.role ?? data.invitation?.role ?? data.approval?.role;
  const before = data.previous_role ? ROLES()[data.previous_role] : (data.previous_name ?? data.previous_email ?? plan(data.previous_plan));
  const whom = entry.people?.[data.user_id ?? entry.subject] ?? data.person?.name ?? data.name ?? data.email ?? t("somebody");
  const groups = data.shared_with?.group_ids?.length ?? 0;
  return {
    who: actorOf(entry),
    name: entry.target_name ?? "–",
    whom,
    role: ROLES()[role] ?? role,
    before,
    organization: data.organization?.name,
    fields: fieldsOf(data),
    plan: data.entitlements?.plan_name ?? plan(data.plan ?? data.subscription?.plan),
    nextPlan: plan(data.change?.plan),
    things: (data.domain_ids ?? data.group_ids ?? data.key_ids ?? []).length,
    people: (data.user_ids ?? []).length,
    accepter: named(data.accepted_by),
    decider: named(data.decided_by),
    version: data.version,
    email: data.member?.email ?? data.person?.email,
    newName: data.name,
    left: data.left,
    thing: data.key?.name ?? data.name,
    groups: tn(groups, "{n} group", "{n} groups"),
    owner: named(data.dashboard?.owner_id),
    previousOwner: named(data.previous_owner_id),
    link: data.link?.name,
    entitlement: data.entitlement,
    total: data.invoice ? money(data.invoice.total) : "",
    address: data.address,
  };
}

const plan = (key) => (key ? key[0].toUpperCase() + key.slice(1) : key);
const fieldsOf = (data) => (data.changed ?? Object.keys(data.previous ?? {})).map(fieldName).join(", ");

/** A field of an event as people say it. */
export function fieldName(name) {
  const words = name.replace(/_/g, " ");
  return t(words[0].toUpperCase() + words.slice(1));
}

const STATES = ["organization", "group", "dashboard", "webhook", "link", "policy", "shared_with", "key", "member", "person", "subscription", "entitlements"];

/** What is different, field by field: `[name, before, after]`. */
export function changesIn(data) {
  const state = STATES.map((name) => data[name]).find((one) => one && typeof one === "object") ?? {};
  const told = data.previous && typeof data.previous === "object" ? data.previous : {};
  const now = data.shared_with ?? state;
  const rows = Object.keys(told).filter((name) => !same(told[name], now[name])).map((name) => [fieldName(name), shown(told[name]), shown(now[name])]);
  if (typeof data.previous === "boolean") rows.push([fieldName("enforced"), shown(data.previous), shown(data.enforced)]);
  for (const [name, value] of Object.entries(data)) {
    if (!name.startsWith("previous_")) continue;
    const field = name.slice("previous_".length);
    rows.push([fieldName(field.replace(/_id$/, "")), shown(value), shown(state[field] ?? data[field] ?? data.person?.[field])]);
  }
  return rows;
}

const same = (one, other) => JSON.stringify(one) === JSON.stringify(other);

function shown(value) {
  if (value === null || value === undefined || value === "") return "–";
  if (typeof value === "boolean") return value ? t("yes") : t("no");
  if (Array.isArray(value)) return value.length ? value.map(shown).join(", ") : "–";
  if (typeof value === "object") return JSON.stringify(value);
  return /^\d{4}-\d\d-\d\dT/.test(value) ? day(value) : String(value);
}
