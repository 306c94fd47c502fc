// Words: written in English where they are used, looked up for every other language.
import { signal } from "./dom.js";

const KEPT = "tenantry.language";
export const LANGUAGES = { en: "English", de: "Deutsch" };
export const language = signal("en");
/** How the organization writes times, numbers and dates (its preferences); null before somebody is in one, when the browser decides. */
export const habits = signal(null);
export const zone = () => habits.value?.time_zone ?? Intl.DateTimeFormat().resolvedOptions().timeZone;
let words = {};
let latest = null;

export function t(text, facts) {
  const found = words[text] ?? text;
  return facts ? found.replace(/\{(\w+)\}/g, (all, name) => (name in facts ? written(facts[name]) : all)) : found;
}

const written = (fact) => (typeof fact === "number" ? number(fact) : String(fact));

/** The sentence of the language for what the server names by a code. */
export const word = (code) => words[code];

/** `one, two and three`; with `disjunction`, `or`. */
export function listed(names, type = "conjunction") {
  return new Intl.ListFormat(language.value, { style: "long", type }).format(names);
}

/** One or many; `{n}` stands for the number. */
export function tn(n, one, many, facts) {
  return t(n === 1 ? one : many, { n, ...facts });
}

/** So many days, in years where it is whole ones. */
export function lasting(days) {
  return days % 365 ? tn(days, "{n} day", "{n} days") : tn(days / 365, "{n} year", "{n} years");
}

export async function speak(wanted) {
  const chosen = wanted in LANGUAGES ? wanted : "en";
  latest = chosen;
  const found = chosen === "en" ? {} : (await import(`../i18n/${chosen}.js`)).words;
  if (latest !== chosen) return;
  words = found;
  document.documentElement.lang = chosen;
  language.value = chosen;
}

export function choose(wanted) {
  localStorage.setItem(KEPT, wanted);
  return speak(wanted);
}

export function preferred() {
  return localStorage.getItem(KEPT) ?? navigator.language.slice(0, 2);
}

const NOT_COUNTRIES = ["EU", "EZ", "UN", "ZZ", "QO", "XA", "XB", "AC", "CP", "CQ", "DG", "EA", "IC", "TA"];

/** Codes of ISO 3166, named in the language of the page, without those that others have replaced. */
export function countries() {
  const names = new Intl.DisplayNames([language.value], { type: "region", fallback: "none" });
  const letters = [..."ABCDEFGHIJKLMNOPQRSTUVWXYZ"];
  const current = (code) => new Intl.Locale(`und-${code}`).region === code && !NOT_COUNTRIES.includes(code);
  const found = letters.flatMap((one) => letters.map((two) => one + two)).filter(current).map((code) => [code, names.of(code)]);
  return found.filter(([, name]) => name).sort((one, other) => one[1].localeCompare(other[1], language.value));
}

const UNITS = [["year", 31536000], ["month", 2592000], ["day", 86400], ["hour", 3600], ["minute", 60]];

export function ago(moment) {
  const seconds = (new Date(moment) - Date.now()) / 1000;
  const format = new Intl.RelativeTimeFormat(language.value, { numeric: "auto" });
  for (const [unit, length] of UNITS) {
    if (Math.abs(seconds) >= length) return format.format(Math.round(seconds / length), unit);
  }
  return t("just now");
}

/** The time until a moment in its two greatest units, such as `17 hr, 12 min`. */
export function remaining(moment) {
  const minutes = Math.max(0, Math.round((new Date(moment) - Date.now()) / 60_000));
  const parts = [["day", Math.floor(minutes / 1440)], ["hour", Math.floor(minutes / 60) % 24], ["minute", minutes % 60]];
  const first = Math.max(0, parts.findIndex(([, count]) => count));
  const shown = minutes ? parts.slice(first, first + 2).filter(([, count]) => count) : [["minute", 0]];
  const words = shown.map(([unit, count]) => new Intl.NumberFormat(language.value, { style: "unit", unit, unitDisplay: "short" }).format(count));
  return new Intl.ListFormat(language.value, { style: "narrow", type: "unit" }).format(words);
}


const DAY = /^\d{4}-\d\d-\d\d$/;

/** Year, month and day of a moment where the organization is; a day without a time is that day everywhere. */
function calendar(moment) {
  const timeZone = DAY.test(moment) ? "UTC" : zone();
  const parts = new Intl.DateTimeFormat("en", { calendar: "gregory", numberingSystem: "latn", year: "numeric", month: "2-digit", day: "2-digit", timeZone }).formatToParts(new Date(moment));
  return Object.fromEntries(parts.map((one) => [one.type, one.value]));
}

export function day(moment) {
  const format = habits.value?.date_format;
  if (!format) return new Intl.DateTimeFormat(language.value, { dateStyle: "medium", timeZone: DAY.test(moment) ? "UTC" : undefined }).format(new Date(moment));
  const { year, month, day: number } = calendar(moment);
  return format.replace("YYYY", year).replace("MM", month).replace("DD", number);
}

/** In 24 hours where the organization decides: its dates are read beside them, and it has no word for the half of a day. */
function time(moment, more) {
  const hourCycle = habits.value ? "h23" : undefined;
  return new Intl.DateTimeFormat(language.value, { hour: "2-digit", minute: "2-digit", hourCycle, timeZone: zone(), ...more }).format(new Date(moment));
}

/** Day and time of a moment where the organization is. */
export function toTheMinute(moment) {
  return `${day(moment)}, ${time(moment, {})}`;
}

/** To the second, with the time zone. */
export function exactly(moment) {
  return `${day(moment)}, ${time(moment, { second: "2-digit", timeZoneName: "short" })}`;
}

/** A time as the browser's own field takes it: where the organization is, to the minute. */
export function toField(moment) {
  const { year, month, day: number } = calendar(moment);
  const clock = new Intl.DateTimeFormat("en", { numberingSystem: "latn", hourCycle: "h23", hour: "2-digit", minute: "2-digit", timeZone: zone() }).format(new Date(moment));
  return `${year}-${month}-${number}T${clock}`;
}

/** The moment that such a field means. */
export function fromField(text) {
  const wanted = Date.parse(`${text}Z`);
  const ahead = (at) => Date.parse(`${toField(new Date(at))}Z`) - Math.floor(at / 60_000) * 60_000;
  const first = wanted - ahead(wanted);
  return new Date(wanted - ahead(first));
}

/** A number as the organization writes it: its example, 1,234.56, shows what stands between. */
export function number(value, options) {
  const parts = new Intl.NumberFormat(language.value, options).formatToParts(value);
  const example = habits.value?.number_format;
  const own = example ? { group: example[1] === " " ? "\u00a0" : example[1], decimal: example[5] } : {};
  return parts.map((one) => own[one.type] ?? one.value).join("");
}

export function money({ amount_minor: minor, currency }) {
  const whole = minor % 100 === 0;
  return number(minor / 100, { style: "currency", currency, minimumFractionDigits: whole ? 0 : 2 });
}

/** A country of ISO 3166 by its name in the language of the page. */
export function countryName(code) {
  return new Intl.DisplayNames([language.value], { type: "region" }).of(code);
}
