// Types of events as people say them.
import { t } from "./i18n.js";

const BETTER = {
  "audit.head.signed": "Audit log signed",
  "courier.address.found_dead": "Address can't be reached",
  "identity.break_glass.asked": "Emergency sign-in asked for",
  "identity.break_glass.used": "Emergency sign-in used",
  "identity.scim_token.created": "Provisioning token created",
  "identity.scim_token.resumed": "Provisioning tokens resumed",
  "identity.scim_token.revoked": "Provisioning token revoked",
  "identity.scim_token.suspended": "Provisioning tokens suspended",
  "org.provisioning.name_changed": "Name changed by the provider",
  "org.provisioning.removal_held": "Removal held",
  "org.provisioning.removals_decided": "Removals decided",
  "identity.session.all_ended": "All sessions ended",
  "identity.session.ended_in_organization": "Sessions ended by an admin",
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
  const words = bare.replace(/^\w+\./, "").replace(/[._]/g, " ").replace(/^(api|sso)\b/, (word) => word.toUpperCase());
  return t(BETTER[bare] ?? words[0].toUpperCase() + words.slice(1));
}
