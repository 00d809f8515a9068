"use strict";
// A grid that holds only the cells that are in sight, and some more above and below.
class WindowedGrid {
  // box: the element; fill(item, cell): puts a link and what belongs to it into a cell.
  constructor(box, fill) {
    this.box = box;
    this.fill = fill;
    this.order = [];
    this.cells = new Map();
    this.gap = 10;
    this.side = 120;
    this.wide = 1;
    this.below = 24;
    this.at = 0;
    this.paint = this.paint.bind(this);
    // Screens above and below that are filled: few until the page has come, then more.
    this.extra = document.readyState === "complete" ? 1.5 : 0.2;
    addEventListener("load", () => {
      this.extra = 1.5;
      this.paint();
    });
    addEventListener("scroll", this.paint, { passive: true });
    new ResizeObserver(() => this.layOut()).observe(box);
  }

  // order: the items; side: of a picture in pixels; wide: pictures side by side in a cell.
  show(order, side, wide = 1) {
    this.order = order;
    this.side = side;
    this.wide = wide;
    this.clear();
    this.layOut();
  }

  clear() {
    this.cells.clear();
    this.box.replaceChildren();
  }

  layOut() {
    const width = this.box.clientWidth;
    if (!width) return;
    const wish = this.side * this.wide;
    const columns = Math.max(1, Math.floor((width + this.gap) / (wish + this.gap)));
    const cell = (width - this.gap * (columns - 1)) / columns;
    const high = cell / this.wide + this.below + this.gap;
    if (columns !== this.columns || cell !== this.cell) this.clear();
    this.columns = columns;
    this.cell = cell;
    this.high = high;
    this.box.style.height = `${Math.ceil(this.order.length / columns) * high}px`;
    this.paint();
  }

  paint() {
    if (!this.columns) return;
    const top = -this.box.getBoundingClientRect().top;
    const extra = innerHeight * this.extra;
    const rows = Math.ceil(this.order.length / this.columns);
    const first = Math.max(0, Math.floor((top - extra) / this.high));
    const last = Math.min(rows - 1, Math.floor((top + innerHeight + extra) / this.high));
    const from = first * this.columns;
    const to = Math.min(this.order.length, (last + 1) * this.columns);
    for (const [place, cell] of this.cells) {
      if (place >= from && place < to) continue;
      if (cell.contains(document.activeElement)) continue; // the keyboard must not lose its place
      cell.remove();
      this.cells.delete(place);
    }
    const fresh = document.createDocumentFragment();
    for (let place = from; place < to; place += 1) {
      if (!this.cells.has(place)) fresh.append(this.makeCell(place));
    }
    this.box.append(fresh);
  }

  makeCell(place) {
    const cell = document.createElement("div");
    cell.className = "cell";
    cell.setAttribute("role", "listitem");
    cell.setAttribute("aria-posinset", String(place + 1));
    cell.setAttribute("aria-setsize", String(this.order.length));
    const column = place % this.columns;
    const row = Math.floor(place / this.columns);
    cell.style.width = `${this.cell}px`;
    cell.style.transform = `translate(${column * (this.cell + this.gap)}px, ${row * this.high}px)`;
    this.fill(this.order[place], cell);
    const link = cell.querySelector("a");
    link.tabIndex = place === this.at ? 0 : -1;
    link.addEventListener("focus", () => this.mark(place));
    this.cells.set(place, cell);
    return cell;
  }

  // One cell alone is reached by Tab; arrows go on from there.
  mark(place) {
    const old = this.cells.get(this.at);
    if (old) old.querySelector("a").tabIndex = -1;
    this.at = place;
    const now = this.cells.get(place);
    if (now) now.querySelector("a").tabIndex = 0;
  }

  holdsFocus() {
    return this.box.contains(document.activeElement);
  }

  step(key) {
    const steps = {
      ArrowRight: 1, ArrowLeft: -1, ArrowDown: this.columns, ArrowUp: -this.columns, j: 1, k: -1,
    };
    const start = this.holdsFocus() ? this.at + steps[key] : Math.min(this.at, this.order.length - 1);
    this.focus(Math.max(0, Math.min(this.order.length - 1, start)));
  }

  focus(place) {
    if (!this.order.length) return;
    const top = Math.floor(place / this.columns) * this.high;
    const box = this.box.getBoundingClientRect().top;
    if (box + top < 70) scrollBy(0, box + top - 70);
    else if (box + top + this.high > innerHeight) scrollBy(0, box + top + this.high - innerHeight + 8);
    this.paint();
    const cell = this.cells.get(place);
    if (cell) cell.querySelector("a").focus({ preventScroll: true });
  }
}
