"use strict";
// The page of a unit: lists, a note, and copies of commands.
(() => {
  const { keys, make } = jaxvis;
  const key = document.body.dataset.key;
  const star = document.getElementById("star");
  const note = document.getElementById("note");
  const mine = document.getElementById("mine");
  const FIRST = "My list";

  function show() {
    const state = store.read();
    const on = state.lists.filter((one) => one.units.includes(key)).map((one) => one.name);
    star.setAttribute("aria-pressed", String(on.length > 0));
    star.textContent = on.length ? `★ On ${on.length > 1 ? `${on.length} lists` : on[0]}` : "☆ Add to a list";
    const boxes = state.lists.map((list) => make("label", {},
      make("input", { type: "checkbox", checked: list.units.includes(key), onchange: () => { store.toggle(list.name, key); show(); } }),
      ` ${list.name}`));
    document.getElementById("on-lists").replaceChildren(...boxes);
    note.value = state.notes.get(key) || "";
  }

  // Takes the unit off the list it is on, or puts it on the list that was used last.
  function toggle() {
    const state = store.read();
    const on = state.lists.find((one) => one.units.includes(key));
    store.toggle(on ? on.name : state.last || FIRST, key);
    show();
  }

  star.addEventListener("click", toggle);
  note.addEventListener("input", () => store.note(key, note.value));
  star.hidden = false;
  mine.hidden = false;
  keys.set("s", toggle);
  keys.set("n", () => note.focus());
  note.addEventListener("keydown", (event) => { if (event.key === "Escape") note.blur(); });
  addEventListener("storage", show);
  show();

  for (const button of document.querySelectorAll(".copy")) {
    button.addEventListener("click", async () => {
      const code = button.parentElement.querySelector("code");
      try {
        await navigator.clipboard.writeText(code.textContent);
        button.textContent = "Copied";
      } catch (error) {
        getSelection().selectAllChildren(code);
        button.textContent = "Selected";
      }
    });
  }
})();
