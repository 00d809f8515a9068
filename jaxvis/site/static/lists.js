"use strict";
// The page of lists and notes.
(() => {
  const { describe, make, picture, readHash, readKey, root } = jaxvis;
  const at = (id) => document.getElementById(id);

  function say(text) {
    at("said").textContent = text;
  }

  // A list in an address: its name, then the keys of its units.
  function writeAddress(list) {
    const hash = new URLSearchParams({ list: list.name, units: list.units.join(",") });
    return `${location.href.split("#")[0]}#${hash}`;
  }

  function readAddress() {
    const hash = readHash();
    const name = (hash.get("list") || "").trim().slice(0, 80);
    const units = (hash.get("units") || "").split(",").filter((key) => readKey(key));
    return name && units.length ? { name, units } : null;
  }

  function makeGallery(units) {
    const gallery = make("ul", { class: "gallery small" });
    for (const key of units) {
      const unit = readKey(key);
      const link = make("a", { href: `${root}${key}.html` });
      const item = make("li", {}, make("figure", {}, link));
      gallery.append(item);
      describe(key).then((found) => {
        const name = found ? `${found.tap} ${found.index}` : `${unit.slug} ${unit.index}`;
        link.append(picture(found && found.cover, name));
        const label = found ? found.label : "not in this site";
        item.firstChild.append(make("figcaption", {}, make("bdi", {}, name), label ? make("bdi", { class: "muted" }, ` ${label}`) : null));
      });
    }
    return gallery;
  }

  function makeList(list) {
    const address = make("input", { readonly: true, value: writeAddress(list), "aria-label": `Address of ${list.name}`, onfocus: (event) => event.target.select() });
    const remove = make("button", { type: "button", onclick: () => { store.remove(list.name); show(); } }, "Remove");
    return make("section", { class: "list" },
      make("h2", {}, make("bdi", {}, list.name), make("span", { class: "muted" }, ` ${list.units.length}`)),
      list.units.length ? makeGallery(list.units) : make("p", { class: "quiet" }, "Nothing is on it: open a unit and press s."),
      make("p", { class: "inline" }, make("label", {}, "Address ", address), remove));
  }

  function showShared() {
    const shared = readAddress();
    at("shared").replaceChildren();
    if (!shared) return;
    const keep = make("button", { type: "button", onclick: () => { store.join({ lists: [shared] }); say(`${shared.name} is kept.`); show(); } }, "Keep this list");
    at("shared").append(make("section", { class: "list shared" },
      make("h2", {}, make("bdi", {}, shared.name), make("span", { class: "muted" }, " from the address")),
      makeGallery(shared.units), make("p", {}, keep)));
  }

  function show() {
    const state = store.read();
    at("lists").replaceChildren(...state.lists.map(makeList));
    if (!state.lists.length) at("lists").append(make("p", { class: "quiet" }, "There is no list yet: open a unit and press s."));
    at("notes-section").hidden = !state.notes.size;
    at("notes").replaceChildren(...[...state.notes].map(([key, text]) => {
      const link = make("a", { href: `${root}${key}.html` }, key.replace("units/", ""));
      describe(key).then((found) => { if (found) link.textContent = `${found.tap} ${found.index}${found.label ? ` ${found.label}` : ""}`; });
      return make("li", {}, link, make("p", { class: "note" }, text));
    }));
  }

  at("new").addEventListener("submit", (event) => {
    event.preventDefault();
    const name = at("name").value.trim();
    if (name) store.join({ lists: [{ name, units: [] }] });
    at("name").value = "";
    show();
  });
  at("export").addEventListener("click", () => {
    const text = JSON.stringify(store.toJson(store.read()), null, 1);
    const address = URL.createObjectURL(new Blob([text], { type: "application/json" }));
    make("a", { href: address, download: "jaxvis-lists.json" }).click();
    setTimeout(() => URL.revokeObjectURL(address), 10000);
  });
  at("import").addEventListener("change", async (event) => {
    const file = event.target.files[0];
    if (!file) return;
    try {
      const more = store.join(JSON.parse(await file.text()));
      say(`${more.lists.length} lists and ${more.notes.size} notes were read.`);
    } catch (error) {
      say("That file holds no lists: choose one that was exported here.");
    }
    event.target.value = "";
    show();
  });
  addEventListener("hashchange", showShared);
  addEventListener("storage", show);
  showShared();
  show();
})();
