// Texts that are cut off, outside the window or on top of each other. The box of a line is taller than its letters:
// a fifth above and below does not count.
(() => {
  const faults = [], boxes = [], width = document.documentElement.clientWidth;
  if (document.documentElement.scrollWidth > width + 1) faults.push(`the page scrolls sideways: ${document.documentElement.scrollWidth} px`);
  for (const {node, element} of texts()) {
    const range = document.createRange();
    range.selectNodeContents(node);
    for (const rect of range.getClientRects()) {
      if (rect.width < 1 || rect.height < 1) continue;
      const box = {left: rect.left, right: rect.right, top: rect.top + rect.height / 5, bottom: rect.bottom - rect.height / 5, element, node};
      let hidden = false, scrolls = false;
      for (let e = element; e && e !== document.documentElement; e = e.parentElement) {
        if (e.namespaceURI.includes('svg') && e.tagName !== 'svg') continue;
        const style = getComputedStyle(e), edge = e.getBoundingClientRect();
        if (style.overflowX === 'visible' && style.overflowY === 'visible' && e.tagName !== 'svg') continue;
        const across = box.left < edge.left - 1.5 || box.right > edge.right + 1.5;
        const down = box.top < edge.top - 1.5 || box.bottom > edge.bottom + 1.5;
        if (!across && !down) { scrolls ||= ['auto', 'scroll'].includes(style.overflowX); continue; }
        if ((across && ['auto', 'scroll'].includes(style.overflowX)) || (down && ['auto', 'scroll'].includes(style.overflowY))) { scrolls = true; hidden = true; break; }
        faults.push(`cut off: ${describe(element, node.data)}`); hidden = true; break;
      }
      if (!hidden && !scrolls && (box.left < -1 || box.right > width + 1)) faults.push(`outside the window: ${describe(element, node.data)}`);
      if (!hidden) boxes.push(box);
    }
  }
  boxes.sort((a, b) => a.top - b.top);
  for (let i = 0; i < boxes.length; i++) {
    for (let j = i + 1; j < boxes.length && boxes[j].top < boxes[i].bottom - 1; j++) {
      const one = boxes[i], other = boxes[j];
      if (one.node === other.node) continue;
      const across = Math.min(one.right, other.right) - Math.max(one.left, other.left);
      const down = Math.min(one.bottom, other.bottom) - Math.max(one.top, other.top);
      if (across > 1.5 && down > 1.5) faults.push(`overlap: ${describe(one.element, one.node.data)} and ${describe(other.element, other.node.data)}`);
    }
  }
  return [...new Set(faults)].slice(0, 20);
})()
