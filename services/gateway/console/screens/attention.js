// What wants an admin's attention, by urgency, out of what the gateway answered: pure, nothing is asked here.
import { ago, day, t, tn } from "../lib/i18n.js";

const SOON_MS = 3 * 86_400_000;
const soon = (moment) => moment !== null && new Date(moment) - Date.now() < SOON_MS;

/** Items `{key, kind, icon, title, why, to, verb}`, the most urgent first. A fact that couldn't be asked makes no item. */
export function attention(facts) {
  return [...ofThePlan(facts), ...ofTheDomains(facts), ...ofTheSecrets(facts), ...ofTheTexts(facts), ...ofThePeople(facts)].sort((a, b) => RANK.indexOf(a.kind) - RANK.indexOf(b.kind));
}

const RANK = ["danger", "warn", "accent", ""];

function ofThePlan({ subscription: plan, organization }) {
  const found = [];
  if (plan?.past_due_since) found.push({ key: "due", kind: "danger", icon: "card", title: t("A payment is due"), why: plan.grace_ends_at ? t("Without it the plan becomes Free on {day}.", { day: day(plan.grace_ends_at) }) : t("An invoice isn't paid."), to: "/billing", verb: t("To the invoices") });
  if (plan?.status === "trialing") found.push({ key: "trial", kind: soon(plan.trial_ends_at) ? "warn" : "accent", icon: "clock", title: t("The trial ends {when}", { when: ago(plan.trial_ends_at) }), why: t("What only the trial allows is suspended then; nothing is deleted."), to: "/billing", verb: t("Choose a plan") });
  if (plan?.scheduled_change) found.push({ key: "change", kind: "accent", icon: "card", title: t("{plan} from {day}", { plan: plan.scheduled_change.plan_name, day: day(plan.scheduled_change.effective_at) }), why: t("Until then everything stays as it is."), to: "/billing", verb: t("Look at the plan") });
  for (const [kind, label] of [["author", t("Author slots")], ["viewer", t("Viewer slots")]]) {
    const slots = organization?.slots[kind];
    if (slots && slots.limit !== null && slots.used > slots.limit) found.push({ key: kind, kind: "warn", icon: "users", title: t("{label}: {used} of {limit}", { label, ...slots }), why: t("Who is over the limit acts as a viewer until there is room."), to: "/billing", verb: t("Look at the plan") });
  }
  return found;
}

function ofTheDomains({ domains = [] }) {
  return domains.flatMap((one) => {
    const item = { key: one.id, icon: "globe", to: `/domains/${one.id}`, verb: t("Look at the domain") };
    if (one.status === "at_risk") return [{ ...item, kind: "danger", title: t("The record of {domain} is missing in DNS", { domain: one.display_name }), why: t("The domain lapses on {day} unless the record comes back.", { day: day(one.lapses_at) }) }];
    if (one.status === "lapsed") return [{ ...item, kind: "warn", title: t("{domain} has lapsed", { domain: one.display_name }), why: t("Nobody new can be invited there.") }];
    if (one.status === "claimed" && one.expires_at) return [{ ...item, kind: soon(one.expires_at) ? "warn" : "accent", title: t("{domain} waits for its proof", { domain: one.display_name }), why: t("The claim ends {when}.", { when: ago(one.expires_at) }) }];
    return [];
  });
}

function ofTheSecrets({ secrets = [] }) {
  return secrets.filter((one) => one.state === "expiring" && one.last_used_at).map((one) => ({
    key: one.id, kind: "warn", icon: "key", title: t("An old embed secret ends {when}", { when: ago(one.expires_at) }), why: t("It was used {when}: whoever uses it shows nothing from then on.", { when: ago(one.last_used_at) }), to: "/embed-secret", verb: t("Look at the secrets"),
  }));
}

function ofTheTexts({ documents = [], dpa }) {
  const waiting = documents.filter((one) => one.awaits_answer && one.kind !== "dpa");
  const found = waiting.map((one) => ({ key: one.id, kind: "warn", icon: "scale", title: t("{title} wants your answer", { title: one.title }), why: t("Version {version} is new.", { version: one.version }), to: "/legal", verb: t("Read and accept") }));
  if (dpa?.awaits_answer) found.push({ key: "dpa", kind: "accent", icon: "scale", title: t("The Data Processing Amendment is open"), why: t("Accept it, or say why it doesn't apply to you."), to: "/legal", verb: t("Decide") });
  return found;
}

function ofThePeople({ pending = [], waiting, without, policy, mine, held }) {
  const found = [];
  if (waiting) found.push({ key: "waiting", kind: "warn", icon: "users", title: tn(waiting, "{n} person waits to be let in", "{n} people wait to be let in"), why: t("They have signed in at your provider, and see nothing until an admin lets them in."), to: "/users?status=pending", verb: t("Decide") });
  if (held) found.push({ key: "held", kind: "danger", icon: "users", title: tn(held, "{n} removal waits for you", "{n} removals wait for you"), why: t("The provider wanted more people out at once than you allow."), to: "/provisioning", verb: t("Decide") });
  if (mine === false) found.push({ key: "mine", kind: "warn", icon: "shield", title: t("You have no second factor"), why: t("Whoever learns your password is an admin here."), to: "/me/security", verb: t("Set one up") });
  if (policy?.two_factor_required && without > 0) found.push({ key: "roster", kind: "warn", icon: "shield", title: tn(without, "{n} person has no second factor yet", "{n} people have no second factor yet"), why: t("They are asked to set one up from {day} on.", { day: day(policy.two_factor_deadline) }), to: "/two-factor", verb: t("See who") });
  const asking = pending.filter((one) => one.renewal_requested_at);
  const expired = pending.filter((one) => one.status === "expired" && !one.renewal_requested_at);
  const ending = pending.filter((one) => one.status === "open" && soon(one.expires_at));
  if (asking.length) found.push({ key: "asking", kind: "accent", icon: "mail", title: tn(asking.length, "{n} person asks for a new invitation", "{n} people ask for a new invitation"), why: asking.map((one) => one.email).slice(0, 3).join(", "), to: "/users?status=pending", verb: t("Send again") });
  if (expired.length) found.push({ key: "expired", kind: "", icon: "mail", title: tn(expired.length, "{n} invitation has expired", "{n} invitations have expired"), why: t("Nobody accepted in time."), to: "/users?status=pending", verb: t("Look at them") });
  if (ending.length) found.push({ key: "ending", kind: "", icon: "mail", title: tn(ending.length, "{n} invitation ends soon", "{n} invitations end soon"), why: t("Within three days."), to: "/users?status=pending", verb: t("Look at them") });
  return found;
}

/** The steps of setting up: `{key, title, why, done, to}`. */
export function steps({ dpa, domains = [], people, pending = [], mine, boards }) {
  return [
    { key: "mine", title: t("Set up a second factor for yourself"), why: t("An admin's account opens everything."), done: mine === true, to: "/me/security" },
    { key: "domain", title: t("Prove that your domain is yours"), why: t("With a record in DNS; then no one else can claim it."), done: domains.some((one) => ["verified", "at_risk"].includes(one.status)), to: "/domains" },
    { key: "invite", title: t("Invite your colleagues"), why: t("Admins and analysts build, viewers see."), done: people > 1 || pending.length > 0, to: "/users" },
    { key: "dpa", title: t("Decide on the Data Processing Amendment"), why: t("It takes two minutes, and gives you a receipt."), done: dpa ? dpa.status !== "undecided" : false, to: "/legal" },
    { key: "share", title: t("Share a first dashboard"), why: t("With everybody, or with a group."), done: boards > 0, to: "/sharing" },
  ];
}
