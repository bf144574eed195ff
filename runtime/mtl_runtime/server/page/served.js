// What the server says of its models -> the subtitle and the footer.

import { element, inWords, name, number, visible } from "./elements.js";
import { Refusal, ask, session } from "./server.js";

const MOST_LABELS = 6; // of a task that are named before anything is asked
const NUMBERS = ["no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"];

const REASONS = {
  403: "not shown at this address, only at 127.0.0.1",
  404: "not shown: the server was started without --page-data",
};

/** A server may keep sentences and evidence to itself; the page says why. */
export async function askPageData() {
  try {
    return { ...(await ask("ui/models")), reason: "not yet; mtl verify does it" };
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    return { models: [], reason: REASONS[error.status] ?? "not shown here" };
  }
}

/** Which questions the models answer, and with what. Models may share questions. */
export function describeQuestions(models, tasks) {
  const questions = [...new Map(tasks.map(task => [task.name, task])).values()];
  const names = models.flatMap((model, place) => [!place ? "" : place === models.length - 1 ? " and " : ", ", element("strong", {}, name(model.name))]);
  const isOne = models.length === 1, count = NUMBERS[questions.length] ?? number(questions.length);
  return [
    isOne ? "The model " : "The models ", ...names, isOne ? " answers " : " answer ",
    `${count} question${questions.length === 1 ? "" : "s"} about each sentence: `,
    ...questions.flatMap((task, place) => [place ? ", " : "", name(task.name), ` (${describeAnswers(task)})`]), ".",
  ];
}

function describeAnswers({ kind, labels }) {
  if (kind === "regression") return "a number";
  const rest = labels.length - MOST_LABELS;
  return (kind === "multi_label" ? "any of " : "") + labels.slice(0, MOST_LABELS).map(visible).join(", ") + (rest > 0 ? ` and ${number(rest)} more` : "");
}

/** The facts of a model in the footer; `open` opens a page where a link alone would bring no key. */
export function describeModel(model, { models, reason }, open) {
  const isMeasured = models.some(shown => shown.name === model.name && shown.evidence);
  const fact = (term, ...content) => element("div", {}, element("dt", {}, term), element("dd", {}, ...content));
  return element("dl", {},
    fact("Bundle", name(model.name), element("span", { class: "quiet" }, ` ${model.digest.slice(0, 12)}`)),
    fact("Variant", `${model.variant} on ${model.provider}`),
    fact("Reads", `${number(model.max_length)} tokens of a sentence, ${inWords(model.max_length)}`),
    fact("Measured", ...(isMeasured ? evidenceLink(model, open) : [reason])));
}

function evidenceLink(model, open) {
  const href = `ui/evidence/${encodeURIComponent(model.name)}`;
  const click = event => {
    if (session.key === null) return;
    event.preventDefault();
    open(href);
  };
  return [element("a", { href, target: "_blank", rel: "noreferrer", click }, "quality and speed"), element("span", { class: "quiet" }, " in a new tab")];
}
