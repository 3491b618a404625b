// Keeping what is shown up to date: each part asked again after its time, and said so when that fails.

import { Refusal } from "./api.js";
import { byId, show } from "./dom.js";
import { refusal } from "./say.js";
import { t, timeOfDay } from "./texts.js";

const TICK = 500;

/** Parts that are asked for again and again. */
export class Live {
  #parts = [];
  #heard = new Date();
  #lost = false;

  /** Ask by `refresh` every so many seconds; `seconds` may be a function that is asked each time. */
  add(refresh, seconds) {
    this.#parts.push({ refresh, seconds: typeof seconds === "function" ? seconds : () => seconds, next: 0, busy: false, error: null });
  }

  /** Begin; resolves once all parts have answered. */
  async begin() {
    await this.now();
    setInterval(() => this.#tick(), TICK);
    document.addEventListener("visibilitychange", () => this.#tick());
  }

  /** Ask for all parts at once. */
  async now() {
    await Promise.all(this.#parts.map((part) => this.#refresh(part)));
  }

  #tick() {
    if (document.hidden) return;
    const now = performance.now();
    for (const part of this.#parts) if (!part.busy && part.next <= now) this.#refresh(part);
  }

  async #refresh(part) {
    part.busy = true;
    try {
      await part.refresh();
      part.error = null;
    } catch (error) {
      if (!(error instanceof Refusal) && !isNetwork(error)) throw error;
      part.error = error;
    } finally {
      part.busy = false;
      part.next = performance.now() + part.seconds() * 1000;
    }
    this.#tell();
  }

  /** Say when figures cannot be had, once, and when they can be again. */
  #tell() {
    const error = this.#parts.map((part) => part.error).find((each) => each);
    if (!error) this.#heard = new Date();
    if (Boolean(error) === this.#lost) return;
    this.#lost = Boolean(error);
    document.body.classList.toggle("stale", this.#lost);
    byId("lost").hidden = !this.#lost;
    if (this.#lost) show(byId("lost"), refusal(error), " ", t("live.lost", { time: timeOfDay(this.#heard) }));
    else show(byId("news"), t("live.again"));
  }
}

/** Say whether an error means that nobody answered, and not that our own script is wrong. */
function isNetwork(error) {
  return ["TimeoutError", "AbortError"].includes(error.name)
    || (error.name === "TypeError" && /fetch|network|load/i.test(error.message));
}
