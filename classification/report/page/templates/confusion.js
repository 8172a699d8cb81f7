// Cells of the confusion matrix: a click asks the error browser for their rows. One cell is in the order of the tab key;
// the arrow keys move between cells.
(() => {
  const section = document.getElementById("confusion");
  if (!section) return;

  section.addEventListener("click", (event) => {
    const button = event.target.closest("button.cell");
    if (!button) return;
    const detail = { ...button.dataset, count: Number(button.dataset.count), from: button };
    document.dispatchEvent(new CustomEvent("show-rows", { detail }));
  });

  for (const table of section.querySelectorAll("table[data-cells]")) {
    const grid = [...table.tBodies[0].rows].map((row) => [...row.cells].map((cell) => cell.querySelector("button.cell")));
    const buttons = grid.flat().filter(Boolean);
    const enter = (button) => buttons.forEach((one) => (one.tabIndex = one === button ? 0 : -1));
    enter(buttons[0]);

    const next = (row, column, down, right) => {
      let place = [row + down, column + right];
      while (grid[place[0]]?.[place[1]] !== undefined) {
        if (grid[place[0]][place[1]]) return grid[place[0]][place[1]];
        place = [place[0] + down, place[1] + right];
      }
      return null;
    };
    table.addEventListener("focusin", (event) => {
      if (buttons.includes(event.target)) enter(event.target);
    });
    table.addEventListener("keydown", (event) => {
      const row = grid.findIndex((cells) => cells.includes(event.target));
      if (row < 0) return;
      const column = grid[row].indexOf(event.target);
      const steps = { ArrowDown: [1, 0], ArrowUp: [-1, 0], ArrowRight: [0, 1], ArrowLeft: [0, -1] };
      const cells = grid[row].filter(Boolean);
      const button = { Home: cells[0], End: cells.at(-1) }[event.key] ?? (steps[event.key] && next(row, column, ...steps[event.key]));
      if (!button) return;
      event.preventDefault();
      button.focus();
    });
  }
})();
