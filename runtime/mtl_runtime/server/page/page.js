// Sentences -> POST v1/predict and v1/explain -> bars, words and code.
//
// Whatever comes from users, bundles and the server enters the page as text nodes, never as markup.

const MOST_BARS = 6; // of a task; the others are behind "more"
const MOST_WORDS = 4; // named on each side of an explanation
const SLIGHT = 0.05; // of a probability: a word that changes it by less is shaded lightly, if at all
const LEAST_WEIGHT = 0.1; // of the most important word; below it a word is neither shaded nor named
const MOST_CHECKED = 3; // models that are asked at first

const state = {
  key: null, // the API key; nowhere else
  models: [], // of v1/info
  scales: new Map(), // "model/task" -> mean and deviation of a regression's training rows
  loading: null, // what load() promises
  lastCall: null, // {path, body}
  asking: new AbortController(), // of what is under way
};

const byId = id => document.getElementById(id);

/** An element; children are elements, strings that become text, or null. */
function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [key, value] of Object.entries(attributes)) {
    if (typeof value === "function") made.addEventListener(key, value);
    else if (typeof value === "number") made.style.setProperty(`--${key}`, value);
    else if (value !== null) made.setAttribute(key, value);
  }
  made.append(...children.filter(child => child !== null));
  return made;
}

/** Text with escapes in place of characters that nobody sees and of those that turn the order of others. */
const CONTROLS = /[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]|\p{Surrogate}/gu;
const visible = text => text.replace(CONTROLS, found => `\\u${found.charCodeAt(0).toString(16).padStart(4, "0")}`);

/** A name that a reader of another direction of writing cannot mix up with its neighbours; it may break after _ and /. */
const name = text => element("bdi", {}, ...visible(text).split(/(?<=[_/])/).flatMap(part => [part, element("wbr")]));

const plural = (count, noun) => `${count.toLocaleString("en")} ${noun}${count === 1 ? "" : "s"}`;
const percent = share => `${(100 * share).toFixed(1)} %`;
const round = value => (Math.abs(value) >= 1000 ? value.toFixed(0) : Number(value.toPrecision(3)).toString());
const signed = (value, write) => `${value < 0 ? "−" : "+"}${write(Math.abs(value))}`;

// Talking to the server

/** A refusal as a sentence for people. */
class Refusal extends Error {
  constructor(sentence, status = 0) {
    super(sentence);
    this.status = status;
  }
}

/** The JSON that the server answers; a body makes it a POST. */
async function ask(path, body, signal) {
  return (await request(path, body, signal)).json();
}

async function request(path, body, signal) {
  const headers = { ...(body && { "Content-Type": "application/json" }), ...(state.key && { Authorization: `Bearer ${state.key}` }) };
  let response;
  try {
    response = await fetch(path, { method: body ? "POST" : "GET", headers, body: body && JSON.stringify(body), signal });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Refusal("The server cannot be reached. Is it still running?");
  }
  if (!response.ok) throw new Refusal(await sentence(response), response.status);
  return response;
}

async function sentence(response) {
  const problem = await response.json().catch(() => ({}));
  const wait = `Try again in ${plural(Number(response.headers.get("Retry-After") ?? 1), "second")}.`;
  switch (response.status) {
    case 401: return state.key ? "The server does not know this API key." : "This server asks for an API key.";
    case 422: return problem.index === undefined ? `The server refuses: ${problem.detail}.` : `Sentence ${problem.index + 1} ${problem.problem}.`;
    case 429: return `The server is busy. ${wait}`;
    case 503: return `The server is starting or stopping. ${wait}`;
    case 504: return `No answer in time: ${problem.detail}.`;
  }
  if (response.status < 500) return `The server refuses: ${problem.detail ?? response.statusText}.`;
  return `The server failed to answer. Its log has the reason, at the request ${response.headers.get("X-Request-Id")}.`;
}

