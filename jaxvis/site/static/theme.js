"use strict";
// Runs before the page is drawn, so that it never flashes in the other theme.
(() => {
  let chosen = null;
  try {
    chosen = localStorage.getItem("jaxvis:theme");
  } catch (error) {
    // Storage may be forbidden: the system's theme holds then.
  }
  if (chosen === "dark" || chosen === "light") document.documentElement.dataset.theme = chosen;
})();
