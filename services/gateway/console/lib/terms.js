// What is typed to find entries of the log, as terms: `actor:ana -action:identity.* "annual report"`. The server reads the same.
import { t } from "./i18n.js";

const TERM = /(-)?(?:(actor|action|target|ip|event|request|auth|created):)?("[^"]*"|\S+)/g;
export const QUALIFIERS = ["actor", "action", "target", "ip", "auth", "event", "request", "created"];

export function termsOf(text) {
  return [...text.matchAll(TERM)].map(([, no, name, value]) => ({ negated: Boolean(no), name: name ?? "text", value: value.replaceAll('"', "") })).filter((one) => one.value);
}

export function written(terms) {
  return terms.map(({ negated, name, value }) => `${negated ? "-" : ""}${name === "text" ? "" : `${name}:`}${/\s/.test(value) ? `"${value}"` : value}`).join(" ");
}

/** The terms with one more; what it says instead is gone. */
export function withTerm(terms, term) {
  const others = terms.filter((one) => !(one.name === term.name && one.value === term.value));
  return [...(term.name === "created" ? others.filter((one) => one.name !== "created") : others), term];
}

export const NAMES = () => ({ actor: t("By"), action: t("Event"), target: t("About"), ip: t("From"), auth: t("Signed in with"), event: t("Event id"), request: t("Request"), created: t("Time"), text: t("Contains") });
