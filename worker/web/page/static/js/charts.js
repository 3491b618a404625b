// Charts: drawn by the server at the width they are shown, beside the same figures as a table.

import { Refusal } from "./api.js";
import { byId, h, show, table } from "./dom.js";
import { POLICIES, policyName, refusal } from "./say.js";
import { day, number, t } from "./texts.js";

const WIDTHS = { least: 240, most: 2000 };

/** Draw one kind of chart, `done` or `ahead`; `days` is each policy's list of {day, accounts}. */
export async function showChart(kind, days) {
  await Promise.all(POLICIES.map((policy) => draw(kind, policy)));
  const byDay = new Map();
  for (const policy of POLICIES) {
    for (const each of days[policy]) byDay.set(each.day, { ...byDay.get(each.day), [policy]: each.accounts });
  }
  const columns = [["day", t("chart.day")], ...POLICIES.map((policy) => [policy, policyName(policy), "number"])];
  const rows = [...byDay].map(([date, counts]) => ({
    key: date,
    cells: { day: day(date), ...Object.fromEntries(POLICIES.map((policy) => [policy, number(counts[policy])])) },
  }));
  show(byId(`${kind}-table`), table(t(`chart.${kind}`), columns, rows));
  for (const policy of POLICIES) {
    const n = days[policy].reduce((sum, each) => sum + each.accounts, 0);
    show(byId(`${kind}-${policy}-sum`), t("chart.sum", { n }));
  }
}

async function draw(kind, policy) {
  const place = byId(`${kind}-${policy}`);
  const width = Math.min(WIDTHS.most, Math.max(WIDTHS.least, Math.round(place.clientWidth)));
  const response = await fetch(`/charts/${kind}/${policy}.svg?width=${width}`);
  place.dataset.width = width;
  if (!response.ok) {
    const { detail } = await response.json().catch(() => ({ detail: response.statusText }));
    place.replaceChildren(h("p", { class: "note late", role: "alert" }, refusal(new Refusal(response.status, detail))));
    return;
  }
  const drawn = new DOMParser().parseFromString(await response.text(), "image/svg+xml").documentElement;
  place.replaceChildren(document.adoptNode(drawn));
}

/** Call back when a chart is shown at another width than it was drawn for. */
export function onResize(redraw) {
  let waiting = null;
  const changed = new ResizeObserver((entries) => {
    if (!entries.some(({ target }) => Math.abs(target.clientWidth - (target.dataset.width ?? 0)) > 8)) return;
    clearTimeout(waiting);
    waiting = setTimeout(redraw, 200);
  });
  for (const place of document.querySelectorAll(".drawing")) changed.observe(place);
}

