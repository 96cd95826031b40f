// Order the rows of a table of class `cards` by the key on a button; equal rows keep the order of the first key.
document.addEventListener("click", ({ target }) => {
  const box = target.closest(".cards-order")?.parentElement;
  if (!box || !target.dataset.key) return;
  const [buttons, body] = [[...box.querySelectorAll("button")], box.querySelector("tbody")];
  const compare = (a, b, key) =>
    isNaN(a.dataset[key]) ? a.dataset[key].localeCompare(b.dataset[key]) : a.dataset[key] - b.dataset[key];
  const rows = [...body.rows].sort(
    (a, b) => compare(a, b, target.dataset.key) || compare(a, b, buttons[0].dataset.key),
  );
  body.append(...rows);
  for (const button of buttons) button.setAttribute("aria-pressed", button === target);
});
