// What recurs in every part: names of policies, instants, links to accounts, buttons, refusals.

import { may } from "./api.js";
import { h } from "./dom.js";
import { duration, has, instant, language, secondsBetween, t } from "./texts.js";

export const POLICIES = ["purge", "counter_only"];

export const policyName = (policy) => t(`policy.${policy}`);

/** Show an instant; a null one as a dash. */
export const when = (at) => (at ? h("time", { datetime: at }, instant(at)) : "–");

/** Show an instant with how long ago it is, by the server's clock. */
export const whenAgo = (at, now) =>
  at ? [when(at), h("small", {}, ` ${t("ago", { time: duration(Math.max(0, secondsBetween(at, now))) })}`)] : "–";

/** Link to what is known about an account. */
export const account = (id) => h("a", { href: `#account-${id}` }, String(id));

/** A text in English whatever language the page is in: the server's, or a person's own, whose direction stays its own. */
export const asWritten = (text) => h("bdi", language === "en" ? {} : { lang: "en" }, text);

/** Show a code by its name where there is one, as it is where there is none. */
export const named = (group, code) => (has(`${group}.${code}`) ? t(`${group}.${code}`) : code);

/** A button for an act, or nothing where the role does not allow it; `about` says which, for whoever only hears it. */
export function button(name, role, about, data, look = "") {
  if (!may(role)) return null;
  const attributes = Object.entries(data).map(([key, value]) => [`data-${key}`, String(value)]);
  const key = `${name}-${Object.values(data).join("-")}`;
  return h("button",
    { type: "button", class: `act ${look}`, "data-act": name, "data-key": key, ...Object.fromEntries(attributes) },
    t(`act.${name}.button`), about && h("span", { class: "unseen" }, ` ${about}`));
}

/** Say what the server refused, or that it did not answer. */
export function refusal(error) {
  if (!error.status) return [h("strong", {}, t("refusal.unreachable"))];
  const key = has(`refusal.${error.status}`) ? `refusal.${error.status}` : "refusal.other";
  return [h("strong", {}, t(key)), " ", asWritten(error.message)];
}
