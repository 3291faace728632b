'use strict';
// Tables sort by the column whose heading is pressed, a second time backwards.
for (const button of document.querySelectorAll('.sort')) {
  button.addEventListener('click', () => {
    const head = button.closest('th');
    const body = head.closest('table').tBodies[0];
    const column = head.cellIndex;
    const down = head.getAttribute('aria-sort') === 'ascending';
    for (const other of head.parentNode.children) {
      other.removeAttribute('aria-sort');
    }
    head.setAttribute('aria-sort', down ? 'descending' : 'ascending');
    const compare = (a, b) => {
      const [x, y] = [a, b].map((row) => row.cells[column]);
      const [u, v] = [x, y].map((cell) => Number(cell.dataset.value ?? NaN));
      // What is not a number comes last, in the order of its text.
      if (Number.isNaN(u) !== Number.isNaN(v)) return Number.isNaN(u) ? 1 : -1;
      const order = Number.isNaN(u)
        ? x.textContent.localeCompare(y.textContent, 'en', { numeric: true })
        : u - v;
      return down ? -order : order;
    };
    body.append(...[...body.rows].sort(compare));
  });
}
// Pictures open in their own size; Escape, the button or a click closes.
const dialog = document.querySelector('dialog');
for (const button of document.querySelectorAll('.enlarge')) {
  button.addEventListener('click', () => {
    dialog.querySelector('div').replaceChildren(
      button.querySelector('img').cloneNode()
    );
    dialog.showModal();
  });
}
dialog.addEventListener('click', () => dialog.close());