/** Run what a person started; what goes wrong is said in a sentence. */
async function attempt(work) {
  byId("problem").hidden = true;
  try {
    await work();
  } catch (error) {
    if (error.name === "AbortError") return;
    if (!(error instanceof Refusal)) throw error;
    byId("status").textContent = "";
    byId("problem").textContent = visible(error.message);
    byId("problem").hidden = error.status === 401 && state.key === null;
    if (error.status === 401) askForKey(work);
  }
}

function askForKey(work) {
  byId("key").hidden = false;
  byId("secret").focus();
  byId("key").onsubmit = event => {
    event.preventDefault();
    const key = byId("secret").value.trim();
    if (!/^[\x21-\x7e]+$/.test(key)) return byId("secret").select();
    state.key = key;
    byId("secret").value = "";
    byId("key").hidden = true;
    byId("texts").focus();
    attempt(work);
  };
}

// Asking and answering

function sentences() {
  return byId("texts").value.split("\n").filter(line => line.trim());
}

function chosenModels() {
  const checked = new Set([...byId("choice").querySelectorAll(":checked")].map(box => box.value));
  return state.models.filter((model, place) => (state.models.length > 1 ? checked.has(model.name) : place === 0));
}

/** Only where there is a choice does a call name its model. */
const withModel = (model, body) => (state.models.length > 1 ? { ...body, model: model.name } : body);

async function answer() {
  await load();
  const texts = sentences(), models = chosenModels();
  state.asking.abort();
  state.asking = new AbortController();
  byId("status").textContent = !texts.length ? "Type a sentence first." : !models.length ? "Choose whom to ask." : "Asking …";
  if (!texts.length || !models.length) return;
  const signal = state.asking.signal;
  const results = await Promise.all(models.map(async model => {
    const body = withModel(model, { texts }), started = performance.now();
    const { predictions } = await ask("v1/predict", body, signal);
    return { model, predictions, milliseconds: performance.now() - started };
  }));
  byId("answers").replaceChildren(...texts.map((text, place) => article(text, place, results)));
  const times = results.map(({ model, milliseconds }) => (results.length > 1 ? `${visible(model.name)} ` : "") + duration(milliseconds));
  byId("status").textContent = `${plural(texts.length, "sentence")} answered in ${times.join(", ")}`;
  showCode({ path: "v1/predict", body: withModel(models[0], { texts }) });
}

const duration = milliseconds => `${milliseconds < 10 ? milliseconds.toFixed(1) : Math.round(milliseconds)} ms`;

function article(text, place, results) {
  const explained = new Map(); // model/task -> where its words go
  const button = element("button", { type: "button" }, "Which words?");
  button.setAttribute("aria-label", `Which words made the answers to: ${visible(text)}`);
  button.addEventListener("click", () => attempt(() => explain(text, results, explained, button)));
  const columns = results.map(result => modelAnswers(result, place, results.length > 1, explained));
  const differing = differences(results.map(result => result.predictions[place].answers));
  return element("article", {},
    element("div", { class: "asked" }, element("h3", { dir: "auto" }, visible(text)), button),
    differing.length ? element("p", { class: "quiet" }, `The models differ: ${differing.map(visible).join(", ")}`) : null,
    element("div", { class: "models" }, ...columns));
}

/** Names of tasks that the models answer with different labels. */
function differences(answers) {
  const labels = answer => JSON.stringify(answer?.label ?? answer?.labels);
  return Object.keys(answers[0]).filter(task => answers.some(other => Object.hasOwn(other, task) && labels(other[task]) !== labels(answers[0][task])));
}

