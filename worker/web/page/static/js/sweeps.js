// What ran: the last sweeps, what people decided, and the last lines of the log.

import { byId, h, show, table } from "./dom.js";
import { offerMore } from "./more.js";
import { account, named, policyName, when } from "./say.js";
import { number, t } from "./texts.js";

/** Show the last sweeps. */
export function showSweeps({ sweeps }) {
  const columns = [["id", t("sweep.id")], ["policy", t("sweep.policy")], ["status", t("sweep.status")],
    ["accounts", t("sweep.accounts"), "number"], ["began", t("sweep.began")], ["ended", t("sweep.ended")],
    ["actor", t("sweep.actor"), "words"], ["reason", t("sweep.reason"), "words"]];
  const rows = sweeps.map((each) => ({
    key: each.id,
    cells: {
      id: String(each.id),
      policy: policyName(each.policy),
      status: [h("span", { class: `badge ${each.status}` }, named("status", each.status)),
        each.failure && h("small", {}, ` ${each.failure}`)],
      accounts: number(each.accounts),
      began: when(each.started_at ?? each.created_at),
      ended: when(each.ended_at),
      actor: each.actor,
      reason: each.reason,
    },
  }));
  list("sweeps", columns, rows);
}

/** Show what was decided last. */
export function showDecisions({ decisions }) {
  const columns = [["at", t("decision.at")], ["kind", t("decision.kind")], ["about", t("decision.about")],
    ["actor", t("sweep.actor"), "words"], ["reason", t("sweep.reason"), "words"]];
  const rows = decisions.map((each) => ({
    key: each.id,
    cells: {
      at: when(each.at),
      kind: named("decision", each.kind),
      about: `${policyName(each.policy)}${each.sweep_id === null ? "" : ` · ${t("sweep.number", { sweep: each.sweep_id })}`}`,
      actor: each.actor,
      reason: each.reason,
    },
  }));
  list("decisions", columns, rows);
}

/** Show the last lines of the log. */
export function showActions({ actions }) {
  list("actions", ...actionTable(actions));
}

/** Return the columns and rows that show lines of the log. */
export function actionTable(actions, { withAccount = true } = {}) {
  const columns = [["at", t("action.at")], ["account", t("account")], ["action", t("action.what")],
    ["event", t("action.event")], ["due", t("action.due")], ["sweep", t("sweep.id"), "number"],
    ["receipt", t("action.receipt"), "number"]];
  const rows = actions.map((each) => ({
    key: each.id,
    cells: {
      at: when(each.acted_at),
      account: withAccount && account(each.account_id),
      action: policyName(each.action),
      event: when(each.event_at),
      due: when(each.due_at),
      sweep: String(each.sweep_id),
      receipt: String(each.receipt_id),
    },
  }));
  return [columns.filter(([name]) => withAccount || name !== "account"), rows];
}

/** Show a list's rows as a table, or say that there are none. */
export function list(name, columns, rows) {
  show(byId(`${name}-list`), rows.length ? table(t(`${name}.heading`), columns, rows)
    : h("p", { class: "none" }, t(`${name}.none`)));
  offerMore(name, rows);
}
