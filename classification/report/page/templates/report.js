/* A box that scrolls sideways can be reached and named by keyboard and screen reader. */
(() => {
  const name = (box) => {
    const caption = box.querySelector("caption, figcaption");
    const heading = box.closest("section")?.querySelector("h2");
    return (caption ?? heading)?.textContent.trim() ?? "";
  };
  const update = () => {
    for (const box of document.querySelectorAll(".table-box, .figure")) {
      const scrolls = box.scrollWidth > box.clientWidth + 1;
      if (scrolls) {
        box.tabIndex = 0;
        if (box.classList.contains("table-box")) {
          box.setAttribute("role", "region");
          box.setAttribute("aria-label", name(box));
        }
      } else {
        box.removeAttribute("tabindex");
        box.removeAttribute("role");
        box.removeAttribute("aria-label");
      }
    }
  };
  update();
  addEventListener("resize", update);
  document.addEventListener("toggle", update, true);
})();
