// Is everything on time: the light with its words, and what keeps it from green.

import { byId, h, show } from "./dom.js";
import { policyName } from "./say.js";
import { duration, has, instant, moment, secondsBetween, t, timeOfDay, zone } from "./texts.js";

const WHERE = {
  held: "decide", paused: "policies", failed: "sweeps", overdue: "policies", silent_sweep: "policies",
  catching_up: "policies", anomalies: "anomalies", quarantine: "quarantine", files_overdue: "files",
  files_refused: "files", beat_silent: "machinery", broker_away: "machinery", no_worker: "machinery",
  not_measured: "machinery", unverified: "chain",
};
const SIGNS = { fine: "✓", look: "!", stopped: "■", late: "✕" };

/** Show the verdict of a status. */
export function showVerdict(status) {
  const { level, concerns } = status.verdict;
  byId("verdict").dataset.level = level;
  show(byId("light"), SIGNS[level]);
  show(byId("headline"), t(`verdict.${level}`));
  document.title = `${SIGNS[level]} ${t(`verdict.${level}`)} – ${t("title")}`;
  const items = concerns.map((each) => h("li", { "data-level": each.level },
    h("a", { href: `#${WHERE[each.matter]}` }, sentence(each, status.at))));
  show(byId("concerns"), items);
  const counted = status.measured_at === null ? t("verdict.uncounted")
    : t("verdict.counted", { time: timeOfDay(status.measured_at) });
  show(byId("counted"), `${t("verdict.read", { time: moment(status.at), zone })} ${counted}`);
}

function sentence({ matter, policy, sweep_id: sweep, number: n, since }, now) {
  const never = `concern.${matter}.never`;
  if (since === null && has(never)) return t(never);
  return t(`concern.${matter}`, {
    n, sweep,
    policy: policy && policyName(policy),
    since: since && instant(since),
    ago: since && duration(Math.max(0, secondsBetween(since, now))),
  });
}
