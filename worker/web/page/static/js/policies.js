// Each policy: what is due, how old the oldest is, when it runs next, what runs now, and stopping it.

import { byId, facts, h, show } from "./dom.js";
import { button, POLICIES, policyName, when, whenAgo } from "./say.js";
import { duration, number, rate, secondsBetween, t } from "./texts.js";

// Over how long the rate is taken, so that a pause long ago does not count.
const WINDOW_SECONDS = 60;
const seen = new Map();

/** Show both policies of a status. */
export function showPolicies(status) {
  show(byId("policy-cards"), POLICIES.map((policy) => card(policy, status)));
}

function card(policy, status) {
  const { due, overdue, oldest_due_at: oldest, next_tick: next, quiet_until: quiet } = status.policies[policy];
  const paused = status.paused[policy];
  const running = status.sweeps.filter((each) => each.policy === policy && each.status !== "held");
  const name = policyName(policy);
  return h("article", { class: "card", "data-key": policy, "data-policy": policy },
    h("h3", {}, name, paused && h("span", { class: "badge look" }, t("policy.is_paused"))),
    h("p", { class: "what" }, t(`policy.${policy}.what`)),
    h("p", { class: "figure" }, h("strong", {}, number(due)), " ", t("policy.due")),
    facts([
      [t("policy.overdue"), h("span", { class: overdue ? "bad" : null }, number(overdue))],
      [t("policy.oldest"), ...[whenAgo(oldest, status.at)].flat()],
      [t("policy.next"), when(next)],
      ...(quiet ? [[t("policy.quiet"), when(quiet)]] : []),
    ]),
    paused && pauseOf(paused, status.at),
    running.map((sweep) => progressOf(sweep, status.at)),
    h("p", { class: "acts" },
      button("run", "operator", name, { policy }),
      paused ? button("resume", "operator", name, { policy }) : button("pause", "operator", name, { policy })));
}

function pauseOf({ since, actor, reason }, now) {
  return h("p", { class: "note look" }, t("policy.paused_by", { actor }), " ", whenAgo(since, now), h("br"), reason);
}

function progressOf(sweep, now) {
  const id = `progress-${sweep.id}`;
  const label = t(`sweep.now.${sweep.status}`, { sweep: sweep.id });
  if (sweep.status === "queued" || sweep.due === null) {
    return h("div", { class: "progress", "data-key": id }, h("p", {}, label));
  }
  const share = sweep.due ? Math.min(1, sweep.accounts / sweep.due) : 1;
  return h("div", { class: "progress", "data-key": id },
    h("label", { for: id }, label, h("span", {}, `${Math.floor(share * 100)} %`)),
    h("progress", { id, max: Math.max(1, sweep.due), value: Math.min(sweep.accounts, sweep.due) }),
    h("p", {}, t("sweep.done_of", { done: number(sweep.accounts), due: number(sweep.due) }), " ", pace(sweep, now)));
}

function pace(sweep, now) {
  const perSecond = rateOf(sweep, now);
  if (!perSecond) return t("sweep.no_pace");
  const left = Math.max(0, sweep.due - sweep.accounts) / perSecond;
  return t("sweep.pace", { rate: rate(perSecond), left: duration(Math.ceil(left)) });
}

/** Accounts per second over the last minute that was looked on, or since the start. */
function rateOf(sweep, now) {
  const samples = (seen.get(sweep.id) ?? [{ at: sweep.started_at, accounts: 0 }])
    .filter((each, index, all) => secondsBetween(each.at, now) <= WINDOW_SECONDS || index === all.length - 1);
  const { at, accounts } = samples[0];
  const seconds = secondsBetween(at, now);
  seen.set(sweep.id, [...samples, { at: now, accounts: sweep.accounts }]);
  return seconds > 0 ? (sweep.accounts - accounts) / seconds : 0;
}

