// Explanations -> a text with its words shaded, and what each of them changes.

import { duration, element, name, percent, round, visible } from "./elements.js";
import { Refusal } from "./server.js";

const MOST_WORDS = 4; // named under a shaded text
const SLIGHT = 0.05; // of a probability: a word that changes it by less is shaded lightly, if at all
const LEAST_WEIGHT = 0.1; // of the most important word; below it a word is neither shaded nor named

const LEGEND = "Blue words speak for an answer, orange ones against it. Each word was left out in turn; the effects do not add up.";

/**
 * A button that shows and hides which words made the answers of a card, and what goes under these words.
 *
 * `fill` asks for explanations and puts them into `places`; the button does so once.
 */
export function wordsToggle(heading, places, fill) {
  const id = `${heading}-words`;
  const button = element("button", { type: "button", id, class: "explain", "aria-expanded": "false", "aria-labelledby": `${id} ${heading}` }, "Which words?");
  const note = element("p", { class: "quiet legend", role: "status" });
  const problem = element("p", { class: "note problem", role: "alert", hidden: "" });
  let legend = null; // once there are explanations

  function show(isShown) {
    for (const place of places) place.hidden = !isShown || !place.hasChildNodes();
    note.textContent = isShown ? legend : "";
    button.textContent = isShown ? "Hide words" : "Which words?";
    button.setAttribute("aria-expanded", String(isShown));
  }

  async function explain() {
    const started = performance.now();
    button.setAttribute("aria-disabled", "true"); // and not disabled, which would take the focus away
    button.textContent = "Working …";
    note.textContent = "Leaving out each word in turn …";
    problem.hidden = true;
    try {
      await fill();
      legend = `${LEGEND} It took ${duration(performance.now() - started)}.`;
    } catch (error) {
      if (error.name === "AbortError") return;
      if (!(error instanceof Refusal)) throw error;
      problem.textContent = visible(error.message);
      problem.hidden = false;
    } finally {
      button.removeAttribute("aria-disabled");
      show(legend !== null);
    }
  }

  const isOpen = () => button.getAttribute("aria-expanded") === "true";
  button.addEventListener("click", () => {
    if (button.hasAttribute("aria-disabled")) return;
    if (isOpen() || legend !== null) show(!isOpen());
    else explain();
  });
  const close = () => {
    if (!isOpen()) return;
    show(false);
    button.focus();
  };
  return { button, below: [problem, note], close };
}

/** A text with its words shaded, and the strongest ones with what changes without them. */
export function words(text, { label, baseline, tokens, truncated }) {
  const least = LEAST_WEIGHT * Math.max(...tokens.map(token => Math.abs(token.importance)), label === null ? 0 : SLIGHT);
  const speaking = tokens.filter(token => Math.abs(token.importance) > least);
  return [
    element("p", { class: "words", dir: "auto", "aria-hidden": "true" }, ...shade(text, tokens, least, truncated)),
    speaking.length ? effects(speaking, tokens, label, baseline) : element("p", { class: "quiet" }, "No word decides this answer: it stays without any one of them."),
    truncated ? element("p", { class: "quiet" }, "Words beyond what the model reads are not explained.") : null,
  ].filter(part => part !== null);
}

function shade(text, tokens, least, truncated) {
  const characters = Array.from(text); // the server counts code points
  const slice = (start, stop) => visible(characters.slice(start, stop).join(""));
  const pieces = [];
  let end = 0;
  for (const { start, end: stop, importance } of tokens) {
    const word = slice(start, stop), weight = (LEAST_WEIGHT * Math.abs(importance)) / least;
    pieces.push(slice(end, start));
    pieces.push(weight > LEAST_WEIGHT ? element("span", { class: importance > 0 ? "for" : "against", weight }, word) : word);
    end = stop;
  }
  return [...pieces, truncated ? " …" : slice(end)];
}

/** The strongest words, each with the answer's score without it. Punctuation is shaded, but no word to name. */
function effects(speaking, tokens, label, baseline) {
  const [subject, write] = label === null ? ["the number", round] : [visible(label), percent];
  const strongest = speaking
    .filter(({ text }) => /[\p{L}\p{N}\p{S}]/u.test(text))
    .sort((a, b) => Math.abs(b.importance) - Math.abs(a.importance))
    .slice(0, MOST_WORDS);
  return element("ul", { class: "effects" }, ...strongest.map(token => element("li", { class: token.importance > 0 ? "raises" : "lowers" },
    "Without “", name(token.text), `”${whichOf(token, tokens)}: `, element("bdi", {}, subject),
    ` ${token.importance > 0 ? "falls" : "rises"} from ${write(baseline)} to ${write(baseline - token.importance)}`)));
}

/** Which of several equal words it is. */
function whichOf(token, tokens) {
  const equal = tokens.filter(({ text }) => text.toLowerCase() === token.text.toLowerCase());
  return equal.length > 1 ? ` (${equal.indexOf(token) + 1} of ${equal.length})` : "";
}
