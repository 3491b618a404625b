// The dashboard: who is here, and which part is fed by what, how often.

import { beginActing } from "./acts.js";
import { act, ask, enter } from "./api.js";
import { showHolds, showLeft, showQuarantine } from "./care.js";
import { onResize, showChart } from "./charts.js";
import { byId, show } from "./dom.js";
import { beginExplaining, explainAgain } from "./explain.js";
import { showHeld } from "./held.js";
import { Live } from "./live.js";
import { showHead, showMachinery } from "./machinery.js";
import { beginShowingMore, limitOf } from "./more.js";
import { showPolicies } from "./policies.js";
import { button, named, policyName, refusal } from "./say.js";
import { showActions, showDecisions, showSweeps } from "./sweeps.js";
import { t } from "./texts.js";
import { showVerdict } from "./verdict.js";

const DAYS = 90;
const SECONDS = { status: 5, running: 1, lists: 10, charts: 300 };

const RETRY_MS = 3000;
const live = new Live();
let isRunning = false;
let unended = new Map();

async function status() {
  const found = await ask("/status");
  isRunning = found.sweeps.some((each) => each.status !== "held");
  showVerdict(found);
  showHeld(found);
  showPolicies(found);
  showLeft(found);
  showMachinery(found);
}

async function sweeps() {
  const found = await ask(`/sweeps?limit=${limitOf("sweeps")}`);
  showSweeps(found);
  const over = found.sweeps.filter((each) => each.ended_at !== null && unended.has(each.id));
  unended = new Map(found.sweeps.filter((each) => each.ended_at === null).map((each) => [each.id, each]));
  for (const each of over) {
    const words = { sweep: each.id, policy: policyName(each.policy), status: named("status", each.status), n: each.accounts };
    show(byId("news"), t("sweep.news", words));
  }
}

const charts = async () => {
  const [done, ahead] = await Promise.all([ask(`/days?days=${DAYS}`), ask(`/forecast?days=${DAYS}`)]);
  const days = Object.entries(ahead.policies).map(([policy, found]) => [policy, found.days]);
  await Promise.all([showChart("done", done.policies), showChart("ahead", Object.fromEntries(days))]);
};

async function begin() {
  const { actor, role } = await enter();
  show(byId("who"), t("who", { actor, role: named("role", role) }));
  byId("log-out").hidden = actor === "local";
  byId("log-out").addEventListener("click", async () => {
    await act("DELETE", "/session");
    location.assign("/login");
  });
  show(byId("holds-acts"), button("place", "operator", null, {}));
  live.add(status, () => (isRunning ? SECONDS.running : SECONDS.status));
  live.add(sweeps, () => (isRunning ? SECONDS.running : SECONDS.lists));
  live.add(async () => showActions(await ask(`/log/actions?limit=${limitOf("actions")}`)), SECONDS.lists);
  live.add(async () => showDecisions(await ask(`/decisions?limit=${limitOf("decisions")}`)), SECONDS.lists);
  live.add(async () => showHolds(await ask(`/holds?limit=${limitOf("holds")}`)), SECONDS.lists);
  live.add(async () => showQuarantine(await ask(`/quarantine?limit=${limitOf("quarantine")}`)), SECONDS.lists);
  live.add(async () => showHead(await ask("/log/head")), SECONDS.lists);
  live.add(charts, SECONDS.charts);
  beginActing(async () => {
    await live.now();
    explainAgain();
  });
  beginShowingMore(() => live.now());
  await live.begin();
  onResize(charts);
  beginExplaining();
  document.body.removeAttribute("aria-busy");
}

/** Begin, again and again until the server answers. */
async function beginOnceItAnswers() {
  try {
    await begin();
  } catch (error) {
    if (error.status === 401) return;
    show(byId("lost"), refusal(error));
    byId("lost").hidden = false;
    setTimeout(() => location.reload(), RETRY_MS);
    throw error;
  }
}

beginOnceItAnswers();
