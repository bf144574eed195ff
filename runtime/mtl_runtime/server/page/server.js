// Path and body -> what the server answers, or a refusal in a sentence for people.

import { plural } from "./elements.js";

export const session = { key: null }; // the API key; nowhere else

const PAUSE = 2; // seconds before a server that does not answer is asked again

/** A refusal as a sentence for people. */
export class Refusal extends Error {
  constructor(sentence, { status = 0, seconds = null } = {}) {
    super(sentence);
    this.status = status;
    this.seconds = seconds; // after which the same may be asked again; null: that would not help
  }
}

/** The JSON that the server answers; a body makes it a POST. */
export async function ask(path, body, signal) {
  return (await request(path, body, signal)).json();
}

export async function request(path, body, signal) {
  const headers = { ...(body && { "Content-Type": "application/json" }), ...(session.key && { Authorization: `Bearer ${session.key}` }) };
  let response;
  try {
    response = await fetch(path, { method: body ? "POST" : "GET", headers, body: body && JSON.stringify(body), signal });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Refusal("The server cannot be reached. This page asks again until it answers.", { seconds: PAUSE });
  }
  if (!response.ok) throw await refusal(response);
  return response;
}

async function refusal(response) {
  const problem = await response.json().catch(() => ({})), status = response.status;
  const isPassing = [429, 502, 503].includes(status);
  const seconds = isPassing ? Number(response.headers.get("Retry-After")) || PAUSE : null;
  const wait = isPassing && `This page asks again in ${plural(seconds, "second")}.`;
  return new Refusal(sentence(status, problem, wait, response.headers.get("X-Request-Id")), { status, seconds });
}

function sentence(status, problem, wait, id) {
  switch (status) {
    case 401: return session.key ? "The server does not know this API key." : "This server asks for an API key.";
    case 413: return "This is too much at once. Ask fewer sentences, or use mtl predict.";
    case 422: return problem.index === undefined ? `The server refuses: ${problem.detail}.` : `Sentence ${problem.index + 1} cannot be answered: ${problem.problem}.`;
    case 429: return `The server is busy. ${wait}`;
    case 502: return `The server cannot be reached. ${wait}`;
    case 503: return `The server is starting or stopping. ${wait}`;
    case 504: return "The answer took too long. Ask fewer or shorter sentences, or try again later.";
  }
  if (status < 500) return `The server refuses: ${problem.detail ?? `status ${status}`}.`;
  return `The server failed to answer. Its log has the reason, at the request ${id}.`;
}