function modelAnswers({ model, predictions, milliseconds }, place, isNamed, explained) {
  const { answers, tokens, truncated } = predictions[place];
  const tasks = Object.entries(answers).map(([task, answer]) => {
    const words = element("div", { class: "explained", hidden: "" });
    explained.set(`${model.name}/${task}`, words);
    return element("div", {}, taskAnswer(task, answer, state.scales.get(`${model.name}/${task}`)), words);
  });
  return element("section", {},
    isNamed ? element("h4", {}, name(model.name), element("span", { class: "quiet" }, ` ${model.variant}, ${duration(milliseconds)}`)) : null,
    truncated ? element("p", { class: "quiet" }, `Only the first ${tokens} tokens were read; the model reads no more.`) : null,
    element("div", { class: "tasks" }, ...tasks));
}

function taskAnswer(task, answer, scale) {
  if (answer.value !== undefined) return numberAnswer(task, answer.value, scale);
  const given = new Set(answer.labels ?? [answer.label]);
  const bars = Object.entries(answer.probabilities).map(([label, share]) =>
    bar(label, share, given.has(label), answer.thresholds?.[label]));
  const order = Object.values(answer.probabilities);
  const note = answer.thresholds ? element("p", { class: "quiet" }, "A label applies from its mark on.") : null;
  if (bars.length <= MOST_BARS) return element("div", {}, labelTable(task, [...given], bars), note);
  const sorted = bars.map((row, index) => [order[index], row]).sort(([a], [b]) => b - a).map(([, row]) => row);
  const rest = sorted.splice(MOST_BARS);
  return element("div", {}, labelTable(task, [...given], sorted),
    element("details", {}, element("summary", {}, `${plural(rest.length, "label")} more`), element("table", {}, element("tbody", {}, ...rest))), note);
}

function labelTable(task, given, rows) {
  const answer = given.flatMap((label, place) => [place ? ", " : "", name(label)]);
  return element("table", {},
    element("caption", {}, ...title(task, answer.length ? element("strong", {}, ...answer) : element("strong", { class: "none" }, "none of them"))),
    element("tbody", {}, ...rows));
}

const title = (task, answer) => [element("span", { class: "task" }, name(task), element("span", { class: "hidden" }, ": ")), answer];

function bar(label, share, isGiven, threshold) {
  const mark = threshold === undefined ? null : element("div", { class: "threshold", share: threshold, title: `applies from ${percent(threshold)} on` });
  return element("tr", isGiven ? { class: "given" } : {},
    element("th", { scope: "row" }, name(label), isGiven ? element("span", { class: "hidden" }, " (the answer)") : null),
    element("td", { "aria-hidden": "true" }, element("div", { class: "track" }, element("div", { class: "fill", share }), mark)),
    element("td", { class: "number" }, percent(share)));
}

/** A number, and where it lies among the numbers of training: mean and three deviations to each side. */
function numberAnswer(task, value, scale) {
  const answer = element("p", { class: "number" }, ...title(task, element("strong", {}, round(value))));
  if (!scale) return answer;
  const [low, high] = [scale.mean - 3 * scale.deviation, scale.mean + 3 * scale.deviation];
  const share = Math.min(1, Math.max(0, (value - low) / (high - low)));
  return element("div", {},
    answer,
    element("div", { class: "track", "aria-hidden": "true" }, element("div", { class: "threshold", share: 0.5 }), element("div", { class: "dot", share })),
    element("p", { class: "quiet scale" }, element("span", {}, round(low)), element("span", {}, `average of training ${round(scale.mean)}`), element("span", {}, round(high))));
}

// Which words

async function explain(text, results, explained, button) {
  const signal = state.asking.signal, started = performance.now();
  button.disabled = true;
  byId("status").textContent = "Leaving out each word in turn …";
  try {
    for (const { model } of results) {
      const body = withModel(model, { text });
      const { explanations } = await ask("v1/explain", body, signal);
      for (const [task, explanation] of Object.entries(explanations)) {
        const place = explained.get(`${model.name}/${task}`);
        place?.replaceChildren(...words(text, explanation));
        if (place) place.hidden = false;
      }
      showCode({ path: "v1/explain", body });
    }
    byId("status").textContent = `Explained in ${duration(performance.now() - started)}: blue words speak for an answer, orange ones against`;
  } finally {
    button.disabled = false;
  }
}

