// What the plan doesn't include: what it would do, which plan has it, and where plans are compared.
import { html, useSignal } from "../lib/dom.js";
import { t } from "../lib/i18n.js";
import { can, may, ROOT } from "../lib/state.js";
import { Notice } from "./basics.js";

/** Shown while the plan alone stands in the way of an action; nothing otherwise. */
export function PlanLock({ action, title, children }) {
  useSignal(may);
  const { allowed, because } = can(action);
  if (allowed || because?.kind !== "plan") return null;
  return html`<${Notice} kind="accent" icon="lock" title=${title}><p>${because.detail}${because.plan ? ` ${t("It is in the plan {plan}.", { plan: because.plan[0].toUpperCase() + because.plan.slice(1) })}` : ""}</p>${children}
    ${can("billing.manage").allowed ? html`<a class="button" href="${ROOT}/billing">${t("Compare plans")}</a>` : null}<//>`;
}
