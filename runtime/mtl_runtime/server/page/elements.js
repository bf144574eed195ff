// Values -> text and elements. Whatever comes from users, bundles and the server becomes text nodes, never markup.

export const byId = id => document.getElementById(id);

/** An element; children are elements, strings that become text, or null. */
export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [key, value] of Object.entries(attributes)) {
    if (typeof value === "function") made.addEventListener(key, value);
    else if (typeof value === "number") made.style.setProperty(`--${key}`, value);
    else if (value !== null) made.setAttribute(key, value);
  }
  made.append(...children.filter(child => child !== null));
  return made;
}

const CONTROLS = /[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]|\p{Surrogate}/gu;

/** Text with escapes in place of characters that nobody sees and of those that turn the order of others. */
export const visible = text => text.replace(CONTROLS, found => `\\u${found.charCodeAt(0).toString(16).padStart(4, "0")}`);

/** A name that a reader of another direction of writing cannot mix up with its neighbours; it may break after _ and /. */
export const name = text => element("bdi", {}, ...visible(text).split(/(?<=[_/])/).flatMap(part => [part, element("wbr")]));

export const number = count => count.toLocaleString("en");
export const plural = (count, noun) => `${number(count)} ${noun}${count === 1 ? "" : "s"}`;
export const round = value => (Math.abs(value) >= 1000 ? value.toFixed(0) : Number(value.toPrecision(3)).toString());
export const duration = milliseconds => `${milliseconds < 10 ? milliseconds.toFixed(1) : Math.round(milliseconds)} ms`;

/** A probability. None is certain, so none is rounded to 0 or 100 %. */
export function percent(share) {
  const rounded = (100 * Math.min(1, Math.max(0, share))).toFixed(1);
  return (rounded === "100.0" ? "> 99.9 %" : rounded === "0.0" ? "< 0.1 %" : `${rounded} %`).replaceAll(" ", "\u00a0"); // on one line
}

/** Tokens of an encoder in words of English, roughly. */
export const inWords = tokens => `about ${number(Number((0.75 * tokens).toPrecision(1)))} words`;
