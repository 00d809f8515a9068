"use strict";
// What all pages share: data, storage, keys, theme, news of a running sweep.
const jaxvis = (() => {
  const body = document.body;
  const root = body.dataset.root || "";
  const prefix = body.dataset.prefix || "";
  const taken = new Map();
  const waiting = new Map();

  // Data files call this: pages opened from a disk may load scripts and nothing else.
  function take(name, text) {
    const value = JSON.parse(text);
    taken.set(name, value);
    const wait = waiting.get(name);
    if (wait) wait(value);
    waiting.delete(name);
  }

  const asked = new Map();
  function load(name) {
    if (taken.has(name)) return Promise.resolve(taken.get(name));
    if (!asked.has(name)) {
      asked.set(name, new Promise((resolve, reject) => {
        waiting.set(name, resolve);
        addScript(`${root}${name}.js`, () => reject(new Error(`${name} cannot be read`)));
      }));
    }
    return asked.get(name);
  }

  function addScript(address, failed) {
    const script = document.createElement("script");
    script.src = address;
    script.onload = () => script.remove();
    script.onerror = () => { script.remove(); failed(); };
    document.head.append(script);
  }

  // An element with attributes and children; texts stay texts.
  function make(tag, attributes, ...children) {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes || {})) {
      if (value === null || value === undefined || value === false) continue;
      if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
      else element.setAttribute(name, value === true ? "" : String(value));
    }
    element.append(...children.filter((one) => one !== null && one !== undefined));
    return element;
  }

  const KEY = /^((?:runs\/[a-z0-9_-]+\/)?)units\/([a-z0-9_-]+)\/(\d{4,16})$/;
  // A unit's key is its address without ".html"; what is none comes from outside.
  function readKey(key) {
    const found = KEY.exec(String(key));
    return found && { key: found[0], prefix: found[1], slug: found[2], index: Number(found[3]) };
  }

  function writeKey(prefixOf, slug, index) {
    return `${prefixOf}units/${slug}/${String(index).padStart(4, "0")}`;
  }

  function dataName(unit) {
    return `${unit.prefix}data/${unit.slug}`;
  }

  async function describe(key) {
    const unit = readKey(key);
    if (!unit) return null;
    try {
      const layer = await load(dataName(unit));
      const place = layer.units.indexOf(unit.index);
      if (place < 0) return null;
      return { ...unit, tap: layer.tap, label: layer.labels[place], cover: layer.covers[place] };
    } catch (error) {
      return null;
    }
  }

  function picture(address, alt) {
    if (!address) return make("span", { class: "blank", role: "img", "aria-label": `${alt}: no picture` });
    const image = make("img", { alt, decoding: "async" });
    // Pictures of a few pixels are shown as squares, not blurred.
    image.onload = () => image.classList.toggle("coarse", image.naturalWidth < 48);
    image.src = root + address;
    return image;
  }

  function format(value) {
    if (value === null || value === undefined) return "";
    return String(Number(value.toPrecision(4)));
  }

  function readHash() {
    return new URLSearchParams(location.hash.slice(1));
  }

  function writeHash(values) {
    const text = new URLSearchParams(Object.entries(values).filter((pair) => pair[1])).toString();
    try {
      history.replaceState(history.state, "", text ? `#${text}` : location.pathname);
    } catch (error) {
      // Some browsers forbid it for files; the page works without.
    }
  }

  async function openRandom() {
    const parts = await load("data/index");
    const own = parts.filter((part) => part.prefix === prefix);
    const all = [];
    for (const part of own.length ? own : parts) {
      for (const layer of part.layers) all.push([part, layer, layer.units.length]);
    }
    let at = Math.floor(Math.random() * all.reduce((sum, one) => sum + one[2], 0));
    for (const [part, layer, count] of all) {
      if (at < count) {
        location.href = `${root}${writeKey(part.prefix, layer.slug, layer.units[at])}.html`;
        return;
      }
      at -= count;
    }
  }

  function turnTheme() {
    const html = document.documentElement;
    const dark = matchMedia("(prefers-color-scheme: dark)").matches;
    const now = html.dataset.theme || (dark ? "dark" : "light");
    html.dataset.theme = now === "dark" ? "light" : "dark";
    try {
      localStorage.setItem("jaxvis:theme", html.dataset.theme);
    } catch (error) {
      // It lasts as long as the page then.
    }
  }

  function go(address) {
    if (address) location.href = address;
  }

  const keys = new Map([
    ["/", () => document.getElementById("search").focus()],
    ["?", () => document.getElementById("keys").showModal()],
    ["u", () => go(body.dataset.up)],
    ["r", openRandom],
    ["d", turnTheme],
    ["l", () => go(`${root}lists.html`)],
    ["j", () => go(body.dataset.after)],
    ["k", () => go(body.dataset.before)],
    ["ArrowRight", () => go(body.dataset.after)],
    ["ArrowLeft", () => go(body.dataset.before)],
  ]);

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
    const at = event.target;
    if (at instanceof Element && at.closest("input, textarea, select, dialog[open]")) return;
    const act = keys.get(event.key);
    if (act) {
      event.preventDefault();
      act(event);
    }
  });

  document.getElementById("random").addEventListener("click", openRandom);
  document.getElementById("theme").addEventListener("click", turnTheme);
  document.getElementById("help").addEventListener("click", () => keys.get("?")());

  // A page that is served says when a running sweep has made more pictures.
  let first = null;
  function watch() {
    taken.delete("status");
    waiting.set("status", (status) => {
      if (first === null) first = status.done;
      if (status.done !== first) {
        const news = document.getElementById("news");
        news.textContent = `${status.done} of ${status.total} pictures are made. `;
        news.append(make("a", { href: location.href, onclick: () => location.reload() }, "Show the new ones"));
        news.hidden = false;
      }
      if (status.done < status.total) setTimeout(watch, 4000);
    });
    addScript(`${root}data/status.js?${Date.now()}`, () => setTimeout(watch, 15000));
  }
  if (location.protocol.startsWith("http")) watch();

  return {
    root, prefix, take, load, make, readKey, writeKey, describe, picture, format,
    readHash, writeHash, keys, go,
  };
})();
