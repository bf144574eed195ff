// Predictions -> a card for each sentence: bars of every task, by every model that was asked.

import { duration, element, inWords, name, percent, plural, round, visible } from "./elements.js";
import { words, wordsToggle } from "./words.js";

const MOST_BARS = 6; // of a task; the others are behind "more"
const MOST_CARDS = 10; // that are open; of more sentences each is a row that opens

/**
 * Cards or, of many sentences, rows.
 *
 * `results` has for each model that was asked `model`, `predictions` and `milliseconds`; `scales` the mean and deviation
 * of each regression's training rows, by "model/task"; `explain` asks a model for explanations of a text.
 */
export function cards(texts, results, options) {
  return texts.map((text, place) => (texts.length > MOST_CARDS ? row : card)(text, place, results, options));
}

function card(text, place, results, options) {
  const heading = element("h3", { id: `sentence-${place}`, dir: "auto", class: "clamped" }, visible(text));
  const { button, content, close } = body(text, place, results, options);
  return article(close, element("div", { class: "asked" }, element("div", {}, heading), button), ...content);
}

/** What is in a row is made when it is opened: there may be a thousand of them. */
function row(text, place, results, options) {
  const heading = element("h3", { id: `sentence-${place}`, dir: "auto" }, visible(text));
  const given = givenAnswers(results[0].predictions[place].answers, false) + (differing(results, place) ? "; the models differ" : "");
  let close = () => {};
  const details = element("details", {}, element("summary", {}, heading, element("span", { class: "quiet" }, given)));
  details.addEventListener("toggle", () => {
    if (details.childElementCount > 1) return;
    const { button, content, close: closeWords } = body(text, place, results, options);
    close = closeWords;
    details.append(element("div", { class: "asked" }, button), ...content);
  });
  return article(() => close(), details);
}

function article(close, ...content) {
  return element("article", { keydown: event => event.key === "Escape" && close() }, ...content);
}

function body(text, place, results, { scales, isNamed, explain }) {
  const places = new Map(); // model/task -> where its words go
  async function fill() {
    for (const { model } of results)
      for (const [task, explanation] of Object.entries(await explain(model, text)))
        places.get(`${model.name}/${task}`)?.replaceChildren(...words(text, explanation));
  }
  const columns = results.map(result => modelAnswers(result, place, isNamed, scales, places));
  const { button, below, close } = wordsToggle(`sentence-${place}`, [...places.values()], fill);
  return { button, close, content: [differing(results, place), element("div", { class: "models" }, ...columns), ...below].filter(part => part !== null) };
}

/** What the tasks answer, as text. */
export function givenAnswers(answers, withTasks) {
  return Object.entries(answers).map(([task, { value, label, labels }]) => {
    const given = value !== undefined ? round(value) : visible((labels ?? [label]).join(" and ") || "none of them");
    return withTasks ? `${visible(task)}: ${given}` : given;
  }).join(", ");
}

/** Names of tasks that the models answer with different labels; null: there are none. */
function differing(results, place) {
  const answers = results.map(result => result.predictions[place].answers);
  const labels = answer => JSON.stringify(answer?.label ?? answer?.labels);
  const tasks = Object.keys(answers[0]).filter(task =>
    answers.some(other => Object.hasOwn(other, task) && labels(other[task]) !== labels(answers[0][task])));
  return tasks.length ? element("p", { class: "quiet" }, `The models differ: ${tasks.map(visible).join(", ")}`) : null;
}

function modelAnswers({ model, predictions, milliseconds }, place, isNamed, scales, places) {
  const { answers, tokens, truncated } = predictions[place];
  const tasks = Object.entries(answers).map(([task, answer]) => {
    const key = `${model.name}/${task}`, explained = element("div", { class: "explained", hidden: "" });
    places.set(key, explained);
    return element("div", {}, taskAnswer(task, answer, scales.get(key)), explained);
  });
  return element("section", {},
    isNamed ? element("h4", {}, name(model.name), element("span", { class: "quiet" }, ` ${model.variant}, ${duration(milliseconds)}`)) : null,
    truncated ? element("p", { class: "quiet" }, `Only the first ${tokens} tokens (${inWords(tokens)}) were read; the model reads no more.`) : null,
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

/** Let long sentences be read whole; only what is on the page has a height. */
export function unclamp(cards) {
  for (const heading of cards.querySelectorAll(".clamped")) {
    if (heading.scrollHeight <= heading.clientHeight + 1) continue;
    const button = element("button", { type: "button", class: "small", "aria-expanded": "false" }, "Show all");
    button.addEventListener("click", () => {
      const isWhole = !heading.classList.toggle("clamped");
      button.textContent = isWhole ? "Show less" : "Show all";
      button.setAttribute("aria-expanded", String(isWhole));
    });
    heading.after(button);
  }
}
