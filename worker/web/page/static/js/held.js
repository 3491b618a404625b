// Sweeps that a gate holds: why, since when, over how many accounts, and a person's decision.

import { isMe, may } from "./api.js";
import { byId, facts, h, show } from "./dom.js";
import { account, asWritten, button, named, policyName, whenAgo } from "./say.js";
import { language, number, t } from "./texts.js";

/** Show what waits for a decision; the part is hidden where nothing does. */
export function showHeld(status) {
  const held = status.sweeps.filter((each) => each.status === "held");
  byId("decide").hidden = held.length === 0;
  show(byId("held"), held.map((sweep) => card(sweep, status.at)));
}

function card(sweep, now) {
  const canApprove = sweep.held_for.some((stop) => stop.needs_approval);
  const about = t("sweep.number", { sweep: sweep.id });
  return h("article", { class: "card held", "data-key": sweep.id },
    h("h3", {}, `${about}: ${policyName(sweep.policy)}`, h("span", { class: "badge late" }, t("status.held"))),
    h("ul", { class: "stops" }, sweep.held_for.map(stopOf)),
    facts([
      [t("sweep.held_since"), ...[whenAgo(sweep.held_at, now)].flat()],
      [t("sweep.planned"), number(sweep.planned)],
      [t("sweep.actor"), sweep.actor],
      [t("sweep.reason"), sweep.reason],
      sweep.planned_digest && [t("sweep.digest"), h("code", {}, sweep.planned_digest.slice(0, 16))],
    ].filter(Boolean)),
    sample(sweep),
    h("p", { class: "acts" }, canApprove && approval(sweep, about),
      button("reject", "operator", about, { sweep: sweep.id })));
}

function stopOf(stop) {
  const { numbers } = stop;
  const values = Object.fromEntries(Object.entries(numbers).map(([name, value]) =>
    [name, typeof value === "number" ? number(value) : value ?? "?"]));
  const text = numbers.ceiling ? t(`gate.ceiling.${numbers.ceiling}.what`, values) : t(`gate.${stop.gate}.what`, values);
  return h("li", {}, h("strong", {}, named("gate", stop.gate)), ": ",
    language === "en" ? stop.detail : [text, h("br"), h("small", {}, asWritten(stop.detail))]);
}

function approval(sweep, about) {
  if (!may("approver")) return h("span", { class: "hint" }, t("act.approve.needs_role"));
  // Whoever asked for a sweep by hand is refused; so it is said before.
  if (sweep.tick === null && isMe(sweep.actor)) return h("span", { class: "hint" }, t("act.approve.not_own"));
  return button("approve", "approver", about, { sweep: sweep.id, accounts: sweep.planned ?? "" }, "grave");
}

function sample(sweep) {
  const some = sweep.held_for.flatMap((stop) => stop.numbers.sample ?? []);
  if (some.length === 0) return null;
  return h("p", { class: "sample" }, t("sweep.sample"), " ",
    some.slice(0, 10).flatMap((id, index) => [index ? ", " : "", account(id)]));
}
