// Types of events as people say them.
import { t } from "./i18n.js";

const BETTER = {
  "identity.session.all_ended": "All sessions ended",
  "identity.sign_in.failed": "Sign-in failed",
  "identity.two_factor.enabled": "Two-factor enabled",
  "identity.two_factor.removed": "Two-factor removed",
  "org.legal.accepted": "Legal text accepted",
  "org.legal.dpa_accepted": "Amendment accepted",
  "org.legal.dpa_not_applicable": "Amendment doesn't apply",
};

/** `org.group.member_added.v1` as "Group member added", in the language of the page. */
export function inWords(type) {
  const bare = type.replace(/\.v\d+$/, "");
  const words = bare.replace(/^\w+\./, "").replace(/[._]/g, " ");
  return t(BETTER[bare] ?? words[0].toUpperCase() + words.slice(1));
}
