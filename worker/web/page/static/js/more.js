// How much of each list is shown: a little at first, more when asked.

import { byId, h, show } from "./dom.js";
import { t } from "./texts.js";

const LEAST = 8;
const MOST = 1000;
const GROWS = 5;
const limits = new Map();

/** Return how many rows of a list to ask for. */
export const limitOf = (list) => limits.get(list) ?? LEAST;

/** Begin to offer more; `ask` is called when somebody wants it. */
export function beginShowingMore(ask) {
  document.addEventListener("click", (event) => {
    const list = event.target.closest("[data-more]")?.dataset.more;
    if (!list) return;
    limits.set(list, Math.min(MOST, limitOf(list) * GROWS));
    ask();
  });
}

/** Offer more of a list where there may be more than the rows shown. */
export function offerMore(list, rows) {
  const mayBeMore = rows.length >= limitOf(list) && limitOf(list) < MOST;
  show(byId(`${list}-more`), mayBeMore && h("button", { type: "button", class: "plain small", "data-more": list },
    t("more"), h("span", { class: "unseen" }, ` ${t(`${list}.heading`)}`)));
}
