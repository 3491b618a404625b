// Why an account is touched, or not: asked by its number, or by a link `#account-4711`.

import { ask } from "./api.js";
import { byId, facts, h, show, table } from "./dom.js";
import { asWritten, button, named, POLICIES, policyName, refusal, when } from "./say.js";
import { actionTable } from "./sweeps.js";
import { day, instant, language, t } from "./texts.js";

/** Begin to answer. */
export function beginExplaining() {
  byId("explain-form").addEventListener("submit", (event) => {
    event.preventDefault();
    const wanted = `#account-${byId("explain-account").value.trim()}`;
    if (location.hash === wanted) explainLinked();
    else location.hash = wanted;
  });
  addEventListener("hashchange", explainLinked);
  explainLinked();
}

/** Explain again what is explained, after an act may have changed it. */
export function explainAgain() {
  if (byId("explained").childElementCount) explainLinked({ focus: false });
}

async function explainLinked({ focus = true } = {}) {
  const [, id] = location.hash.match(/^#account-(\d{1,16})$/) ?? [];
  if (!id) return;
  byId("explain-account").value = id;
  const place = byId("explained");
  try {
    show(place, card(await ask(`/accounts/${id}`)));
  } catch (error) {
    show(place, h("p", { class: "note late", role: "alert" }, refusal(error)));
  }
  if (focus) {
    byId("explain").scrollIntoView();
    place.focus();
  }
}

function card(found) {
  return h("article", { class: "card", "data-key": found.account_id },
    h("h3", {}, t("account.number", { account: found.account_id }),
      h("span", { class: "badge" }, named("state", found.effective_state))),
    found.state !== found.effective_state
      && h("p", { class: "note" }, t("explain.behaves", { state: named("state", found.state) })),
    facts([
      [t("explain.registration"), found.registration ? named("registration", found.registration) : "–"],
      [t("explain.withdrawn_at"), when(found.withdrawn_at)],
      [t("explain.counter_only_from"), when(found.counter_only_from)],
      [t("explain.invalidated_at"), when(found.invalidated_at)],
      [t("explain.purge_from"), when(found.purge_from)],
      found.anomalies.length > 0
        && [t("anomalies.heading"), found.anomalies.map((kind) => named("anomaly", kind)).join(", ")],
    ].filter(Boolean)),
    POLICIES.map((policy) => outcome(policy, found)),
    found.holds.map((hold) => h("div", { class: "note look", "data-key": hold.id },
      h("p", {}, t("explain.held", { by: hold.placed_by }), " ", when(hold.placed_at), h("br"), hold.reason),
      h("p", { class: "acts" },
        button("release", "approver", t("account.number", { account: found.account_id }), { hold: hold.id }, "small")))),
    found.state !== "gone" && h("p", { class: "acts" },
      button("place", "operator", t("account.number", { account: found.account_id }), { account: found.account_id })),
    found.history.length > 0 && h("details", {}, h("summary", {}, t("explain.history")), historyOf(found.history)),
    found.actions.length > 0
      && [h("h4", {}, t("explain.actions")),
        table(t("explain.actions"), ...actionTable(found.actions, { withAccount: false }))]);
}

function outcome(policy, { prevented, reckoned, state, actions }) {
  const done = state === "gone" && actions.find(({ action }) => action === policy);
  const reasons = prevented[policy] ?? [];
  return h("div", { class: "outcome", "data-key": policy }, h("h4", {}, policyName(policy)),
    reasons.length === 0 ? h("p", {}, h("strong", {}, t("explain.next_sweep")))
      : [h("p", {}, t("explain.not_now")), h("ul", {}, reasons.map((each) => h("li", {}, reason(each))))],
    reckoned[policy] && h("p", { class: "because" }, counted(policy, reckoned[policy])),
    done && h("p", { class: "because" }, t("because.done", { action: done.id })));
}

/** Say from which event a policy's rule is counted, and how. */
function counted(policy, { event_at, first_day, last_day, length }) {
  return t(`because.${policy}`, { event: instant(event_at), first: day(first_day), last: day(last_day), length });
}

/** Say what the server gives as a reason, in the reader's language where it is one of ours. */
function reason(text) {
  if (language === "en") return text;
  const [, kind, detail] = text.match(/^(hold|anomaly:|set aside after failures:|the account is) (.+)$/) ?? [];
  const plain = {
    "its day has not come": "day",
    "the account is gone": "gone",
    "the purge is due and goes before": "purge_first",
    "the job-seeking registration is valid": "valid",
    "there is no job-seeking registration": "no_job_seeking",
    "a date of it is later than that": "later",
  }[text];
  if (plain) return t(`prevented.${plain}`);
  if (kind === "hold") return t("prevented.hold", { hold: detail });
  if (kind === "anomaly:") return t("prevented.anomaly", { kind: named("anomaly", detail) });
  if (kind === "the account is") return t("prevented.state", { state: named("state", detail) });
  if (kind) return t("prevented.set_aside", { failure: detail });
  return asWritten(text);
}

function historyOf(history) {
  const columns = [["at", t("decision.at")], ["kind", t("decision.kind")], ["to", t("explain.to_state")],
    ["actor", t("sweep.actor"), "words"]];
  return table(t("explain.history"), columns, history.map((each, index) => ({
    key: index,
    cells: { at: when(each.at), kind: named("transition", each.kind), to: named("state", each.to_state), actor: each.actor },
  })));
}
