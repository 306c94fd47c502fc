// What the server tells in English, in the language of the page: by its stable codes, with the names and numbers that come beside them.
import { day, language, listed, number, t, toTheMinute, word } from "./i18n.js";

// What the API says for programs, as a person at this page takes it.
const PLAIN = {
  "problem:factor_frozen": "Your authenticator app is frozen",
  "why:factor_frozen": "A hundred wrong codes came in a row, so none of its codes counts.",
  "help:factor_frozen": "Use a passkey or a recovery code, which makes the app count again; or ask an admin of your organization to remove your two-factor.",
  "why:second_factor_locked": "Until {until} no code and no passkey is looked at.",
  "help:second_factor_locked": "Then try again.",
  "help:challenge_ended": "Begin the sign-in again.",
  "help:csrf": "Load the page again.",
  "help:idempotency_key_required": "Load the page again.",
  "help:idempotency_key_reused": "Load the page again.",
  "help:insufficient_user_authentication": "Confirm that it's you, then do it again.",
  "help:invalid": "Each field says what is wrong with it.",
  "help:malformed_request": "Load the page again.",
  "help:managed_by_provider": "Change it there, or manage the group by hand from now on.",
  "help:method_not_allowed": "Load the page again.",
  "help:not_found": "It may have been removed meanwhile. Load the list again.",
  "help:organization_closed": "An admin can take the closing back.",
  "help:password_required": "Type the link's password.",
  "help:plan_required": "The smallest plan that includes it is {plan}. Change to it under Billing.",
  "help:precondition_failed": "Load it again, then make your change once more.",
  "help:precondition_required": "Load the page again.",
  "help:sso_required": "A password is no use there: begin with your e-mail address.",
  "help:two_factor_required": "Set one up under Security, in your account.",
  "help:unauthenticated": "Sign in, then try again.",
  "help:unsupported_media_type": "Load the page again.",
};
const DAY = /^\d{4}-\d\d-\d\d/;
const inCapitals = (text) => text[0].toUpperCase() + text.slice(1);

function shown(name, fact) {
  if (Array.isArray(fact)) return fact.length ? listed(fact.map((one) => shown(name, one)), name === "roles" ? "disjunction" : "conjunction") : null;
  if (typeof fact === "number") return number(fact);
  if (typeof fact !== "string" || !fact) return null;
  if (name === "role" || name === "roles") return t(inCapitals(fact));
  if (name === "plan" || name === "plans") return inCapitals(fact);
  if (name === "until") return toTheMinute(fact);
  return DAY.test(fact) ? day(fact) : fact;
}

/** A sentence with its facts, or null when one of them isn't there. */
function filled(text, facts) {
  let whole = true;
  const said = text.replace(/\{(\w+)\}/g, (_, name) => {
    const found = shown(name, facts[name]);
    whole &&= found !== null;
    return found;
  });
  return whole ? said : null;
}

/** The words of the page for the first of `codes` that it has any for, and all facts of; else what the server said. */
export function told(codes, said, facts = {}) {
  for (const code of codes) {
    const text = language.value === "en" ? PLAIN[code] : word(code);
    const found = text && filled(text, facts);
    if (found) return found;
  }
  return said;
}

/** A problem of the API (RFC 9457) in the language of the page: `{title, detail, remedy, at(field)}`; the detail is empty when it says no more than the title. */
export function problemTold({ code = "unknown", title = "", detail = "", meta = {}, remedy = [], errors = [] }) {
  const because = meta.because ?? meta.for;
  const own = detail === title ? "" : detail;
  const more = errors.length && (language.value !== "en" || !own) ? faultsTold(errors) : own;
  return {
    title: told([`problem:${code}`], title, meta),
    detail: told([`why:${code}.${because}`, `why:${code}`, ...(title ? [] : [`problem:${code}`])], more, meta),
    remedy: remedy.length ? [told([`help:${code}.${because}`, `help:${code}`], null, meta)].flatMap((one) => one ?? remedy) : [],
    at: (name) => faultTold(errors.find((one) => one.pointer === `/${name}` || one.pointer.startsWith(`/${name}/`))),
  };
}

/** What is wrong with one field. */
export function faultTold(fault) {
  return fault && told([`fault:${fault.code}`], fault.detail, fault.meta ?? {});
}

/** All of it in one sentence or a few; what is no sentence by itself ("is missing") follows the name of its field. */
function faultsTold(errors) {
  const found = errors.map((one) => {
    const text = (language.value === "en" ? null : word(`fault:${one.code}`)) ?? one.detail;
    const name = one.pointer.split("/").pop();
    return name && /^[a-zäöü]/.test(text) ? `${name}: ${faultTold(one)}` : faultTold(one);
  });
  return [...new Set(found)].join("; ");
}

/** Why a problem is one, in a sentence or a few. */
export function reasonTold(problem) {
  const { title, detail } = problemTold(problem);
  return detail || (problem.errors?.length ? faultsTold(problem.errors) : title);
}

/** A group as it is called here; what built-in ones are called is no organization's word. */
export const groupTold = (group) => (group.kind === "custom" ? group : { ...group, name: told([`group:${group.kind}`], group.name), description: told([`members:${group.kind}`], group.description) });

/** Why an action can't be taken, out of the capabilities: the same with a `detail` in the language of the page. */
export function becauseTold(because) {
  return because && { ...because, get detail() { return told([`because:${because.code}`, `because:${because.kind}`], because.detail, because); } };
}
