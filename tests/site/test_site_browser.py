"""The site in a real browser: Chromium, from the disk, as a user opens it."""

import re
import shutil
import time

import pytest

from jaxvis.site.building import build_site
from tests.site.fabricate import NAMES, Fabric, describe_example, fabricate

pytestmark = pytest.mark.slow
WIDTHS = ((1280, 900), (768, 1024), (375, 812))
MANY = 10_000
BLANKS = """() => {
  // Points over the whole grid that is in sight: each must lie on a cell or between two.
  const box = document.getElementById('grid').getBoundingClientRect();
  const cells = [...document.querySelectorAll('.cell')].map((one) => one.getBoundingClientRect());
  const blanks = [];
  for (let y = Math.max(box.top, 60) + 5; y < Math.min(innerHeight, box.bottom) - 40; y += 40) {
    const x = box.left + 20;
    if (!cells.some((c) => c.left <= x && x <= c.right && c.top - 12 <= y && y <= c.bottom + 12)) {
      blanks.push(y);
    }
  }
  return blanks;
}"""
COLUMNS = """() => new Set([...document.querySelectorAll('.cell')]
  .map((one) => one.getBoundingClientRect().left)).size"""
SCROLL = """(top) => new Promise((go) => {
  scrollTo(0, top);
  requestAnimationFrame(() => requestAnimationFrame(go));
})"""
LOADED = """() => [...document.querySelectorAll('.cell img')].filter((one) => {
  const box = one.getBoundingClientRect();
  return box.bottom > 0 && box.top < innerHeight;
}).every((one) => one.complete && one.naturalWidth > 0)"""
CONTRAST = """() => {
  // The contrast of every text with the page behind it, as WCAG 2 defines it.
  const parse = (text) => text.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => [r, g, b].map((v) => v / 255)
    .map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4))
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = (one) => {
    for (let at = one; at; at = at.parentElement) {
      const colour = parse(getComputedStyle(at).backgroundColor);
      if (colour.length < 4 || colour[3] > 0) return colour;
    }
    return [255, 255, 255];
  };
  const bad = [];
  for (const one of document.querySelectorAll('body *')) {
    const own = [...one.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim());
    if (!own || !one.getClientRects().length || one.closest('svg, :disabled')) continue;
    const [a, b] = [light(parse(getComputedStyle(one).color)), light(behind(one))].sort();
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < 4.5) bad.push(`${one.tagName}.${one.className} ${ratio.toFixed(2)}`);
  }
  return bad;
}"""
NAMELESS = """() => [...document.querySelectorAll('a, button, input, select, textarea, img')]
  .filter((one) => one.getClientRects().length)
  .filter((one) => !(one.getAttribute('aria-label') || one.textContent.trim() || one.title
    || (one.tagName === 'IMG' && one.hasAttribute('alt')) || (one.labels && one.labels.length)
    || one.querySelector('img[alt]:not([alt=""])')))
  .map((one) => one.outerHTML.slice(0, 120))"""


@pytest.fixture(scope="module")
def chromium():
    """Returns Chromium, or skips where there is none."""
    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    with api.sync_playwright() as play:
        try:
            browser = play.chromium.launch(executable_path=path, args=["--no-sandbox"])
        except api.Error as error:
            pytest.skip(f"there is no Chromium: {str(error).splitlines()[0]}")
        yield browser
        browser.close()


