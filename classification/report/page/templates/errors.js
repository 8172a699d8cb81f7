// The error browser: filters, and rows in pages. Its rows are data: every text becomes a text node, never HTML.
(() => {
  const source = document.getElementById("error-data");
  if (!source) return;
  const data = JSON.parse(source.textContent);
  const form = document.getElementById("error-filters");
  const status = document.getElementById("error-status");
  const list = document.getElementById("error-rows");
  const more = document.getElementById("error-more");
  const back = document.getElementById("error-back");
  // A row as `BrowserRow.as_list` in browser_rows.py writes it.
  const fields = ["row", "id", "kind", "label", "prediction", "labelText", "predictionText", "sure", "top", "texts", "sizes",
    "slices", "tokens", "isCut", "nearest"];
  const rows = data.rows.map((values) => Object.fromEntries(fields.map((name, i) => [name, values[i]])));
  let found = rows;
  let shown = 0;
  let cell = null; // the cell of a confusion matrix that was clicked

  // ------------------------------------------------------------------------------------------------------- elements

  function element(tag, classes, ...children) {
    const made = document.createElement(tag);
    if (classes) made.className = classes;
    made.append(...children.filter((child) => child !== null && child !== ""));
    return made;
  }

  const isolated = (text, classes = "") => element("bdi", classes, text);
  const count = (number) => number.toLocaleString("en-US");
  const plural = (number, noun) => `${count(number)} ${noun}${number === 1 ? "" : "s"}`;
  const nameOf = (label) => data.names[label] || "(empty)";
  const compact = (number) => String(Number(number.toPrecision(4)));

  const none = () => element("span", "none", "none");
  const separated = (parts) => parts.flatMap((part, i) => (i ? [", ", ...part] : part));

  // `others`: the labels of the other side, or null; `word`: what a label is that they lack.
  function names(labels, others, word) {
    if (!labels.length) return [none()];
    return separated(labels.map((label) => {
      const differs = data.answer === "several" && others && !others.includes(label);
      return [isolated(nameOf(label), "answer-name"), ...(differs ? [` (${word})`] : [])];
    }));
  }

  function namesNear(labels) {
    return labels.length ? separated(labels.map((name) => [isolated(name || "(empty)", "near-label")])) : [none()];
  }

  function directed(text, classes, tag = "div") {
    const made = element(tag, classes, text);
    made.dir = "auto";
    return made;
  }

  function wholeText(text, [held, length]) {
    const cut = length > held;
    if (held <= data.folded && !cut) return directed(text, "row-text");
    const words = cut ? `Show the first ${count(held)} of` : "Show all";
    const beginning = [...text.slice(0, 2 * data.folded)].slice(0, data.folded).join(""); // whole characters
    const summary = element("summary", "", directed(`${beginning}…`, "beginning", "span"), " ",
      element("span", "more", `${words} ${count(length)} characters`));
    const details = element("details", "long-text", summary);
    details.addEventListener("toggle", () => details.append(directed(text + (cut ? "…" : ""), "row-text")), { once: true });
    return details;
  }

  function head(row) {
    const made = element("p", "row-head");
    if (data.answer === "number") {
      if (row.labelText) made.append(element("span", "answer", "Label ", element("b", "", row.labelText)), " ");
      made.append(element("span", "answer", "Predicted ", element("b", "", row.predictionText)), " ");
      if (row.sure !== null) made.append(element("span", "answer", "Off by ", element("b", "", compact(row.sure))), " ");
    } else {
      made.append(element("span", `badge ${["bad", "ok", "note"][row.kind]}`, ["wrong", "right", "not scored"][row.kind]), " ");
      if (row.kind !== 2) made.append(element("span", "answer", "True: ", ...names(row.label, row.prediction, "missed")), " ");
      made.append(element("span", "answer", "Predicted: ", ...names(row.prediction, row.kind === 2 ? null : row.label, "wrong")), " ");
    }
    made.append(element("span", "row-id", "row ", isolated(row.id)));
    return made;
  }

  function probabilities(row) {
    const made = element("ul", "top", ...row.top.map(([label, share]) => {
      const bar = element("span", "bar", element("span", "bar-text", `${(100 * share).toFixed(1)}%`));
      bar.style.setProperty("--share", share.toFixed(4));
      return element("li", "", isolated(nameOf(label), "top-name"), bar);
    }));
    made.setAttribute("aria-label", "Most probable labels");
    return made;
  }

  function facts(row) {
    const made = element("p", "row-facts", `${plural(row.tokens, "token")} read${row.isCut ? "; the text was cut" : ""}`);
    row.slices.forEach((place, i) => {
      const value = data.slices[i].values[place] || "(missing)";
      made.append(" ", element("span", "fact", isolated(data.slices[i].name), ": ", isolated(value)));
    });
    return made;
  }

  function nearest(row) {
    const summary = element("summary", "", "Nearest training rows: ");
    for (const [place, similarity] of row.nearest) {
      summary.append(element("span", "near", ...namesNear(data.train[place][1]), ` (${similarity.toFixed(3)})`), " ");
    }
    const details = element("details", "nearest", summary);
    details.addEventListener("toggle", () => details.append(element("ol", "", ...row.nearest.map(nearRow))), { once: true });
    return details;
  }

  function nearRow([place, similarity, isSame]) {
    const [id, labels, texts] = data.train[place];
    const title = element("span", "near-head", ...namesNear(labels), ` similarity ${similarity.toFixed(3)}, `);
    title.append(element("span", "row-id", "row ", isolated(id)));
    if (isSame) title.append(" ", element("span", "badge warn", "same text"));
    return element("li", "", title, ...texts.map((text) => directed(text, "row-text")));
  }

  function draw(row) {
    const made = element("li", `error-row kind-${row.kind}`, head(row));
    if (row.texts.length) {
      made.append(element("div", "row-texts", ...row.texts.map((text, i) => wholeText(text, row.sizes[i]))));
    }
    if (row.top.length) made.append(probabilities(row));
    made.append(facts(row));
    if (row.nearest.length) made.append(nearest(row));
    return made;
  }

  // --------------------------------------------------------------------------------------------------------- filters

  const comparable = (text) => text.normalize("NFC").toLowerCase();
  const haystack = (row) => (row.comparable ??= comparable(row.texts.join("\n")));
  const value = (name) => form.elements[name]?.value ?? "";
  const chosen = (name) => (value(name) === "" ? null : Number(value(name)));

  const outcomes = {
    "": (has, gets) => has || gets,
    found: (has, gets) => has && gets,
    missed: (has, gets) => has && !gets,
    false: (has, gets) => !has && gets,
    true: (has) => has,
    predicted: (has, gets) => gets,
  };

  function conditions() {
    const tests = [];
    const [kind, label, prediction, several] = ["kind", "label", "prediction", "several"].map(chosen);
    const scale = data.answer === "number" ? 1 : 100;
    const [least, most] = ["least", "most"].map((name) => (chosen(name) === null ? null : chosen(name) / scale));
    const words = comparable(value("words")).split(/\s+/u).filter(Boolean);
    const outcome = outcomes[value("outcome")];
    const isScored = !["found", "missed", "false", "true"].includes(value("outcome"));
    if (kind !== null) tests.push((row) => row.kind === kind);
    if (label !== null) tests.push((row) => row.label.includes(label));
    if (prediction !== null) tests.push((row) => row.prediction.includes(prediction));
    if (several !== null) {
      tests.push((row) => (isScored || row.kind !== 2) && outcome(row.label.includes(several), row.prediction.includes(several)));
    } else if (value("outcome")) {
      const every = data.names.map((_, i) => i);
      tests.push((row) => (isScored || row.kind !== 2) && every.some((i) => outcome(row.label.includes(i), row.prediction.includes(i))));
    }
    if (least !== null) tests.push((row) => row.sure !== null && row.sure >= least - 1e-9);
    if (most !== null) tests.push((row) => row.sure !== null && row.sure <= most + 1e-9);
    data.slices.forEach((_, i) => {
      const place = chosen(`slice-${i}`);
      if (place !== null) tests.push((row) => row.slices[i] === place);
    });
    if (words.length) tests.push((row) => words.every((word) => haystack(row).includes(word)));
    return tests;
  }

  function filter() {
    const tests = conditions();
    found = rows.filter((row) => tests.every((test) => test(row)));
    shown = 0;
    list.replaceChildren();
    drawMore();
    let text = `${plural(found.length, "row")} of ${count(rows.length)}.`;
    if (cell && cell.count > found.length) {
      text = `${plural(found.length, "row")}. The cell counts ${count(cell.count)}, but this page does not hold all rows.`;
    }
    status.textContent = text;
  }

  function drawMore() {
    const next = found.slice(shown, shown + data.page);
    list.append(...next.map(draw));
    shown += next.length;
    more.hidden = shown >= found.length;
    more.textContent = `Show ${Math.min(data.page, found.length - shown)} more rows (${count(shown)} of ${count(found.length)} shown)`;
    return next.length;
  }

  form.addEventListener("input", () => {
    leaveCell();
    filter();
  });
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", () => setTimeout(() => {
    leaveCell();
    filter();
  }));
  more.addEventListener("click", () => {
    const first = list.children.length;
    drawMore();
    const row = list.children[first];
    if (row) {
      row.tabIndex = -1;
      row.focus();
    }
  });

  // ------------------------------------------------------------------------- cells of the confusion matrix, and slices

  function leaveCell() {
    cell = null;
    back.hidden = true;
  }

  function set(name, text) {
    if (form.elements[name]) form.elements[name].value = text;
  }

  // Another section asks for rows: detail = {label, prediction} or {several, outcome}, `count` of the rows in its table,
  // and `from`, the button that was clicked.
  document.addEventListener("show-rows", ({ detail }) => {
    form.reset();
    for (const name of ["label", "prediction", "several", "outcome"]) set(name, detail[name] ?? "");
    setTimeout(() => {
      cell = detail;
      back.hidden = !detail.from;
      filter();
      status.focus({ preventScroll: true });
      document.getElementById("errors").scrollIntoView({ block: "start" });
      status.scrollIntoView({ block: "start" });
    });
  });
  back.addEventListener("click", () => {
    const from = cell?.from;
    leaveCell();
    from?.focus();
  });

  form.hidden = false;
  filter();
})();
