"use strict";
// The choices of a reader. Nothing here writes markup: values come from the page and go back as text.
(() => {
  const all = (selector, inside = document) => [...inside.querySelectorAll(selector)];

  // The table ---------------------------------------------------------------------------------------------------
  const table = document.querySelector(".systems table");
  const bodies = () => all("tbody", table);
  const announce = (text) => { document.querySelector(".table-status").textContent = text; };

  const cellOf = (body, column) => body.rows[0].cells[column];
  const valueOf = (body, column) => {
    if (column === 0) return body.dataset.name;
    const value = cellOf(body, column)?.dataset.value;
    return value === undefined ? null : Number(value);
  };
  // Rows without a figure stay at the end, in either direction.
  const compare = (a, b, direction) => {
    if (a === null || b === null) return (a === null) - (b === null);
    const order = typeof a === "string" ? a.localeCompare(b) : a - b;
    return direction === "ascending" ? order : -order;
  };
  const headers = all("[aria-sort]", table);
  const sortBy = (header, direction) => {
    const column = headers.indexOf(header);
    for (const other of headers) other.setAttribute("aria-sort", other === header ? direction : "none");
    const rows = bodies().map((body) => [valueOf(body, column), body]);
    rows.sort(([a], [b]) => compare(a, b, direction));
    table.append(...rows.map(([, body]) => body));
  };
  for (const header of headers) {
    const button = header.querySelector("button");
    button.disabled = false;
    button.addEventListener("click", () => {
      const first = button.dataset.first;
      const second = first === "ascending" ? "descending" : "ascending";
      const direction = header.getAttribute("aria-sort") === first ? second : first;
      sortBy(header, direction);
      announce(`Sorted by ${header.dataset.group || ""} ${button.textContent}, ${direction}.`.replace(/ +/g, " "));
    });
  }

  const show = (kind) => {
    for (const body of bodies()) body.hidden = kind !== "all" && body.dataset.kind !== kind;
    announce(`${bodies().filter((body) => !body.hidden).length} systems shown.`);
  };
  const kinds = document.querySelector("#kinds");
  kinds.addEventListener("change", () => show(kinds.value));

  const baseline = document.querySelector("#baseline");
  const showMultiplesOf = (name) => {
    for (const cell of all("[data-against]", table)) {
      const [text, small, value] = JSON.parse(cell.dataset.against)[name] || ["\u2013", "", null];
      cell.firstChild.data = value === null ? text : `${text}\u00d7`;
      cell.querySelector("small").textContent = small;
      if (value === null) delete cell.dataset.value;
      else cell.dataset.value = value;
    }
    const sorted = headers.find((header) => header.getAttribute("aria-sort") !== "none");
    if (sorted) sortBy(sorted, sorted.getAttribute("aria-sort"));
    announce(`Multiples of ${name}.`);
  };
  baseline?.addEventListener("change", () => showMultiplesOf(baseline.value));
  // A browser may keep a choice over a reload; the figures must belong to the choice that it shows.
  kinds.value = "all";
  if (baseline) baseline.value = all("option[selected]", baseline)[0]?.value ?? baseline.value;
  for (const controls of all(".controls, .choices-of-view, .copy")) controls.hidden = false;

  // Commands ----------------------------------------------------------------------------------------------------
  const copySelection = (code) => {
    getSelection().selectAllChildren(code);
    return document.execCommand("copy");
  };
  for (const button of all(".copy")) {
    const code = button.previousElementSibling;
    button.addEventListener("click", async () => {
      const copied = await navigator.clipboard?.writeText(code.textContent).then(() => true, () => copySelection(code))
        ?? copySelection(code);
      button.textContent = copied ? "Copied" : "Press Ctrl+C";
      setTimeout(() => { button.textContent = "Copy"; }, 2000);
    });
  }

  // Views and systems of the charts -----------------------------------------------------------------------------
  for (const figure of all(".chart")) {
    const buttons = all("[data-view]", figure);
    const views = all(".view", figure);
    for (const button of buttons) {
      button.addEventListener("click", () => {
        for (const other of buttons) other.setAttribute("aria-pressed", String(other === button));
        views.forEach((view, index) => { view.hidden = String(index) !== button.dataset.view; });
      });
    }
  }
  const keys = all("[data-key]");
  for (const button of keys) {
    button.disabled = false;
    button.addEventListener("click", () => {
      const shown = button.getAttribute("aria-pressed") !== "true";
      const name = button.dataset.key;
      for (const other of keys) if (other.dataset.key === name) other.setAttribute("aria-pressed", String(shown));
      // An element of a drawing has no property `hidden`, only the attribute.
      for (const group of all("[data-system]")) {
        if (group.dataset.system === name) group.toggleAttribute("hidden", !shown);
      }
    });
  }

  // Tooltips of the marks ---------------------------------------------------------------------------------------
  const tip = document.querySelector("#tip");
  let current = null;
  const leave = () => {
    current?.classList.remove("now");
    current = null;
    tip.hidden = true;
  };
  // Above its mark where there is room, and never beyond the window's sides.
  const place = () => {
    if (!current) return;
    const box = current.getBoundingClientRect();
    const { width, height } = tip.getBoundingClientRect();
    const most = document.documentElement.clientWidth - width - 4;
    const left = Math.max(4, Math.min(box.left + box.width / 2 - width / 2, most));
    const above = box.top - height - 8;
    tip.style.transform = `translate(${left}px, ${above > 4 ? above : box.bottom + 8}px)`;
  };
  const showTip = (mark, text) => {
    if (mark === current) return;
    leave();
    current = mark;
    mark.classList.add("now");
    tip.textContent = text;
    tip.hidden = false;
    place();
  };
  const outside = (low, high, at) => Math.max(low - at, 0, at - high);
  const distance = (box, x, y) => Math.hypot(outside(box.left, box.right, x), outside(box.top, box.bottom, y));

  for (const svg of all(".view svg")) {
    // The script shows the titles itself, at once and on a touch, too.
    const tooltips = new Map(all("g title", svg).map((title) => [title.parentElement, title.textContent]));
    all("g title", svg).forEach((title) => title.remove());
    const marks = () => [...tooltips.keys()].filter((mark) => !mark.closest("[hidden]"));
    const near = (event) => {
      const [mark, far] = marks().reduce((best, candidate) => {
        const away = distance(candidate.getBoundingClientRect(), event.clientX, event.clientY);
        return away < best[1] ? [candidate, away] : best;
      }, [null, 22]);
      if (mark && far < 22) showTip(mark, tooltips.get(mark));
      else leave();
    };
    svg.addEventListener("pointermove", near);
    svg.addEventListener("pointerdown", near);
    svg.addEventListener("pointerleave", (event) => { if (event.pointerType === "mouse") leave(); });
    svg.tabIndex = 0;
    svg.addEventListener("blur", leave);
    svg.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
      if (event.key === "Escape") leave();
      if (!step) return;
      event.preventDefault();
      const choices = marks();
      const at = choices.indexOf(current);
      const next = choices[at < 0 ? (step > 0 ? 0 : choices.length - 1) : (at + step + choices.length) % choices.length];
      if (next) showTip(next, tooltips.get(next));
    });
  }
  addEventListener("scroll", place, { passive: true });
  addEventListener("resize", place);

  // Paper shows everything, also what is folded on the screen ---------------------------------------------------
  let folded = [];
  addEventListener("beforeprint", () => {
    leave();
    folded = all("details:not([open])");
    folded.forEach((details) => { details.open = true; });
  });
  addEventListener("afterprint", () => folded.forEach((details) => { details.open = false; }));
})();