@pytest.fixture
def open_page(chromium):
    """Returns a function that opens a page; an error on the console fails the test."""
    contexts, errors = [], []

    def open_page(path, *, width=1280, height=900, **options):
        context = chromium.new_context(viewport={"width": width, "height": height}, **options)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(10_000)
        page.on("console", lambda message: errors.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("dialog", lambda dialog: errors.append(f"dialog: {dialog.message}"))
        page.on("request", lambda asked: asked.url.startswith("file:") or errors.append(asked.url))
        page.goto(path.as_uri())
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert not errors


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    base = tmp_path_factory.mktemp("browser")
    extra = tuple(describe_example("explain", None, 1, name) for name in NAMES)
    fabricate(base / "sweep", Fabric(units=40, total=500, extra=extra))
    build_site([base / "sweep"], base / "site")
    return base / "site"


@pytest.fixture(scope="module")
def hostile(tmp_path_factory):
    base = tmp_path_factory.mktemp("hostile")
    fabric = Fabric(taps=(*NAMES, "fc8"), units=4, labels=NAMES, network=NAMES[0])
    build_site([fabricate(base / "sweep", fabric)], base / "site", title=NAMES[1])
    return base / "site"


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    base = tmp_path_factory.mktemp("runs")
    small = Fabric(taps=("conv1_1", "fc8"), units=6, measured=False)
    build_site([fabricate(base / "a", small), fabricate(base / "b", small)], base / "site")
    return base / "site"


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    base = tmp_path_factory.mktemp("large")
    big = Fabric(taps=("big",), units=MANY, seeds=1, side=64, measured=False)
    build_site([fabricate(base / "sweep", big)], base / "site")
    return base / "site"


def names_in(page):
    return [text.split()[0] for text in page.locator(".cell .name").all_inner_texts()]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(("width", "height"), WIDTHS)
def test_every_kind_of_page_can_be_read(site, open_page, tmp_path, scheme, width, height):
    pages = ("index", "layers/conv2_1", "units/conv2_1/0003", "units/fc8/0001", "lists", "compare")
    for name in (*pages, "units/fc8/0001-card"):
        page = open_page(site / f"{name}.html", width=width, height=height, color_scheme=scheme)
        page.wait_for_timeout(150)
        # Nothing is wider than the screen, every text is legible, everything has a name.
        assert page.evaluate("document.documentElement.scrollWidth") <= width, name
        assert page.evaluate(CONTRAST) == [], name
        assert page.evaluate(NAMELESS) == [], name
        page.screenshot(path=tmp_path / f"{name.replace('/', '-')}.png")


def test_hostile_names_are_inert(hostile, open_page):
    page = open_page(hostile / "index.html")
    made = "document.querySelectorAll('img[src=x], script:not([src])').length"
    for path in sorted(hostile.rglob("*.html")):
        page.goto(path.as_uri())
        assert page.evaluate(made) == 0, path
    page.goto((hostile / "lists.html").as_uri())
    page.fill("#search", "script")
    page.wait_for_selector("#found [role=option]")
    assert "<script>alert(1)</script>" in page.inner_text("#found")
    page.goto(
        (hostile / "lists.html").as_uri()
        + "#list=<img src=x onerror=alert(1)>&units=javascript:alert(1),units/fc8/0001"
    )
    page.reload()
    assert page.locator(".shared a").count() == 1
    assert "<img src=x" in page.inner_text(".shared h2")


def test_search_finds_names_numbers_and_labels(site, open_page):
    page = open_page(site / "units/conv2_1/0003.html")
    page.keyboard.press("/")
    page.keyboard.type("conv1_1 12")
    page.wait_for_selector("#found [role=option]")
    page.keyboard.press("Enter")
    page.wait_for_url("**/units/conv1_1/0012.html")
    page.fill("#search", "stripes")
    page.wait_for_selector("#found [role=option]")
    assert page.locator("#found [role=option]").count() == 6
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    page.wait_for_url("**/units/fc8/0011.html")
    page.fill("#search", "nothing is called so")
    page.wait_for_selector("text=Nothing is called so.")


def test_a_grid_is_sorted_and_filtered_and_the_address_keeps_it(site, open_page):
    page = open_page(site / "layers/conv2_1.html")
    assert names_in(page)[:3] == ["0", "1", "2"]
    page.select_option("#sort", "activation")
    page.click("#turn")
    values = [float(one) for one in page.locator(".cell .value").all_inner_texts()]
    assert values == sorted(values, reverse=True) and len(values) == 40
    page.select_option("#metric", "mean")
    page.fill("#least", "1")
    page.fill("#most", "2")
    assert page.inner_text("#count") == "8 of 40 units"
    address = page.url
    again = open_page(site / "layers/conv2_1.html")
    again.goto(address)
    again.reload()
    assert again.inner_text("#count") == "8 of 40 units"
    assert names_in(again) == names_in(page)
    page.fill("#text", "no such unit")
    assert page.is_visible("#none")


def test_a_grid_is_walked_with_keys(site, open_page):
    page = open_page(site / "layers/conv2_1.html")
    columns = page.evaluate(COLUMNS)
    for key in ("j", "ArrowRight", "ArrowDown", "k"):
        page.keyboard.press(key)
    assert page.evaluate("document.activeElement.title") == f"{columns}"
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/{columns:04d}.html")
    page.keyboard.press("j")
    page.wait_for_url(f"**/{columns + 1:04d}.html")
    page.keyboard.press("ArrowLeft")
    page.wait_for_url(f"**/{columns:04d}.html")
    page.keyboard.press("u")
    page.wait_for_url("**/layers/conv2_1.html")
    page.keyboard.press("r")
    page.wait_for_url(re.compile(r"/units/\w+/\d{4}\.html"))
    page.keyboard.press("?")
    assert page.is_visible("#keys")
    page.keyboard.press("Escape")
    page.keyboard.press("d")
    assert page.get_attribute("html", "data-theme") == "dark"
    page.reload()
    assert page.get_attribute("html", "data-theme") == "dark"


def test_lists_and_notes_are_kept_exported_and_imported(site, open_page, tmp_path):
    page = open_page(site / "units/conv2_1/0003.html", accept_downloads=True)
    page.keyboard.press("s")
    assert page.inner_text("#star") == "★ On My list"
    page.keyboard.press("n")
    page.keyboard.type("a ring <b>")
    page.goto((site / "lists.html").as_uri())
    page.wait_for_selector(".list img")
    assert "conv2_1 3" in page.inner_text("#lists") and "a ring <b>" in page.inner_text("#notes")
    address = page.input_value(".list input")
    with page.expect_download() as download:
        page.click("#export")
    download.value.save_as(tmp_path / "lists.json")
    other = open_page(site / "lists.html")
    assert "There is no list yet" in other.inner_text("#lists")
    other.set_input_files("#import", tmp_path / "lists.json")
    other.wait_for_selector(".list img")
    assert other.inner_text("#said") == "1 lists and 1 notes were read."
    (tmp_path / "bad.json").write_text("miaow")
    other.set_input_files("#import", tmp_path / "bad.json")
    other.wait_for_selector("text=holds no lists")
    shared = open_page(site / "lists.html")
    shared.goto(address)
    shared.reload()
    shared.click("text=Keep this list")
    assert shared.locator("#lists .list").count() == 1


def test_two_runs_are_seen_side_by_side(runs, open_page):
    page = open_page(runs / "runs/demo_a/units/fc8/0002.html")
    page.click("text=Compare >> nth=1")
    page.wait_for_selector("#right h2")
    assert "demo, a · fc8 2" in page.inner_text("#left h2")
    assert "demo, b · fc8 2" in page.inner_text("#right h2")
    page.wait_for_selector("#pairs .cell")
    assert page.locator("#pairs .cell").count() == 6
    page.keyboard.press("ArrowRight")
    page.wait_for_selector("#right h2:has-text('fc8 3')")
    assert "fc8 3" in page.inner_text("#left h2")
    again = open_page(runs / "compare.html")
    again.goto(page.url)
    again.reload()
    again.wait_for_selector("#right h2:has-text('fc8 3')")
    page.click("#pairs .cell >> nth=5")
    page.wait_for_selector("#right h2:has-text('fc8 5')")


def test_ten_thousand_units_load_and_scroll(large, open_page):
    began = time.perf_counter()
    page = open_page(large / "layers/big.html")
    page.wait_for_selector(".cell img")
    opened = time.perf_counter() - began
    shown = page.evaluate("performance.getEntriesByType('paint').at(-1).startTime")
    assert page.inner_text("#count") == f"{MANY} units"
    assert page.locator(".cell").count() < 600
    assert shown < 1000 and opened < 3, (shown, opened)
    high = page.evaluate("document.documentElement.scrollHeight")
    for step in range(40):
        # Now in small steps, now far away: the cells are there in the same frame.
        top = step * 300 if step % 2 else (step * 7919 * 13) % high
        page.evaluate(
            SCROLL,
            top,
        )
        assert page.evaluate(BLANKS) == [], top
        page.wait_for_function(LOADED, timeout=2000)
    before = time.perf_counter()
    page.select_option("#sort", "activation")
    page.wait_for_function("document.querySelector('.cell .value')")
    assert time.perf_counter() - before < 1
