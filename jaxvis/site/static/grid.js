"use strict";
// The page of a layer: its units in a grid, sorted and filtered.
(() => {
  const box = document.getElementById("grid");
  if (!box) return;
  const { format, keys, load, make, picture, prefix, readHash, root, writeHash, writeKey } = jaxvis;
  const at = (id) => document.getElementById(id);
  const fields = { text: at("text"), sort: at("sort"), metric: at("metric"), least: at("least"), most: at("most"), size: at("size") };
  const turn = at("turn");
  const WORD = at("count").textContent.trim().split(" ")[1];

  load(document.body.dataset.layer).then((layer) => {
    const metrics = new Map(Object.entries(layer.metrics));
    const words = layer.units.map((index, i) => `${index} ${layer.labels[i] || ""}`.toLowerCase());
    for (const name of metrics.keys()) {
      fields.sort.append(make("option", { value: name }, name));
      fields.metric.append(make("option", { value: name }, name));
    }
    fields.sort.append(make("option", { value: "label" }, "label"));

    const grid = new WindowedGrid(box, (i, cell) => {
      const index = layer.units[i];
      const label = layer.labels[i];
      const status = layer.statuses[i];
      const name = `${index}${label ? `, ${label}` : ""}${status ? `, ${status}` : ""}`;
      const sort = metrics.get(fields.sort.value);
      const value = sort && sort[i] !== null ? format(sort[i]) : null;
      const link = make("a", { href: `${root}${writeKey(prefix, layer.slug, index)}.html`, title: name },
        picture(layer.covers[i], `${layer.tap} ${name}`),
        make("span", { class: "name" }, make("b", {}, String(index)), " ",
          value !== null ? make("span", { class: "value" }, value) : null, " ",
          make("bdi", { class: status ? "bad" : "" }, status || label || "")));
      cell.append(link);
    });

    function choose() {
      const wanted = fields.text.value.toLowerCase().split(/\s+/).filter(Boolean);
      const metric = metrics.get(fields.metric.value);
      const least = fields.least.value === "" ? -Infinity : Number(fields.least.value);
      const most = fields.most.value === "" ? Infinity : Number(fields.most.value);
      const found = [];
      for (let i = 0; i < layer.units.length; i += 1) {
        if (!wanted.every((word) => words[i].includes(word))) continue;
        if (metric && (metric[i] === null || metric[i] < least || metric[i] > most)) continue;
        found.push(i);
      }
      return order(found);
    }

    function order(found) {
      const sign = turn.getAttribute("aria-pressed") === "true" ? -1 : 1;
      const values = metrics.get(fields.sort.value);
      if (values) {
        // What has no number comes last, whichever way the others go.
        found.sort((a, b) => {
          if (values[a] === null || values[b] === null) return (values[a] === null) - (values[b] === null) || a - b;
          return sign * (values[a] - values[b]) || a - b;
        });
      } else if (fields.sort.value === "label") {
        const text = (i) => layer.labels[i] || "\uffff";
        found.sort((a, b) => sign * text(a).localeCompare(text(b)) || a - b);
      } else if (sign < 0) found.reverse();
      return found;
    }

    function update() {
      const found = choose();
      grid.at = 0;
      grid.show(found, Number(fields.size.value));
      at("none").hidden = found.length > 0;
      const all = layer.units.length;
      at("count").textContent = found.length === all ? `${all} ${WORD}` : `${found.length} of ${all} ${WORD}`;
      for (const one of [fields.least, fields.most]) one.disabled = !fields.metric.value;
    }

    function remember() {
      writeHash({
        find: fields.text.value, sort: fields.sort.value, metric: fields.metric.value,
        turn: turn.getAttribute("aria-pressed") === "true" ? "1" : "",
        from: fields.least.value, to: fields.most.value,
        size: fields.size.value === fields.size.defaultValue ? "" : fields.size.value,
      });
      update();
    }

    function recall() {
      const hash = readHash();
      fields.text.value = hash.get("find") || "";
      fields.sort.value = hash.get("sort") || "";
      fields.metric.value = hash.get("metric") || "";
      if (fields.sort.selectedIndex < 0) fields.sort.value = "";
      if (fields.metric.selectedIndex < 0) fields.metric.value = "";
      fields.least.value = hash.get("from") || "";
      fields.most.value = hash.get("to") || "";
      fields.size.value = hash.get("size") || (innerWidth < 600 ? "96" : fields.size.defaultValue);
      press(hash.get("turn") === "1");
      update();
    }

    function press(on) {
      turn.setAttribute("aria-pressed", String(on));
      turn.textContent = on ? "↑" : "↓";
    }

    for (const one of Object.values(fields)) one.addEventListener("input", remember);
    turn.addEventListener("click", () => {
      press(turn.getAttribute("aria-pressed") !== "true");
      remember();
    });
    addEventListener("hashchange", recall);
    for (const key of ["ArrowRight", "ArrowLeft", "ArrowDown", "ArrowUp", "j", "k"]) {
      keys.set(key, () => grid.step(key));
    }
    recall();
  });
})();