function words(text, { label, tokens, truncated }) {
  const characters = Array.from(text); // the server counts code points
  const least = LEAST_WEIGHT * Math.max(...tokens.map(token => Math.abs(token.importance)), label === null ? 0 : SLIGHT);
  const speaking = tokens.filter(token => Math.abs(token.importance) > least);
  const pieces = [];
  let end = 0;
  for (const { start, end: stop, importance } of tokens) {
    const word = visible(characters.slice(start, stop).join("")), weight = (LEAST_WEIGHT * Math.abs(importance)) / least;
    pieces.push(visible(characters.slice(end, start).join("")));
    pieces.push(weight > LEAST_WEIGHT ? element("span", { class: importance > 0 ? "for" : "against", weight }, word) : word);
    end = stop;
  }
  pieces.push(visible(characters.slice(end).join("")));
  const [subject, write] = label === null ? ["a greater number", round] : [visible(label), percent];
  return [
    element("p", { class: "words", dir: "auto", "aria-hidden": "true" }, ...pieces),
    side(speaking.filter(({ importance }) => importance > 0), "raises", `For ${subject}: `, write),
    side(speaking.filter(({ importance }) => importance < 0), "lowers", `Against ${subject}: `, write),
    speaking.length ? null : element("p", { class: "quiet" }, "No word decides this answer: it stays without any one of them."),
    truncated ? element("p", { class: "quiet" }, "Words beyond what the model reads are not explained.") : null,
  ].filter(part => part !== null);
}

function side(tokens, kind, heading, write) {
  if (!tokens.length) return null;
  const first = tokens.sort((a, b) => Math.abs(b.importance) - Math.abs(a.importance)).slice(0, MOST_WORDS);
  const named = first.flatMap(({ text, importance }, place) => [place ? ", " : "", name(text), ` ${signed(importance, write)}`]);
  return element("p", { class: `most ${kind}` }, element("bdi", {}, heading), ...named);
}

// Code

