// Texts in the reader's language; numbers, instants and durations as that language writes them.

const root = document.documentElement;
export const language = root.lang;
export const zone = root.dataset.zone;
const locale = language === "en" ? "en-GB" : language;

const catalogue = await (await fetch(`/static/texts/${language}.json`)).json();
const plurals = new Intl.PluralRules(locale);
const numbers = new Intl.NumberFormat(locale);
const rates = new Intl.NumberFormat(locale, { maximumSignificantDigits: 2 });
const instants = new Intl.DateTimeFormat(locale, { timeZone: zone, dateStyle: "medium", timeStyle: "short" });
const moments = new Intl.DateTimeFormat(locale, { timeZone: zone, dateStyle: "medium", timeStyle: "medium" });
const clock = new Intl.DateTimeFormat(locale, { timeZone: zone, timeStyle: "medium" });
const days = new Intl.DateTimeFormat(locale, { timeZone: "UTC", dateStyle: "medium" });
const UNITS = [["day", 86400], ["hour", 3600], ["minute", 60], ["second", 1]];

/** Say a text; `{name}` in it is replaced by what `values` has of that name, `n` chooses the form. */
export function t(key, values = {}) {
  const found = catalogue[key];
  if (found === undefined) throw new Error(`no text ${key} in ${language}`);
  const text = typeof found === "string" ? found : found[plurals.select(values.n)] ?? found.other;
  return text.replace(/\{(\w+)\}/g, (_, name) => (name === "n" ? number(values.n) : values[name] ?? "–"));
}

/** Say whether the catalogue has a text. */
export const has = (key) => key in catalogue;

export const number = (value) => (value === null || value === undefined ? "–" : numbers.format(value));
export const rate = (value) => rates.format(value);
export const instant = (at) => instants.format(new Date(at));
export const moment = (at) => moments.format(new Date(at));
export const timeOfDay = (at) => clock.format(new Date(at));
export const day = (date) => days.format(new Date(`${date}T00:00:00Z`));

/** Say how long, in the largest unit that fits: "3 days". */
export function duration(seconds) {
  const [unit, length] = UNITS.find(([, each]) => Math.abs(seconds) >= each) ?? UNITS.at(-1);
  const count = Math.round(seconds / length);
  return new Intl.NumberFormat(locale, { style: "unit", unit, unitDisplay: "long" }).format(count);
}

export const secondsBetween = (from, to) => (new Date(to) - new Date(from)) / 1000;
