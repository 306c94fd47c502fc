// Roles in words, and why something can't be done.
import { t } from "./i18n.js";
import { can } from "./state.js";

export const ROLES = () => ({ admin: t("Admin"), analyst: t("Analyst"), viewer: t("Viewer") });

export const roleOptions = () => [
  ["admin", t("Admin"), t("Manages people, sharing and the plan, and builds dashboards. Uses an author slot.")],
  ["analyst", t("Analyst"), t("Builds and shares dashboards. Uses an author slot.")],
  ["viewer", t("Viewer"), t("Sees what is shared with them.")],
];

/** Why an action of the API can't be taken, in words; empty when it can. */
export function whyNot(action) {
  const { allowed, because } = can(action);
  if (allowed) return "";
  return because?.detail ?? t("Your role doesn't allow it.");
}
