// Tables of classes: a click on a heading sorts all rows, those that are folded too. Without this script the tables keep
// the order in which they were written.
(() => {
  const section = document.getElementById("classes");
  if (!section) return;
  const tables = [...section.querySelectorAll("table[data-sortable]")];
  const bodies = tables.map((table) => table.tBodies[0]);
  const sizes = bodies.map((body) => body.rows.length);
  const names = new Intl.Collator(undefined, { numeric: true });

  function key(row, column, isNumber) {
    const cell = row.cells[column];
    const text = cell.dataset.value ?? cell.textContent.trim();
    if (!isNumber) return text;
    const value = parseFloat(text.replace(/,/g, ""));
    return Number.isNaN(value) ? null : value;
  }

  function sort(column, isNumber, descending) {
    const rows = bodies.flatMap((body) => [...body.rows]);
    const keyed = rows.map((row, place) => ({ row, place, value: key(row, column, isNumber) }));
    keyed.sort((a, b) => {
      if (a.value === null || b.value === null) return (a.value === null) - (b.value === null) || a.place - b.place;
      const order = isNumber ? a.value - b.value : names.compare(a.value, b.value);
      return (descending ? -order : order) || a.place - b.place;
    });
    let start = 0;
    bodies.forEach((body, i) => {
      body.append(...keyed.slice(start, (start += sizes[i])).map((item) => item.row));
    });
  }

  tables.forEach((table) => {
    [...table.tHead.rows[0].cells].forEach((head, column) => {
      const button = document.createElement("button");
      button.type = "button";
      button.className = "sort";
      button.append(...head.childNodes);
      head.append(button);
      button.addEventListener("click", () => {
        const isNumber = head.dataset.sort === "number";
        const now = head.getAttribute("aria-sort");
        const descending = now ? now === "ascending" : isNumber && column === 1;
        sort(column, isNumber, descending);
        tables.forEach((other) => {
          [...other.tHead.rows[0].cells].forEach((cell, i) => {
            if (i === column) cell.setAttribute("aria-sort", descending ? "descending" : "ascending");
            else cell.removeAttribute("aria-sort");
          });
        });
      });
    });
  });
})();
