// Sentences -> POST v1/predict and v1/explain -> cards, and the same call as code.

import { cards, givenAnswers, unclamp } from "./answers.js";
import { writeCode } from "./code.js";
import { byId, duration, element, name, number, plural, visible } from "./elements.js";
import { askPageData, describeModel, describeQuestions } from "./served.js";
import { Refusal, ask, request, session } from "./server.js";

const MOST_CHECKED = 3; // models that are asked at first

const state = {
  models: [], // of v1/info
  limits: null, // of v1/info
  scales: new Map(), // "model/task" -> mean and deviation of a regression's training rows
  single: new Set(), // names of tasks that always choose one label
  loading: null, // what load() promises
  texts: [], // that were answered last
  asking: new AbortController(), // of what is under way
  again: null, // timer of what is asked again
};

/** Run what a person started. What goes wrong is said in a sentence, until something goes well. */
async function attempt(work) {
  clearTimeout(state.again);
  try {
    await work();
    showProblem(null);
  } catch (error) {
    if (error.name === "AbortError") return;
    if (!(error instanceof Refusal)) throw error;
    byId("status").textContent = "";
    showProblem(error.status === 401 && session.key === null ? null : visible(error.message));
    if (error.status === 401) askForKey(work);
    else if (error.seconds !== null) state.again = setTimeout(() => attempt(work), 1000 * error.seconds);
  }
}

function showProblem(sentence) {
  byId("problem").hidden = sentence === null;
  if (byId("problem").textContent !== sentence) byId("problem").textContent = sentence; // else it would be read aloud again
}

function askForKey(work) {
  byId("key").hidden = false;
  byId("secret").focus();
  byId("key").onsubmit = event => {
    event.preventDefault();
    const key = byId("secret").value.trim();
    if (!/^[\x21-\x7e]+$/.test(key)) return byId("secret").select();
    session.key = key;
    byId("secret").value = "";
    byId("key").hidden = true;
    byId("texts").focus();
    attempt(work);
  };
}

// Asking and answering

function chosenModels() {
  const checked = new Set([...byId("choice").querySelectorAll(":checked")].map(box => box.value));
  return state.models.filter((model, place) => (state.models.length > 1 ? checked.has(model.name) : place === 0));
}

/** Only where there is a choice does a call name its model. */
const withModel = (model, body) => (state.models.length > 1 ? { ...body, model: model.name } : body);

function answerField() {
  const texts = byId("texts").value.split("\n").filter(line => line.trim());
  return attempt(() => answer(texts));
}

async function answer(texts) {
  await load();
  const models = chosenModels();
  state.asking.abort();
  state.asking = new AbortController();
  const { signal } = state.asking;
  byId("answers").classList.add("stale");
  const isAsked = showHint(!texts.length ? "Type a sentence first." : !models.length ? "Choose whom to ask." : null);
  byId("status").textContent = isAsked ? "Asking …" : "";
  if (!isAsked) return;
  refuseExcess(texts);
  const results = await Promise.all(models.map(async model => {
    const started = performance.now();
    const { predictions } = await ask("v1/predict", withModel(model, { texts }), signal);
    return { model, predictions, milliseconds: performance.now() - started };
  }));
  const explain = async (model, text) => (await ask("v1/explain", withModel(model, { text }), signal)).explanations;
  byId("cards").replaceChildren(...cards(texts, results, { scales: state.scales, isNamed: state.models.length > 1, explain }));
  unclamp(byId("cards"));
  byId("answers").classList.remove("stale");
  state.texts = texts;
  showStatus(texts, results);
  showAlways(results);
  showChosen(texts);
  showCode();
}

/** Whether nothing is missing; what is, is said next to the field. */
function showHint(sentence) {
  byId("hint").hidden = sentence === null;
  byId("hint").textContent = sentence;
  return sentence === null;
}

/** What the server would refuse anyway, in words for whoever typed it. */
function refuseExcess(texts) {
  const { texts: most, text_bytes: longest } = state.limits;
  const size = bytes => (bytes < 1024 ? plural(bytes, "byte") : `${number(Math.ceil(bytes / 1024))} KB`);
  if (texts.length > most) throw new Refusal(`These are ${plural(texts.length, "line")}; at most ${plural(most, "line")} here. For more, use mtl predict.`);
  const sizes = texts.map(text => new TextEncoder().encode(text).length), place = sizes.findIndex(bytes => bytes > longest);
  if (place >= 0) throw new Refusal(`Sentence ${place + 1} is too long (${size(sizes[place])}, at most ${size(longest)}). Shorten it.`);
}

