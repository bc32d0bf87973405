// Requests to the server of this page. The key arrives behind # in the link, which browsers send
// to nobody; it is kept for this tab and taken out of the address.

const KEY = "turing-key";
const RATER = "turing-rater"; // {name, session}

const fragment = new URLSearchParams(location.hash.slice(1)).get("k");
if (fragment) {
  sessionStorage.setItem(KEY, fragment);
  history.replaceState(null, "", location.pathname);
}

// A new link opened in this tab changes nothing but what is behind #.
addEventListener("hashchange", () => location.reload());

// What the server refuses, in its words; status 0 when it does not answer at all.
export class Refusal extends Error {
  constructor(status, sentence) {
    super(sentence);
    this.status = status;
  }
}

export function remembered() {
  return JSON.parse(sessionStorage.getItem(RATER) ?? "null");
}

export function remember(name, session) {
  sessionStorage.setItem(RATER, JSON.stringify({ name, session }));
}

export function forget() {
  sessionStorage.removeItem(RATER);
}

async function request(path, options = {}) {
  const headers = {
    "X-Turing-Key": sessionStorage.getItem(KEY) ?? "",
    "X-Turing-Rater": remembered()?.session ?? "",
    ...options.headers,
  };
  let reply;
  try {
    reply = await fetch(path, { ...options, headers });
  } catch {
    throw new Refusal(0, "The server does not answer. Your answers so far are safe.");
  }
  if (reply.ok) return reply;
  const sentence = (await reply.json().catch(() => ({}))).error;
  throw new Refusal(reply.status, sentence ?? `The server says ${reply.status}.`);
}

export async function get(path) {
  return (await request(path)).json();
}

export async function blob(path) {
  return (await request(path)).blob();
}

export async function post(path, body = {}) {
  const options = {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
  };
  return (await request(path, options)).json();
}
