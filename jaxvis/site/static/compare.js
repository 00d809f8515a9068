"use strict";
// The page that shows two units side by side: of two runs, two networks, or one.
(() => {
  const { format, keys, load, make, picture, readHash, readKey, root, writeHash, writeKey } = jaxvis;
  const together = document.getElementById("together");
  const boxes = { left: document.getElementById("left"), right: document.getElementById("right") };
  const sides = { left: null, right: null };
  let layers = [];
  let pairs = null;

  function findSide(key) {
    const unit = readKey(key);
    const layer = unit && layers.find((one) => one.prefix === unit.prefix && one.slug === unit.slug);
    const place = layer ? layer.units.indexOf(unit.index) : -1;
    return place < 0 ? null : { layer, place };
  }

  function keyOf(side) {
    return writeKey(side.layer.prefix, side.layer.slug, side.layer.units[side.place]);
  }

  // What belongs beside a unit: the same one of another part, else the next one.
  function findOther(side) {
    const index = side.layer.units[side.place];
    const twin = layers.find((one) => one.prefix !== side.layer.prefix && one.tap === side.layer.tap);
    const other = layers.find((one) => one.prefix !== side.layer.prefix);
    const layer = twin || other || side.layer;
    const place = layer === side.layer ? (side.place + 1) % layer.units.length : layer.units.indexOf(index);
    return { layer, place: Math.max(0, place) };
  }

  async function draw(name) {
    const side = sides[name];
    const { layer, place } = side;
    const data = `${layer.prefix}data/${layer.slug}`;
    const [grid, all] = await Promise.all([load(data), load(`${data}-pictures`)]);
    if (sides[name] !== side) return; // another unit was chosen meanwhile
    const index = grid.units[place];
    const label = grid.labels[place];
    const named = `${layer.tap} ${index}`;
    const gallery = make("ul", { class: "gallery" }, ...all.units[place].map(([address, method, seed, status]) =>
      make("li", {}, make("figure", {}, picture(address, `${named}, ${method}, seed ${seed}`),
        make("figcaption", {}, `${method} · seed ${seed}${status === "done" ? "" : ` · ${status}`}`)))));
    const numbers = Object.entries(grid.metrics).filter((pair) => pair[1][place] !== null);
    boxes[name].replaceChildren(
      makeChoice(name, side),
      make("h2", {}, make("a", { href: `${root}${keyOf(side)}.html` }, make("bdi", {}, label || named)),
        make("span", { class: "muted" }, ` ${[layers.some((one) => one.prefix) ? layer.part : "", label ? named : ""].filter(Boolean).join(" · ")}`)),
      all.units[place].length ? gallery : make("p", { class: "quiet" }, "No picture of this unit is finished yet."),
      make("table", { class: "plain" }, make("tbody", {}, ...numbers.map(([metric, values]) =>
        make("tr", {}, make("th", { scope: "row" }, make("bdi", {}, metric)), make("td", {}, format(values[place])))))));
  }

  function makeChoice(name, side) {
    const select = make("select", { "aria-label": `Layer on the ${name}`, onchange: (event) => {
      const layer = layers[Number(event.target.value)];
      const place = layer.units.indexOf(side.layer.units[side.place]);
      set(name, { layer, place: Math.max(0, place) }, false);
    } }, ...layers.map((one, number) => make("option", { value: number, selected: one === side.layer },
      layers.some((other) => other.prefix !== one.prefix) ? `${one.part}: ${one.tap}` : one.tap)));
    const number = make("input", { type: "number", class: "short", min: 0, value: side.layer.units[side.place], "aria-label": `Unit on the ${name}`, onchange: (event) => {
      const place = side.layer.units.indexOf(Number(event.target.value));
      if (place >= 0) set(name, { layer: side.layer, place }, together.checked);
      else event.target.value = side.layer.units[side.place];
    } });
    return make("p", { class: "inline" }, select, number,
      make("button", { type: "button", "aria-label": `Unit before on the ${name}`, onclick: () => step(name, -1) }, "←"),
      make("button", { type: "button", "aria-label": `Unit after on the ${name}`, onclick: () => step(name, 1) }, "→"));
  }

  function set(name, side, both) {
    const other = name === "left" ? "right" : "left";
    const layersBefore = [sides.left && sides.left.layer, sides.right && sides.right.layer];
    sides[name] = side;
    if (both && sides[other]) {
      const place = sides[other].layer.units.indexOf(side.layer.units[side.place]);
      const same = sides[other].layer === side.layer;
      if (place >= 0 && !same) sides[other] = { layer: sides[other].layer, place };
    }
    writeHash({ left: keyOf(sides.left), right: keyOf(sides.right), apart: together.checked ? "" : "1" });
    draw("left");
    draw("right");
    if (layersBefore[0] !== sides.left.layer || layersBefore[1] !== sides.right.layer) drawPairs();
  }

  function step(name, by) {
    const { layer, place } = sides[name];
    set(name, { layer, place: (place + by + layer.units.length) % layer.units.length }, together.checked);
  }

  async function drawPairs() {
    const own = [sides.left.layer, sides.right.layer];
    // A layer beside itself would only show every picture twice.
    document.getElementById("all").hidden = own[0] === own[1];
    if (own[0] === own[1]) return;
    const [left, right] = await Promise.all(own.map((one) => load(`${one.prefix}data/${one.slug}`)));
    if (own[0] !== sides.left.layer || own[1] !== sides.right.layer) return;
    const places = new Map(right.units.map((index, place) => [index, place]));
    const both = left.units.map((index, place) => [place, places.get(index)]).filter((one) => one[1] !== undefined);
    const fill = ([a, b], cell) => {
      const index = left.units[a];
      const open = (event) => {
        event.preventDefault();
        sides.right = { layer: own[1], place: b };
        set("left", { layer: own[0], place: a }, false);
        scrollTo(0, 0);
      };
      cell.append(make("a", { href: "#", onclick: open, title: `${index}` },
        make("span", { class: "pair" }, picture(left.covers[a], `Left ${index}`), picture(right.covers[b], `Right ${index}`)),
        make("span", { class: "name" }, make("b", {}, String(index)), " ", make("bdi", {}, left.labels[a] || ""))));
    };
    if (!pairs) pairs = new WindowedGrid(document.getElementById("pairs"), fill);
    pairs.fill = fill;
    pairs.at = 0;
    pairs.show(both, 96, 2);
  }

  load("data/index").then((parts) => {
    layers = parts.flatMap((part) => part.layers.map((layer) => ({ ...layer, prefix: part.prefix, part: part.name })));
    const hash = readHash();
    together.checked = hash.get("apart") !== "1";
    sides.left = findSide(hash.get("left")) || { layer: layers[0], place: 0 };
    sides.right = findSide(hash.get("right")) || findOther(sides.left);
    draw("left");
    draw("right");
    drawPairs();
  });
  keys.set("ArrowRight", () => step("left", 1));
  keys.set("ArrowLeft", () => step("left", -1));
  keys.set("j", () => step("left", 1));
  keys.set("k", () => step("left", -1));
})();
