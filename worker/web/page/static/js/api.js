// The API: asking and acting as whoever is logged in, and what it refuses.

const ROLES = ["viewer", "operator", "approver"];
const PATIENCE = 15_000;

let session = null;

/** What the server answers when it does not do what it was asked. */
export class Refusal extends Error {
  constructor(status, detail) {
    super(detail);
    this.status = status;
  }
}

/** Ask for a document; sends to the login where nobody is logged in. */
export async function ask(path) {
  return answer(await send("GET", path));
}

/** Find out who is here; returns {actor, role, …}. */
export async function enter() {
  session = await ask("/session");
  return session;
}

/** Say whether whoever is here may do what needs a role. */
export const may = (role) => ROLES.indexOf(session.role) >= ROLES.indexOf(role);
export const isMe = (actor) => actor === session.actor;

/** Act; the session's secret is fetched anew, for a server that was started again may have another. */
export async function act(method, path, body) {
  await enter();
  return answer(await send(method, path, body, { "X-CSRF-Token": session.csrf_token }));
}

/** Exchange a token for a session. */
export async function logIn(token) {
  return answer(await send("POST", "/session", { token }), { asked: true });
}

async function send(method, path, body, headers = {}) {
  const signal = AbortSignal.timeout(PATIENCE);
  const how = { method, headers, signal, cache: "no-store", credentials: "same-origin" };
  if (body !== undefined) {
    how.body = JSON.stringify(body);
    headers["Content-Type"] = "application/json";
  }
  return fetch(`/api/v1${path}`, how);
}

async function answer(response, { asked = false } = {}) {
  if (response.status === 204) return null;
  if (response.ok) return response.json();
  if (response.status === 401 && !asked) location.assign("/login");
  const problem = await response.json().catch(() => ({ detail: response.statusText }));
  throw new Refusal(response.status, problem.detail);
}
