// What has to be alive: beat, workers, the count of each minute; and the log's chain.

import { byId, facts, h, show } from "./dom.js";
import { whenAgo } from "./say.js";
import { number, t } from "./texts.js";

const light = (isGood, words) => h("span", { class: `badge ${isGood ? "fine" : "late"}` }, words);

/** Show who is at work. */
export function showMachinery(status) {
  const { beat, workers } = status;
  show(byId("machinery-list"), facts([
    [t("beat"), light(beat.alive, t(beat.alive ? "beat.alive" : "beat.silent")), " ",
      ...[whenAgo(beat.last_tick_at, status.at)].flat()],
    [t("workers"), ...atWork(workers)],
    [t("measured"), ...[whenAgo(status.measured_at, status.at)].flat()],
  ]));
}

function atWork(workers) {
  if (workers === null) return [light(false, t("workers.unknown"))];
  if (workers.length === 0) return [light(false, t("workers.none"))];
  return [light(true, t("workers.some", { n: workers.length })), h("ul", { class: "names" },
    workers.map((name) => h("li", {}, h("code", {}, name))))];
}

/** Show the end of the log's chain and when all of it was verified. */
export function showHead(head) {
  show(byId("chain-list"), facts([
    [t("chain.verified"), ...(head.verified_at ? [whenAgo(head.verified_at, head.at)].flat()
      : [h("span", { class: "badge look" }, t("chain.never"))])],
    [t("chain.actions"), number(head.actions)],
    [t("chain.head"), h("code", { class: "digest" }, `${head.number}:${head.digest}`)],
  ]));
}