const WRITE_CODE = {
  curl: (url, body, key) => [
    `curl ${url} \\`,
    ...(key ? [`  -H "Authorization: Bearer $MTL_API_KEY" \\`] : []),
    `  -H 'Content-Type: application/json' \\`,
    `  -d '${body.replaceAll("'", `'\\''`)}'`,
  ],
  python: (url, body, key) => [
    `import json${key ? ", os" : ""}, urllib.request`, ``,
    `body = ${body}`,
    `headers = {"Content-Type": "application/json"${key ? `, "Authorization": "Bearer " + os.environ["MTL_API_KEY"]` : ""}}`,
    `request = urllib.request.Request("${url}", json.dumps(body).encode(), headers)`,
    `print(json.load(urllib.request.urlopen(request)))`,
  ],
  javascript: (url, body, key) => [
    `const response = await fetch("${url}", {`,
    `  method: "POST",`,
    `  headers: { "Content-Type": "application/json"${key ? `, Authorization: "Bearer " + process.env.MTL_API_KEY` : ""} },`,
    `  body: JSON.stringify(${body}),`,
    `});`,
    `console.log(await response.json());`,
  ],
};

/** JSON in which no character is invisible or turns the order of others; escapes mean the same in all three languages. */
const literal = value => JSON.stringify(value).replace(CONTROLS, visible);

function showCode(call = state.lastCall) {
  state.lastCall = call;
  const language = document.querySelector("input[name=language]:checked").value;
  const url = new URL(call.path, document.baseURI).href;
  byId("code").querySelector("code").textContent = WRITE_CODE[language](url, literal(call.body), state.key !== null).join("\n");
  byId("code").hidden = false;
}

async function copyCode() {
  const code = byId("code").querySelector("code");
  try {
    await navigator.clipboard.writeText(code.textContent);
    byId("copy").textContent = "Copied";
  } catch { // only pages over https or on this machine may write to the clipboard
    getSelection().selectAllChildren(code);
    byId("copy").textContent = "Selected";
  }
  setTimeout(() => (byId("copy").textContent = "Copy"), 2000);
}

// What is served

async function start() {
  const examples = await load();
  if (!examples.length || byId("texts").value) return;
  byId("texts").value = examples[0];
  byId("texts").select();
  await answer();
}

/** Learn and show what is served, once; the example sentences. */
const load = () => (state.loading ??= showServed().catch(error => {
  state.loading = null;
  throw error;
}));

async function showServed() {
  const [info, tasks] = await Promise.all([ask("v1/info"), ask("v1/tasks")]);
  const shown = await ask("ui/models").catch(() => ({ models: [] })); // a server may keep sentences to itself
  state.models = info.models;
  for (const model of tasks.models)
    for (const { name: task, standardization } of model.tasks)
      if (standardization) state.scales.set(`${model.name}/${task}`, standardization);
  showChoice();
  showFacts(new Map(shown.models.map(model => [model.name, model])));
  const examples = [...new Set(shown.models.flatMap(model => model.examples.slice(0, shown.models.length > 1 ? 2 : 4)))];
  showExamples(examples);
  return examples;
}

function showChoice() {
  const names = state.models.map(model => visible(model.name));
  const questions = new Set(state.models.flatMap(model => model.tasks));
  document.title = `Ask ${names.join(", ")}`;
  byId("served").textContent = `${names.join(", ")} ${names.length > 1 ? "answer" : "answers"} ${plural(questions.size, "question")} about each sentence: ${[...questions].map(visible).join(", ")}.`;
  byId("choice").hidden = names.length < 2;
  byId("choice").append(...state.models.map(({ name: model }, place) => {
    const box = element("input", { type: "checkbox", value: model, change: () => attempt(answer) });
    box.checked = place < MOST_CHECKED;
    return element("label", {}, box, name(model));
  }));
}

function showExamples(examples) {
  byId("examples").hidden = !examples.length;
  byId("examples").querySelector("ul").append(...examples.map(text => element("li", {}, element("button", {
    type: "button", dir: "auto", click: () => {
      byId("texts").value = text;
      attempt(answer);
    },
  }, visible(text)))));
}

function showFacts(shown) {
  byId("facts").hidden = false;
  byId("facts").append(...state.models.map(model => {
    const fact = (term, ...content) => element("div", {}, element("dt", {}, term), element("dd", {}, ...content));
    return element("dl", {},
      fact("Bundle", name(model.name), element("span", { class: "quiet" }, ` ${model.digest.slice(0, 12)}`)),
      fact("Variant", `${model.variant} on ${model.provider}`),
      fact("Reads", `${model.max_length} tokens of a sentence`),
      fact("Measured", shown.get(model.name)?.evidence ? evidenceLink(model) : "not shown here"));
  }));
}

/** A link cannot send a key, so with one the page is fetched and opened from memory. */
function evidenceLink(model) {
  const href = `ui/evidence/${encodeURIComponent(model.name)}`;
  const open = event => {
    if (state.key === null) return;
    event.preventDefault();
    const tab = globalThis.open("", "_blank");
    attempt(async () => {
      if (tab) tab.location = URL.createObjectURL(new Blob([await (await request(href)).blob()], { type: "text/html" }));
    });
  };
  return element("a", { href, target: "_blank", rel: "noreferrer", click: open }, "quality and speed");
}

byId("ask").addEventListener("submit", event => {
  event.preventDefault();
  attempt(answer);
});
byId("texts").addEventListener("keydown", event => {
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  attempt(answer);
});
byId("code").addEventListener("change", () => showCode());
byId("copy").addEventListener("click", copyCode);
attempt(start);
