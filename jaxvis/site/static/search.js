"use strict";
// The search field of every page.
(() => {
  const { load, make, root, writeKey } = jaxvis;
  const MOST = 40;
  const input = document.getElementById("search");
  const list = document.getElementById("found");
  let rows = null;
  let chosen = -1;

  async function prepare() {
    if (rows) return;
    const parts = await load("data/index");
    const all = [];
    for (const part of parts) {
      for (const layer of part.layers) {
        const before = parts.length > 1 ? `${part.name} ` : "";
        all.push({
          text: `${before}${layer.tap}`.toLowerCase(),
          shown: `${before}${layer.tap}`,
          label: `${layer.units.length} units`,
          href: `${root}${part.prefix}layers/${layer.slug}.html`,
        });
        layer.units.forEach((index, place) => {
          const label = layer.labels[place];
          all.push({
            text: `${before}${layer.tap} ${index} ${label || ""}`.toLowerCase(),
            shown: `${before}${layer.tap} ${index}`,
            label,
            href: `${root}${writeKey(part.prefix, layer.slug, index)}.html`,
          });
        });
      }
    }
    rows = all;
  }

  function find(query) {
    const words = query.toLowerCase().split(/\s+/).filter(Boolean);
    if (!words.length) return [];
    const number = /^\d+$/.test(words[words.length - 1]) ? ` ${words[words.length - 1]} ` : null;
    const exact = [];
    const others = [];
    for (const row of rows) {
      if (!words.every((word) => row.text.includes(word))) continue;
      // A number is first of all the number of a unit.
      (number && `${row.text} `.includes(number) ? exact : others).push(row);
      if (exact.length >= MOST || (!number && others.length >= MOST)) break;
    }
    return exact.concat(others).slice(0, MOST);
  }

  function close() {
    list.hidden = true;
    input.setAttribute("aria-expanded", "false");
    input.removeAttribute("aria-activedescendant");
    chosen = -1;
  }

  function choose(place) {
    const all = list.querySelectorAll("[role=option]");
    if (!all.length) return;
    chosen = (place + all.length) % all.length;
    all.forEach((one, number) => one.setAttribute("aria-selected", String(number === chosen)));
    all[chosen].scrollIntoView({ block: "nearest" });
    input.setAttribute("aria-activedescendant", all[chosen].id);
  }

  async function show() {
    await prepare();
    const found = find(input.value);
    list.replaceChildren(...found.map((row, number) => {
      const option = make("li", { role: "option", id: `found-${number}`, "aria-selected": "false" },
        make("a", { href: row.href, tabindex: "-1" },
          make("bdi", {}, row.shown),
          row.label ? make("bdi", { class: "muted" }, row.label) : null));
      return option;
    }));
    if (!found.length && input.value.trim()) {
      list.append(make("li", { class: "muted", role: "presentation" }, "Nothing is called so."));
    }
    list.hidden = !input.value.trim();
    input.setAttribute("aria-expanded", String(!list.hidden));
    chosen = -1;
  }

  input.addEventListener("input", show);
  input.addEventListener("focus", () => { prepare(); if (input.value) show(); });
  input.addEventListener("keydown", (event) => {
    if (event.key === "ArrowDown") choose(chosen + 1);
    else if (event.key === "ArrowUp") choose(chosen - 1);
    else if (event.key === "Escape") { close(); input.blur(); }
    else if (event.key === "Enter") {
      const links = list.querySelectorAll("a");
      const link = links[Math.max(0, chosen)];
      if (link) location.href = link.href;
    } else return;
    event.preventDefault();
  });
  document.addEventListener("click", (event) => {
    if (!event.target.closest(".search")) close();
  });
})();