function showStatus(texts, results) {
  const prefix = model => (results.length > 1 ? `${visible(model.name)} ` : "");
  const times = results.map(({ model, milliseconds }) => prefix(model) + duration(milliseconds));
  const spoken = results.map(({ model, predictions }) => prefix(model) + givenAnswers(predictions[0].answers, true)).join("; ");
  byId("status").replaceChildren(
    texts.length === 1 ? element("span", { class: "hidden" }, `${spoken}. `) : "",
    `${plural(texts.length, "sentence")} answered in ${times.join(", ")}`);
}

function showAlways(results) {
  const tasks = new Set(results.flatMap(({ predictions }) => Object.keys(predictions[0].answers)));
  const single = [...tasks].filter(task => state.single.has(task)).map(visible);
  const subject = single.length < tasks.size ? `For ${single.join(", ")} it` : "It";
  byId("always").hidden = !single.length;
  byId("always").textContent = `${subject} always chooses one of these labels, also for texts on something else.`;
}

function showChosen(texts) {
  for (const button of byId("examples").querySelectorAll("button"))
    button.setAttribute("aria-pressed", String(texts.length === 1 && visible(texts[0]) === button.textContent));
}

// Code

const BODIES = { predict: texts => ({ texts }), explain: ([text]) => ({ text }) };

function showCode() {
  const [call, language] = ["call", "language"].map(choice => document.querySelector(`input[name=${choice}]:checked`).value);
  const url = new URL(`v1/${call}`, document.baseURI).href, body = withModel(state.models[0], BODIES[call](state.texts));
  byId("code").querySelector("code").textContent = writeCode(language, url, body, session.key !== null);
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
  await answer([examples[0]]);
}

/** Learn and show what is served, once; the example sentences. */
const load = () => (state.loading ??= showServed().catch(error => {
  state.loading = null;
  throw error;
}));

async function showServed() {
  const [info, tasks, shown] = await Promise.all([ask("v1/info"), ask("v1/tasks"), askPageData()]);
  state.models = info.models;
  state.limits = info.limits;
  for (const model of tasks.models)
    for (const task of model.tasks) {
      if (task.standardization) state.scales.set(`${model.name}/${task.name}`, task.standardization);
      if (task.kind === "single_label") state.single.add(task.name);
    }
  document.title = `Ask ${state.models.map(model => visible(model.name)).join(", ")}`;
  byId("served").replaceChildren(...describeQuestions(state.models, tasks.models.flatMap(model => model.tasks)));
  showChoice();
  byId("facts").append(...state.models.map(model => describeModel(model, shown, openPage)));
  byId("facts").hidden = false;
  const examples = [...new Set(shown.models.flatMap(model => model.examples.slice(0, shown.models.length > 1 ? 2 : 4)))];
  showExamples(examples);
  return examples;
}

function showChoice() {
  byId("choice").hidden = state.models.length < 2;
  byId("choice").append(...state.models.map(({ name: model }, place) => {
    const box = element("input", { type: "checkbox", value: model, change: answerField });
    box.checked = place < MOST_CHECKED;
    return element("label", {}, box, name(model));
  }));
}

function showExamples(examples) {
  byId("examples").hidden = !examples.length;
  byId("examples").querySelector("ul").append(...examples.map(text => element("li", {}, element("button", {
    type: "button", dir: "auto", "aria-pressed": "false", click: () => {
      byId("texts").value = text;
      answerField();
    },
  }, visible(text)))));
}

/** Fetch a page with the key and open it from memory, since a link cannot send a key. */
function openPage(href) {
  const tab = globalThis.open("", "_blank");
  attempt(async () => {
    if (tab) tab.location = URL.createObjectURL(new Blob([await (await request(href)).blob()], { type: "text/html" }));
  });
}

byId("ask").addEventListener("submit", event => {
  event.preventDefault();
  answerField();
});
byId("texts").addEventListener("keydown", event => {
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  answerField();
});
byId("texts").addEventListener("input", () => showHint(null));
byId("code").addEventListener("change", showCode);
byId("copy").addEventListener("click", copyCode);
attempt(start);
