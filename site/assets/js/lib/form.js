import { byId } from './dom.js';

// One renderer for what the browser finds and for what the server answers, so that both read the same.

/** @typedef {{ field: string, text: string }} Fault */

const title = document.title;

function mark(form, field, text) {
  const place = byId(`${field}-error`);
  if (place) {
    place.textContent = text ? `Error: ${text}` : '';
    place.hidden = !text;
  }
  for (const input of form.querySelectorAll(`[name="${CSS.escape(field)}"]`)) {
    if (text) input.setAttribute('aria-invalid', 'true');
    else input.removeAttribute('aria-invalid');
  }
}

/** Show one fault as gone or changed while the person corrects it. */
export function remark(form, field, text) {
  if (form.querySelector(`[name="${CSS.escape(field)}"][aria-invalid]`)) mark(form, field, text);
}

/** @param {HTMLFormElement} form @param {Fault[]} faults */
export function showFaults(form, faults) {
  for (const input of form.elements) if (input.name) mark(form, input.name, '');
  const summary = byId('problems');
  const list = summary.querySelector('ul');
  list.replaceChildren(
    ...faults.map(({ field, text }) => {
      mark(form, field, text);
      const item = document.createElement('li');
      if (!byId(field)) {
        item.textContent = text;
        return item;
      }
      const link = document.createElement('a');
      link.href = `#${field}`;
      link.textContent = text;
      link.addEventListener('click', (event) => {
        event.preventDefault();
        // The label first, so that it is on screen above the field that takes the focus.
        const target = byId(field);
        (target.labels?.[0] ?? target).scrollIntoView();
        (target.matches('fieldset') ? target.querySelector('input') : target).focus({ preventScroll: true });
      });
      item.append(link);
      return item;
    }),
  );
  summary.hidden = faults.length === 0;
  document.title = faults.length ? `Error: ${title}` : title;
  if (faults.length) summary.focus();
}

/** @returns {Fault[]} what a 422 says, by the last part of each JSON pointer */
export function faultsOf(problem) {
  return (problem.body.errors ?? []).map(({ pointer, detail }) => ({ field: String(pointer ?? '').split('/').pop(), text: detail }));
}
