// One renderer for what the browser finds and for what the server answers, so that both read the same.

/** @typedef {{ field: string, text: string }} Fault */

const inputsOf = (form, field) => form.querySelectorAll(`[name="${CSS.escape(field)}"]`);

function mark(form, field, text) {
  const place = form.querySelector(`[data-error="${CSS.escape(field)}"]`);
  if (place) {
    place.textContent = text ? `Error: ${text}` : '';
    place.hidden = !text;
  }
  for (const input of inputsOf(form, field)) {
    if (text) input.setAttribute('aria-invalid', 'true');
    else input.removeAttribute('aria-invalid');
  }
}

/** Show one fault as gone or changed while the person corrects it. */
export function remark(form, field, text) {
  if (form.querySelector(`[name="${CSS.escape(field)}"][aria-invalid]`)) mark(form, field, text);
}

/** @param {HTMLFormElement} form with a place for each error and one for the summary @param {Fault[]} faults */
export function showFaults(form, faults) {
  const place = ({ field }) => [...form.elements].findIndex(({ name }) => name === field);
  faults.sort((a, b) => place(a) - place(b));
  for (const input of form.elements) if (input.name) mark(form, input.name, '');
  const summary = form.querySelector('.problems');
  summary.querySelector('ul').replaceChildren(
    ...faults.map(({ field, text }) => {
      mark(form, field, text);
      const item = document.createElement('li');
      const [input] = inputsOf(form, field);
      if (!input) {
        item.textContent = text;
        return item;
      }
      const link = document.createElement('a');
      link.href = `#${input.id || field}`;
      link.textContent = text;
      link.addEventListener('click', (event) => {
        event.preventDefault();
        // The label first, so that it is on screen above the field that takes the focus.
        (input.type === 'radio' ? input.closest('fieldset') : (input.labels[0] ?? input)).scrollIntoView();
        input.focus({ preventScroll: true });
      });
      item.append(link);
      return item;
    }),
  );
  summary.hidden = faults.length === 0;
  if (faults.length) summary.focus();
}

/** @returns {Fault[]} what a 422 says, by the last part of each JSON pointer */
export function faultsOf(problem) {
  return (problem.body.errors ?? []).map(({ pointer, detail }) => ({ field: String(pointer ?? '').split('/').pop(), text: detail }));
}
