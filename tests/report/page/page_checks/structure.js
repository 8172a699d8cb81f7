// What a screen reader needs: names of figures and controls, headings in order, heads of tables, links that lead
// somewhere; and no script in an attribute.
(() => {
  const faults = [], all = (selector) => [...document.querySelectorAll(selector)];
  const ids = all('[id]').map((element) => element.id), seen = new Set();
  for (const id of ids) { if (seen.has(id)) faults.push(`two elements have the id ${id}`); seen.add(id); }
  const nameOf = (element) => (element.getAttribute('aria-label')
    ?? (element.getAttribute('aria-labelledby') ?? '').split(' ').map((id) => document.getElementById(id)?.textContent ?? '').join(' ')).trim();
  for (const image of all('img')) if (!image.alt) faults.push('an image without a name');
  for (const image of all('svg')) if (image.getAttribute('aria-hidden') !== 'true' && (image.getAttribute('role') !== 'img' || !nameOf(image))) faults.push(`a figure without a name: ${describe(image)}`);
  let level = 0;
  for (const heading of all('h1, h2, h3, h4, h5, h6')) {
    const own = Number(heading.tagName[1]);
    if (own > level + 1) faults.push(`${describe(heading)} follows a heading of level ${level}`);
    level = own;
  }
  if (all('h1').length !== 1) faults.push(`${all('h1').length} headings of the first level`);
  for (const table of all('table')) if (!table.querySelector('th')) faults.push(`a table without heads: ${describe(table)}`);
  for (const head of all('th')) if (!['col', 'row', 'colgroup', 'rowgroup'].includes(head.getAttribute('scope'))) faults.push(`a head without scope: ${describe(head)}`);
  for (const control of all('input, select, textarea, button')) {
    const name = nameOf(control) || [...(control.labels ?? [])].map((label) => label.textContent).join('').trim() || (control.tagName === 'BUTTON' ? control.textContent.trim() : '');
    if (!name) faults.push(`a control without a label: ${control.outerHTML.slice(0, 60)}`);
  }
  for (const link of all('a[href^="#"]')) if (!document.getElementById(decodeURIComponent(link.getAttribute('href').slice(1)))) faults.push(`a link to nowhere: ${link.getAttribute('href')}`);
  for (const element of all('*')) for (const name of element.getAttributeNames()) if (name.startsWith('on')) faults.push(`a script in an attribute: ${describe(element)}`);
  return [...new Set(faults)].slice(0, 20);
})()
