// Words: written in English where they are used, looked up for every other language.
import { signal } from "./dom.js";

const KEPT = "tenantry.language";
export const LANGUAGES = { en: "English", de: "Deutsch" };
export const language = signal("en");
let words = {};

export function t(text, facts) {
  const found = words[text] ?? text;
  return facts ? found.replace(/\{(\w+)\}/g, (all, name) => (name in facts ? String(facts[name]) : all)) : found;
}

/** One or many; `{n}` stands for the number. */
export function tn(n, one, many, facts) {
  return t(n === 1 ? one : many, { n: n.toLocaleString(language.value), ...facts });
}

export async function speak(wanted) {
  const chosen = wanted in LANGUAGES ? wanted : "en";
  words = chosen === "en" ? {} : (await import(`../i18n/${chosen}.js`)).words;
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

export function exactly(moment) {
  return new Intl.DateTimeFormat(language.value, { dateStyle: "long", timeStyle: "medium" }).format(new Date(moment));
}

export function day(moment) {
  return new Intl.DateTimeFormat(language.value, { dateStyle: "medium" }).format(new Date(moment));
}

export function money({ amount_minor: minor, currency }) {
  const whole = minor % 100 === 0;
  const format = { style: "currency", currency, minimumFractionDigits: whole ? 0 : 2 };
  return new Intl.NumberFormat(language.value, format).format(minor / 100);
}
