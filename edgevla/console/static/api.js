// The console's HTTP half: the session, what is asked for, and what is read.

const ANSWER_MS = 3000;

/** The session has ended; only a new link opens another. */
export class SessionOver extends Error {}

let token = "";

/** Loads who we are and what the robot is like: {who, robot, version, …}. */
export async function openSession() {
  const session = await read("/api/session");
  token = session.token;
  return session;
}

/** GET as JSON; null where there is nothing (204). Throws `SessionOver`, or an Error when there is no answer. */
export async function read(path) {
  const answer = await fetch(path, { cache: "no-store", signal: AbortSignal.timeout(ANSWER_MS) });
  if (answer.status === 401) throw new SessionOver();
  if (answer.status === 204) return null;
  if (!answer.ok) throw new Error(`${path} answered ${answer.status}`);
  return answer.json();
}

/** POST. Always resolves: {ok, why, reached, …}; `reached` says whether the console answered at all. */
export async function ask(what, body = {}) {
  try {
    const answer = await fetch(`/api/${what}`, {
      method: "POST",
      headers: { "Content-Type": "application/json", "X-EdgeVLA-Token": token },
      body: JSON.stringify(body),
      keepalive: true, // a release is sent even while the page is being closed
      signal: AbortSignal.timeout(ANSWER_MS),
    });
    if (answer.status === 401) return { ok: false, reached: true, over: true, why: "your session has ended" };
    return { ok: false, why: `refused (${answer.status})`, ...(await answer.json().catch(() => ({}))), reached: true };
  } catch {
    return { ok: false, reached: false, why: "the console does not answer" };
  }
}
