// What is left alone and why: holds, accounts set aside, dates that make no sense, files that remain.

import { byId, facts, h, show } from "./dom.js";
import { account, button, named, policyName, when } from "./say.js";
import { list } from "./sweeps.js";
import { number, t } from "./texts.js";

/** Show holds, with a way to release them. */
export function showHolds({ holds }) {
  const columns = [["account", t("account")], ["reason", t("sweep.reason"), "words"], ["by", t("hold.by"), "words"],
    ["at", t("hold.at")], ["acts", t("acts"), "row-acts"]];
  const rows = holds.map((each) => ({
    key: each.id,
    cells: {
      account: account(each.account_id),
      reason: each.reason,
      by: each.placed_by,
      at: when(each.placed_at),
      acts: button("release", "approver", t("account.number", { account: each.account_id }), { hold: each.id }, "small"),
    },
  }));
  list("holds", withActs(columns, rows), rows);
}

/** Show accounts that failed alone, with a way to try them again. */
export function showQuarantine({ quarantine }) {
  const columns = [["account", t("account")], ["policy", t("sweep.policy")], ["failure", t("quarantine.failure")],
    ["attempts", t("quarantine.attempts"), "number"], ["since", t("quarantine.since")], ["acts", t("acts"), "row-acts"]];
  const rows = quarantine.map((each) => ({
    key: `${each.account_id}-${each.policy}`,
    cells: {
      account: account(each.account_id),
      policy: policyName(each.policy),
      failure: h("code", {}, each.failure),
      attempts: number(each.attempts),
      since: each.set_aside_at ? when(each.set_aside_at) : t("quarantine.not_yet"),
      acts: button("retry", "operator", t("account.number", { account: each.account_id }),
        { account: each.account_id }, "small"),
    },
  }));
  list("quarantine", withActs(columns, rows), rows);
  show(byId("quarantine-acts"), quarantine.length > 1 && button("retry_all", "operator", null, {}));
}

/** Leave the column of acts out where the role allows none. */
function withActs(columns, rows) {
  return rows.some((row) => row.cells.acts) ? columns : columns.slice(0, -1);
}

/** Show anomalies and files of a status. */
export function showLeft(status) {
  const found = Object.entries(status.anomalies).filter(([, accounts]) => accounts > 0);
  show(byId("anomaly-list"), found.length
    ? facts(found.map(([kind, accounts]) => [named("anomaly", kind), number(accounts)]))
    : h("p", { class: "none" }, status.measured_at === null ? t("uncounted") : t("anomalies.none")));
  const { files } = status;
  show(byId("file-list"), files === null ? h("p", { class: "none" }, t("uncounted")) : [
    facts([
      ...["waiting", "overdue", "refused", "in_use"].map((name) => [t(`files.${name}`), number(files[name])]),
      [t("files.oldest"), when(files.oldest_at)],
    ]),
    files.waiting > 0 && !files.documents_url_is_set && h("p", { class: "note look" }, t("files.nowhere")),
  ]);
}
