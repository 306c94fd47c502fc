// What the users are like in numbers: who has a second factor, and when people were last here. Each number is a filter of the list.
import { get } from "../lib/api.js";
import { html } from "../lib/dom.js";
import { number, t, tn } from "../lib/i18n.js";
import { useLive } from "../lib/live.js";
import { refine, ROOT, useLoad } from "../lib/state.js";
import { Icon, Meter } from "../ui/basics.js";

const SPANS = () => ({
  day: t("Within a day"),
  week: t("1–7 days ago"),
  month: t("7–30 days ago"),
  quarter: t("30–90 days ago"),
  longer: t("Longer ago"),
  never: t("Never signed in"),
});

/** What can be asked of second factors; where one is required, who has none lacks it. */
export const factorOptions = (required) => [["", t("Any two-factor")], ["on", t("Two-factor on")], required ? ["missing", t("Required, but missing")] : ["off", t("Two-factor off")]];

export function useFacets(status) {
  return useLive(useLoad(() => get(`/v1/users/facets?status=${status}`), status), "org.member,org.security_policy", { atOnce: true });
}

export function Facets({ facets, query }) {
  if (!facets.data && !facets.error) return html`<div class="facets"></div>`;
  if (!(facets.data?.users > 1)) return null;
  const { users, two_factor: factor, last_active: spans } = facets.data;
  return html`<div class="facets"><${Factors} users=${users} factor=${factor} chosen=${query.get("two_factor") ?? ""} />
    <${LastActive} spans=${spans} chosen=${query.get("last_active") ?? ""} /></div>`;
}

function Factors({ users, factor, chosen }) {
  const off = factor.required ? "missing" : "off";
  const choose = (one) => refine({ two_factor: chosen === one ? "" : one });
  const rows = [["on", factor.on, t("On"), "check"], [off, factor.off, factor.required ? t("Required, but missing") : t("Off"), "warn"]];
  const note = html`<a href="${ROOT}/two-factor">${factor.required ? t("To the requirement") : t("Ask everybody for it")}</a>`;
  return html`<div class="stack tight"><${Meter} label=${t("People with two-factor")} used=${factor.on} limit=${users} full="ok" />
    <div class="row" role="group" aria-label=${t("Show by two-factor")}>${rows.map(([one, count, label, icon]) => html`<button type="button" key=${one} class="facet" aria-pressed=${String(chosen === one)} onClick=${() => choose(one)}><${Icon} name=${icon} /><span>${label}</span><b class="number">${number(count)}</b></button>`)}</div><p class="small quiet">${factor.off ? note : t("Everybody has it.")}</p></div>`;
}

/** A bar for each span; the buttons below it say the same in words and numbers. */
function LastActive({ spans, chosen }) {
  const most = Math.max(1, ...spans.map((one) => one.users));
  const names = SPANS();
  return html`<div class="stack tight"><p class="label small">${t("Last active")}</p><div class="spans" role="group" aria-label=${t("Show by last activity")}>${spans.map(({ last_active: span, users }) => html`<button type="button" key=${span} class="facet upright" aria-pressed=${String(chosen === span)} aria-label="${names[span]}: ${tn(users, "{n} person", "{n} people")}" onClick=${() => refine({ last_active: chosen === span ? "" : span })}>
      <span class="column" aria-hidden="true"><span class=${span === "never" ? "none" : ""} style=${{ height: `${users ? Math.max(6, (users / most) * 100) : 0}%` }}></span></span><b class="number" aria-hidden="true">${number(users)}</b><small aria-hidden="true">${names[span]}</small></button>`)}</div></div>`;
}
