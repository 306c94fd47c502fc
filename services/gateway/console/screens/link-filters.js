// Filters that a link freezes: values per parameter of the dashboard, and the time that is shown.
import { html } from "../lib/dom.js";
import { t } from "../lib/i18n.js";
import { Chips, separated } from "../ui/chips.js";
import { Field } from "../ui/forms.js";

const PLAIN = ["timerange", "aggregation"];

/** What a form begins with. */
export function frozenOf(filters) {
  const values = Object.fromEntries(Object.entries(filters ?? {}).filter(([name]) => !PLAIN.includes(name)));
  return { filters: filters ? "frozen" : "defaults", values, timerange: filters?.timerange ?? "", aggregation: filters?.aggregation ?? "" };
}

/** What a form says, as the API takes it; empty ones aren't frozen. */
export function givenFilters({ values, timerange, aggregation }) {
  const frozen = Object.fromEntries(Object.entries(values).filter(([, chosen]) => chosen.length));
  for (const [name, text] of [["timerange", timerange.trim()], ["aggregation", aggregation.trim()]]) if (text) frozen[name] = text;
  return frozen;
}

export function Frozen({ parameters, given, change, sending }) {
  const names = [...new Set([...parameters, ...Object.keys(given.values)])];
  const wrong = (name) => sending.wrong(`frozen_filters/${name.replaceAll("~", "~0").replaceAll("/", "~1")}`);
  return html`<div class="stack">${names.length ? html`<div class="columns">${names.map((name) => html`<${Chips} key=${name} label=${html`<span data-name>${name}</span>`} name=${name} chips=${given.values[name] ?? []} onChange=${(chosen) => change("values")({ ...given.values, [name]: chosen })} parse=${separated} wrong=${wrong(name)} hint=${t("Enter or comma adds one. Empty: not frozen.")} />`)}</div>`
      : html`<p class="small quiet">${t("This dashboard has no parameters of its own.")}</p>`}
    <div class="columns"><${Field} label=${t("Time range")} name="timerange" maxlength="500" value=${given.timerange} onInput=${change("timerange")} wrong=${wrong("timerange")} hint=${t("Such as last 7 days. Empty: not frozen.")} />
      <${Field} label=${t("Aggregation")} name="aggregation" maxlength="500" value=${given.aggregation} onInput=${change("aggregation")} wrong=${wrong("aggregation")} hint=${t("Such as week. Empty: not frozen.")} /></div></div>`;
}
