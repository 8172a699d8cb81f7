// What every check uses: the texts that a reader sees, and how a fault names its element.
const describe = (element, text) => {
  const near = element.closest('[id]');
  const shown = (text ?? element.textContent).trim().replace(/\s+/g, ' ').slice(0, 40);
  return `${near ? '#' + near.id + ' ' : ''}${element.tagName.toLowerCase()} "${shown}"`;
};
const isShown = (element) => {
  if (!element.checkVisibility({opacityProperty: true, visibilityProperty: true})) return false;
  for (let e = element; e; e = e.parentElement) {
    if (['visually-hidden', 'skip'].some((name) => e.classList.contains(name))) return false;
    if (e.tagName === 'DETAILS' && !e.open && !element.closest('summary')) return false;
    if (['TITLE', 'DESC', 'SCRIPT', 'STYLE', 'OPTION'].includes(e.tagName.toUpperCase())) return false;
  }
  return true;
};
const texts = () => {
  const found = [], walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const node = walker.currentNode, element = node.parentElement;
    if (!node.data.trim() || !isShown(element)) continue;
    found.push({node, element});
  }
  return found;
};
