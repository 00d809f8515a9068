"use strict";
// Lists and notes, which this browser keeps for this site.
const store = (() => {
  const name = `jaxvis:${document.body.dataset.site}`;
  const LONGEST = 20000;
  let memory = null;

  // Whatever lies in storage or in an imported file is checked, and the rest left out.
  function check(value) {
    const lists = [];
    const notes = new Map();
    const given = value && typeof value === "object" ? value : {};
    for (const one of Array.isArray(given.lists) ? given.lists : []) {
      if (!one || typeof one.name !== "string" || !Array.isArray(one.units)) continue;
      const title = one.name.trim().slice(0, 80);
      if (!title || lists.some((list) => list.name === title)) continue;
      lists.push({ name: title, units: [...new Set(one.units.filter((key) => jaxvis.readKey(key)))] });
    }
    const texts = given.notes && typeof given.notes === "object" ? given.notes : {};
    for (const [key, text] of Object.entries(texts)) {
      if (jaxvis.readKey(key) && typeof text === "string" && text.trim()) notes.set(key, text.slice(0, LONGEST));
    }
    return { lists, notes, last: typeof given.last === "string" ? given.last : null };
  }

  function read() {
    if (memory) return memory;
    try {
      return check(JSON.parse(localStorage.getItem(name) || "{}"));
    } catch (error) {
      return check(null);
    }
  }

  function write(state) {
    try {
      localStorage.setItem(name, JSON.stringify(toJson(state)));
    } catch (error) {
      memory = state; // storage is full or forbidden: kept as long as the page
    }
  }

  function toJson(state) {
    return { schema: 1, lists: state.lists, notes: Object.fromEntries(state.notes), last: state.last };
  }

  function find(state, title) {
    let list = state.lists.find((one) => one.name === title);
    if (!list) {
      list = { name: title, units: [] };
      state.lists.push(list);
    }
    return list;
  }

  function toggle(title, key) {
    const state = read();
    const list = find(state, title);
    const place = list.units.indexOf(key);
    if (place < 0) list.units.push(key);
    else list.units.splice(place, 1);
    state.last = title;
    write(state);
    return place < 0;
  }

  function note(key, text) {
    const state = read();
    if (text.trim()) state.notes.set(key, text.slice(0, LONGEST));
    else state.notes.delete(key);
    write(state);
  }

  // Joins lists of the same name, so that an import never loses what was there.
  function join(value) {
    const state = read();
    const more = check(value);
    for (const list of more.lists) {
      const own = find(state, list.name);
      own.units = [...new Set([...own.units, ...list.units])];
    }
    for (const [key, text] of more.notes) {
      const old = state.notes.get(key);
      state.notes.set(key, old && old !== text ? `${old}\n${text}` : text);
    }
    write(state);
    return more;
  }

  function remove(title) {
    const state = read();
    state.lists = state.lists.filter((one) => one.name !== title);
    if (state.last === title) state.last = null;
    write(state);
  }

  return { read, toggle, note, join, remove, toJson, check };
})();
