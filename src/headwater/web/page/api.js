// The server's routes, as the page uses them. Owns how a request is made and how its error is told; knows no view.

const BASE = new URL(".", document.baseURI);
const SIGNED_OUT = "You are no longer signed in. Reload the page."; // to the application that the router is part of

export class Refused extends Error {
  constructor(status, code, message, hint) {
    super(message);
    this.status = status;
    this.code = code;
    this.hint = hint;
  }
}

export function url(path) {
  return new URL(path, BASE);
}

async function ask(method, path, body) {
  const response = await fetch(url(path), {
    method,
    credentials: "same-origin",
    headers: body === undefined ? {} : { "content-type": "application/json" },
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  if (!response.ok) throw await refusal(response);
  return response.status === 204 ? null : response.json();
}

export async function refusal(response) {
  let told = {};
  try {
    told = (await response.json()).error ?? {};
  } catch {
    // something in between answered, not our server
  }
  return new Refused(response.status, told.code ?? "", told.message ?? (response.status === 401 ? SIGNED_OUT : `The server answered ${response.status}.`), told.hint ?? "");
}

export const agents = () => ask("GET", "agents").then((body) => body.agents);
export const runs = () => ask("GET", "runs?limit=100").then((body) => body.runs);
export const run = (id) => ask("GET", `runs/${id}`);
export const start = (request) => ask("POST", "runs", request);
export const cancel = (id) => ask("POST", `runs/${id}/cancel`, {});
export const steer = (id, said) => ask("POST", `runs/${id}/messages`, said);
export const answer = (id, given) => ask("POST", `runs/${id}/answer`, given);
export const approve = (id, given) => ask("POST", `runs/${id}/approve`, given);

// The token stands in the address's fragment, which no request carries. It is traded for a cookie that no script reads.
export async function trade(token) {
  const response = await fetch(url("session"), {
    method: "POST",
    credentials: "same-origin",
    headers: { "content-type": "application/json", authorization: `Bearer ${token}` },
    body: "{}",
  });
  if (!response.ok) throw await refusal(response);
}
