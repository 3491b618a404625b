// Acts: a dialog asks why and is confirmed; then what came of it, or what the server refused, is said in words.

import { act } from "./api.js";
import { byId, show } from "./dom.js";
import { policyName, refusal } from "./say.js";
import { t } from "./texts.js";

// What each act sends where; `grave` ones cannot be undone and are confirmed by a box of their own.
const ACTS = {
  run: { path: () => "/sweeps", body: ({ policy }) => ({ policy }) },
  approve: { path: ({ sweep }) => `/sweeps/${sweep}/approve`, grave: true },
  reject: { path: ({ sweep }) => `/sweeps/${sweep}/reject` },
  pause: { path: ({ policy }) => `/policies/${policy}/pause` },
  resume: { path: ({ policy }) => `/policies/${policy}/resume` },
  place: { path: () => "/holds", body: ({ account }) => ({ account_id: Number(account) }), asksAccount: true },
  release: { path: ({ hold }) => `/holds/${hold}/release`, grave: true },
  retry: { path: ({ account }) => `/quarantine/${account}/retry` },
  retry_all: { path: () => "/quarantine/retry" },
};

let under = null;

/** Begin to offer acts; `done` is called after each that was carried out. */
export function beginActing(done) {
  document.addEventListener("click", (event) => {
    const pressed = event.target.closest("[data-act]");
    if (pressed) open(pressed.dataset.act, pressed.dataset);
  });
  byId("act-form").addEventListener("submit", (event) => {
    event.preventDefault();
    carryOut(done);
  });
  byId("act-cancel").addEventListener("click", () => byId("act").close());
  byId("said-close").addEventListener("click", () => { byId("said").hidden = true; });
}

function open(name, { policy, sweep, account, accounts, hold }) {
  const how = ACTS[name];
  under = { name, told: { policy, sweep, account, hold } };
  const words = { sweep, account, hold, policy: policy && policyName(policy) };
  show(byId("act-title"), t(`act.${name}.title`, words));
  show(byId("act-what"), t(`act.${name}.what`, { ...words, n: Number(accounts ?? 0) }));
  const form = byId("act-form");
  form.reset();
  field("account", how.asksAccount, account ?? "");
  field("sure", how.grave, false);
  show(byId("act-confirm"), t(`act.${name}.button`));
  byId("act-confirm").classList.toggle("grave", Boolean(how.grave));
  byId("act-refused").hidden = true;
  byId("act").showModal();
  byId(how.asksAccount && !account ? "act-account" : "act-reason").focus();
}

function field(name, wanted, value) {
  const input = byId(`act-${name}`);
  byId(`act-${name}-field`).hidden = !wanted;
  input.disabled = !wanted;
  if (typeof value === "string") input.value = value;
}

async function carryOut(done) {
  const { name, told } = under;
  const how = ACTS[name];
  if (how.asksAccount) told.account = byId("act-account").value;
  const body = { ...how.body?.(told), reason: byId("act-reason").value.trim() };
  const confirm = byId("act-confirm");
  confirm.disabled = true;
  byId("act-form").setAttribute("aria-busy", "true");
  try {
    const answer = await act("POST", how.path(told), body);
    byId("act").close();
    say(name, told, answer);
    done();
  } catch (error) {
    show(byId("act-refused"), refusal(error));
    byId("act-refused").hidden = false;
  } finally {
    confirm.disabled = false;
    byId("act-form").removeAttribute("aria-busy");
  }
}

function say(name, told, answer) {
  const words = { ...told, policy: told.policy && policyName(told.policy) };
  if (name === "run") words.sweep = answer.sweeps.map((each) => each.id).join(", ");
  if (name === "retry_all") words.n = answer.retried.length;
  if (name === "release") words.account = answer.account_id;
  show(byId("said-text"), t(`act.${name}.done`, words));
  byId("said").hidden = false;
}
