"""A real browser shows the benchmark's page, and does what a reader asks of it: sort, choose, fold, point, print."""

import json
import re
from dataclasses import replace

import pytest

from mtl_bench.report.document import report_page
from mtl_bench.report.screenshots import SCREENSHOTS, take_screenshot
from tests.bench.report.report_records import REPORT, SMUGGLED
from tests.contract.browser import NAMES, OPEN_ALL, WINDOWS, find_browser, open_browser

BROWSER = find_browser()
pytestmark = pytest.mark.skipif(BROWSER is None, reason=f"no browser here; install one of {', '.join(NAMES)}")

SHOW_ALL_VIEWS = "document.querySelectorAll('.view').forEach(view => view.hidden = false)"
OVERLAPS = """[...document.querySelectorAll('.view svg')].flatMap(svg => {
  const boxes = [...svg.querySelectorAll('text')].map(t => [t.textContent, t.getBoundingClientRect()]);
  const over = (p, q) => p.left < q.right - 1 && q.left < p.right - 1 && p.top < q.bottom - 3 && q.top < p.bottom - 3;
  return boxes.flatMap(([a, p], i) => boxes.slice(i + 1).filter(([, q]) => over(p, q)).map(([b]) => a + ' / ' + b));
})"""
OUTSIDE = """[...document.querySelectorAll('.view svg text')].filter(t => {
  const box = t.getBoundingClientRect(), svg = t.closest('svg').getBoundingClientRect();
  return box.left < svg.left - 1 || box.right > svg.right + 1 || box.top < svg.top - 1 || box.bottom > svg.bottom + 1;
}).map(t => t.textContent)"""
# Words of the page that stick out of it, but for those inside a box that scrolls.
TOO_WIDE = """[...document.querySelectorAll('h1, h2, h3, p, li, dd, figcaption, button, select, code')].filter(e =>
  !e.closest('.scroll') && e.getBoundingClientRect().right > document.documentElement.clientWidth + 1)
  .map(e => e.textContent)"""
HEADS_OUTSIDE = """[...document.querySelectorAll('.systems thead button')].filter(b => {
  const box = b.getBoundingClientRect(), cell = b.parentElement.getBoundingClientRect();
  return box.left < cell.left - 1 || box.right > cell.right + 1;
}).map(b => b.textContent)"""
# Contrast of every text with what lies behind it, after WCAG 2.2; opacity is not looked at: no text has it.
CONTRAST = """(() => {
  const parse = (c) => c.match(/[\\d.]+/g).map(Number);
  const bend = (v) => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
  const light = (c) => { const [r, g, b] = parse(c).map(v => bend(v / 255));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
  const behind = (e) => { for (; e; e = e.parentElement) {
    const c = getComputedStyle(e).backgroundColor; if ((parse(c)[3] ?? 1) > 0) return c; } };
  return [...document.querySelectorAll('p, li, td, th, small, button, summary, code, dt, dd, .b, figcaption, svg text')]
    .filter(e => e.textContent.trim() && e.getClientRects().length).map(e => {
      const style = getComputedStyle(e), svg = e.closest('svg');
      const two = [light(svg ? style.fill : style.color), light(behind(svg ? svg.parentElement : e))];
      const [a, b] = two.sort((x, y) => y - x);
      return [(a + 0.05) / (b + 0.05), e.textContent.slice(0, 40)];
    }).filter(([ratio]) => ratio < 4.5);
})()"""
NAMES_SHOWN = "[...document.querySelectorAll('.systems tbody')].filter(b => !b.hidden).map(b => b.dataset.name)"
VALUES = """(column => [...document.querySelectorAll('.systems tbody')].map(b => b.rows[0].cells[column])
  .map(c => c && c.dataset.value !== undefined ? Number(c.dataset.value) : null))"""
SORTERS = "document.querySelectorAll('.systems [aria-sort] button')"
FIGURE = "[...document.querySelectorAll('figure')].find(f => f.querySelector('h3').textContent.startsWith({name}))"


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "report.html"
    path.write_text(report_page(REPORT, title="demo bundle"), "utf-8")
    return path


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    with open_browser(BROWSER, tmp_path_factory.mktemp("browser") / "profile") as page:
        yield page


@pytest.fixture
def desk(browser, file):
    browser.open(file, **WINDOWS["desktop"])
    return browser


def figure(name):
    return FIGURE.format(name=json.dumps(name))


def sorter(page, name):
    """Expression of the button of a column, and the column's place."""
    names = page.value(f"[...{SORTERS}].map(b => b.parentElement.dataset.group + ': ' + b.textContent)")
    (place,) = (index for index, shown in enumerate(names) if shown.startswith(name))
    return f"{SORTERS}[{place}]", place


def choose(page, select, value):
    page.value(f"(s => (s.value = {json.dumps(value)}, s.dispatchEvent(new Event('change'))))({select})")


@pytest.mark.parametrize("window", WINDOWS)
def test_the_page_is_never_wider_than_its_window(browser, file, window):
    browser.open(file, **WINDOWS[window])
    for step in ("0", OPEN_ALL, SHOW_ALL_VIEWS):
        browser.value(step)
        assert browser.value("document.documentElement.scrollWidth") == WINDOWS[window]["width"]
        assert browser.value(TOO_WIDE) == []


@pytest.mark.parametrize("window", WINDOWS)
def test_no_label_of_a_chart_is_cut_off_or_covers_another(browser, file, window):
    browser.open(file, **WINDOWS[window])
    browser.value(SHOW_ALL_VIEWS)
    assert browser.value("document.querySelectorAll('.view svg text').length") > 200
    assert browser.value(OUTSIDE) == []
    assert browser.value(OVERLAPS) == []
    assert browser.value(HEADS_OUTSIDE) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_stands_out_from_its_ground(browser, file, scheme):
    browser.open(file, **WINDOWS["desktop"], prefers_color_scheme=scheme)
    browser.value(OPEN_ALL)
    assert browser.value(CONTRAST) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("window", WINDOWS)
def test_screenshots_show_the_page_in_its_scheme(browser, file, tmp_path, window, scheme):
    browser.open(file, **WINDOWS[window], prefers_color_scheme=scheme)
    picture = tmp_path / f"{window}-{scheme}.png"
    picture.write_bytes(browser.screenshot(whole=True))
    assert picture.stat().st_size > 50_000
    paper = browser.value("getComputedStyle(document.body).backgroundColor")
    assert paper == {"light": "rgb(255, 255, 255)", "dark": "rgb(20, 24, 28)"}[scheme]


def test_nothing_smuggled_in_runs_and_the_policy_lets_style_and_script_through(desk):
    assert desk.value("document.title") == "demo bundle: benchmark"
    assert desk.value("document.images.length") == 0
    assert desk.value("document.scripts.length") == 1
    assert SMUGGLED in desk.value("document.body.textContent")
    assert desk.value("document.querySelector('.controls').hidden") is False
    smuggle = "(s => (s.textContent = 'document.title = \"ran\"', document.body.append(s)))"
    desk.value(f"{smuggle}(document.createElement('script'))")
    assert desk.value("document.title") == "demo bundle: benchmark"


def test_a_click_on_a_column_sorts_by_it_the_better_end_first_and_a_second_turns_it_round(desk):
    button, place = sorter(desk, "offline: texts/s")
    for way, order in (("descending", -1), ("ascending", 1)):
        desk.click(button)
        assert desk.value(f"{button}.parentElement.getAttribute('aria-sort')") == way
        values = desk.value(f"{VALUES}({place})")
        known = [value for value in values if value is not None]
        assert known == sorted(known, key=lambda value, order=order: order * value)
        assert values[len(known) :] == [None] * (len(values) - len(known))
        assert desk.value("document.querySelectorAll('[aria-sort]:not([aria-sort=none])').length") == 1
    assert desk.value("document.querySelector('.table-status').textContent") == "Sorted by offline texts/s, ascending."


def test_the_keyboard_sorts_too(desk):
    button, place = sorter(desk, "single stream, ms: p99")
    desk.value(f"{button}.focus()")
    desk.press("Enter")
    assert desk.value(f"{button}.parentElement.getAttribute('aria-sort')") == "ascending"
    assert desk.value(f"{VALUES}({place})[0]") == min(filter(None, desk.value(f"{VALUES}({place})")))


def test_names_sort_as_words(desk):
    desk.click(f"{SORTERS}[0]")
    assert desk.value(NAMES_SHOWN) == sorted(REPORT.systems)


def test_the_filter_shows_ours_or_peers(desk):
    for kind in ("ours", "peer"):
        choose(desk, "document.querySelector('#kinds')", kind)
        assert desk.value(NAMES_SHOWN) == [name for name, row in REPORT.systems.items() if row.kind == kind]
    choose(desk, "document.querySelector('#kinds')", "all")
    assert len(desk.value(NAMES_SHOWN)) == len(REPORT.systems)


def test_every_multiple_follows_the_chosen_baseline(desk):
    _, place = sorter(desk, "offline: times")
    before = desk.value(f"{VALUES}({place})")
    choose(desk, "document.querySelector('#baseline')", "openvino")
    after = dict(zip(desk.value(NAMES_SHOWN), desk.value(f"{VALUES}({place})"), strict=True))
    assert after["openvino"] == 1
    assert after["cpu-int8"] > 1 > after["pipeline"]
    assert after["engine"] is None
    assert list(after.values()) != before
    cell = "document.querySelector('[data-name=\"openvino\"] .multiple').textContent"
    assert desk.value(cell) == "1×"


def test_a_row_unfolds_its_facts_and_folds_them_again(desk):
    details = "document.querySelector('[data-name=\"cpu-int8\"] details')"
    for opened in (True, False):
        desk.click(f"{details}.querySelector('summary')")
        assert desk.value(f"{details}.open") is opened
    desk.value(f"{details}.querySelector('summary').focus()")
    desk.press("Enter")
    assert "onnxruntime" in desk.value(f"{details}.innerText")


def test_the_command_is_copied_as_it_stands(desk):
    permissions = ["clipboardReadWrite", "clipboardSanitizedWrite"]
    desk.ask("Emulation.setFocusEmulationEnabled", enabled=True)
    session, desk.session = desk.session, None
    try:
        desk.ask("Browser.grantPermissions", permissions=permissions)
    finally:
        desk.session = session
    row = "document.querySelector('[data-name=\"engine\"]')"
    desk.value(OPEN_ALL)
    desk.click(f"{row}.querySelector('.copy')")
    said = f"new Promise(done => setTimeout(() => done({row}.querySelector('.copy').textContent), 200))"
    assert desk.value(said) == "Copied"
    assert desk.value("navigator.clipboard.readText()") == REPORT.systems["engine"].command


def test_a_button_switches_the_view_of_its_chart_alone(desk):
    server = figure("Server")
    shown = f"[...{server}.querySelectorAll('.view')].map(v => !v.hidden)"
    elsewhere = "[...document.querySelectorAll('.view')].filter(v => !v.hidden).length"
    assert desk.value(shown) == [True, False, False, False]
    before = desk.value(elsewhere)
    desk.click(f"{server}.querySelectorAll('[data-view]')[1]")
    assert desk.value(shown) == [False, True, False, False]
    assert desk.value(elsewhere) == before
    assert desk.value(f"{server}.querySelectorAll('[aria-pressed=true][data-view]').length") == 1


def test_a_key_takes_its_system_out_of_every_chart_and_brings_it_back(desk):
    groups = "[...document.querySelectorAll('[data-system=\"openvino\"]')].map(g => getComputedStyle(g).display)"
    assert set(desk.value(groups)) == {"inline"}
    key = f"{figure('Server')}.querySelector('[data-key=\"openvino\"]')"
    desk.click(key)
    assert set(desk.value(groups)) == {"none"}
    assert (
        desk.value("[...document.querySelectorAll('[data-key=\"openvino\"]')].map(k => k.ariaPressed)") == ["false"] * 3
    )
    desk.click(key)
    assert set(desk.value(groups)) == {"inline"}


def test_pointing_at_a_mark_tells_its_figures_and_leaving_it_stops(desk):
    desk.point_at(f"{figure('Offline')}.querySelector('[data-system=\"cpu-int8\"] rect')")
    assert desk.value("document.querySelector('#tip').hidden") is False
    assert re.match(r"cpu-int8: 1,0\d\d \(95 %: .*\) texts/s", desk.value("document.querySelector('#tip').textContent"))
    box = desk.value("(r => [r.left, r.top, r.right])(document.querySelector('#tip').getBoundingClientRect())")
    assert box[0] >= 0
    assert box[1] >= 0
    assert box[2] <= 1280
    desk.point_at("document.querySelector('h1')")
    assert desk.value("document.querySelector('#tip').hidden") is True


def test_arrow_keys_walk_from_mark_to_mark(desk):
    desk.value(f"{figure('Accuracy')}.querySelector('svg').focus()")
    told = []
    for key in ("ArrowRight", "ArrowRight", "ArrowLeft"):
        desk.press(key)
        told.append(desk.value("document.querySelector('#tip').textContent"))
    assert told[0] == told[2] != told[1]
    desk.press("Escape")
    assert desk.value("document.querySelector('#tip').hidden") is True


def test_a_tap_on_a_phone_tells_the_figures(browser, file):
    browser.open(file, **WINDOWS["phone"])
    x, y = browser.point_at(f"{figure('Cold')}.querySelector('[data-system=\"cpu-fp32\"] rect')")
    browser.point_at("document.querySelector('h1')")
    browser.point_at(f"{figure('Cold')}.querySelector('[data-system=\"cpu-fp32\"] rect')")
    browser.ask("Input.dispatchTouchEvent", type="touchStart", touchPoints=[{"x": x, "y": y}])
    browser.ask("Input.dispatchTouchEvent", type="touchEnd", touchPoints=[])
    assert browser.value("document.querySelector('#tip').textContent").startswith("cpu-fp32:")


def test_on_a_phone_the_table_scrolls_inside_its_box_with_the_names_in_sight(browser, file):
    browser.open(file, **WINDOWS["narrowest phone"])
    box = "document.querySelector('.systems')"
    assert browser.value(f"{box}.scrollWidth > {box}.clientWidth")
    browser.value(f"{box}.scrollLeft = 400")
    assert browser.value(f"{box}.scrollLeft") == 400
    assert browser.value("document.querySelector('.systems tbody th').getBoundingClientRect().left") < 40


def test_on_paper_all_rows_are_open_and_no_control_is_left(desk):
    choose(desk, "document.querySelector('#kinds')", "ours")
    desk.ask("Emulation.setEmulatedMedia", media="print")
    try:
        shown = "[...document.querySelectorAll('.systems tbody')].filter(b => b.getBoundingClientRect().height).length"
        assert desk.value(shown) == len(REPORT.systems)
        bodies = "[...document.querySelectorAll('details .body')].filter(b => b.innerText.length > 20).length"
        assert desk.value(bodies) == len(REPORT.systems) + 1
        controls = (
            "[...document.querySelectorAll('select, .copy, [data-view]')].filter(e => e.getClientRects().length).length"
        )
        assert desk.value(controls) == 0
    finally:
        desk.ask("Emulation.setEmulatedMedia", media="")
    pdf = desk.pdf()
    assert pdf.startswith(b"%PDF")
    assert len(re.findall(rb"/Type\s*/Page\b", pdf)) >= 4


def test_without_script_all_is_there_but_the_choices(browser, file):
    browser.ask("Emulation.setScriptExecutionDisabled", value=True)
    try:
        browser.open(file, **WINDOWS["desktop"])
        assert browser.value("document.querySelector('.controls').hidden") is True
        assert browser.value("document.querySelectorAll('button:enabled:not([hidden] *, [hidden])').length") == 0
        assert browser.value("document.querySelectorAll('.view g title').length") > 100
        assert browser.value("document.querySelectorAll('.systems tbody').length") == len(REPORT.systems)
    finally:
        browser.ask("Emulation.setScriptExecutionDisabled", value=False)


def test_the_docs_pictures_come_from_a_command(file, tmp_path):
    for name, picture in SCREENSHOTS.items():
        take_screenshot(BROWSER, file, picture, tmp_path / name)
        png = (tmp_path / name).read_bytes()
        width, height = (int.from_bytes(png[at : at + 4], "big") for at in (16, 20))
        assert (width, height) == (picture.scale * picture.width, picture.scale * picture.height)


@pytest.mark.parametrize("window", WINDOWS)
def test_long_names_many_tasks_and_many_systems_find_room(browser, tmp_path, window):
    tasks = [f"a_task_with_a_name_of_many_letters_{number}" for number in range(7)]
    right = {name: replace(row.answers, agreement=dict.fromkeys(tasks, 0.99)) if row.answers else None
             for name, row in REPORT.systems.items()}  # fmt: skip
    systems = {
        f"{name}{'-of-a-long-name' * again}": replace(row, answers=right[name], command=row.command * (1 + 4 * again))
        for again in range(3)
        for name, row in REPORT.systems.items()
    }
    page = tmp_path / "report.html"
    page.write_text(
        report_page(replace(REPORT, tasks=dict.fromkeys(tasks, "single_label"), systems=systems), title="x" * 90),
        "utf-8",
    )
    browser.open(page, **WINDOWS[window])
    for step in (OPEN_ALL, SHOW_ALL_VIEWS):
        browser.value(step)
        assert browser.value("document.documentElement.scrollWidth") == WINDOWS[window]["width"]
    assert browser.value(TOO_WIDE) == []
    assert browser.value(HEADS_OUTSIDE) == []
    assert browser.value(OUTSIDE) == []
    assert browser.value(OVERLAPS) == []
    (tmp_path / f"{window}.png").write_bytes(browser.screenshot(whole=True))
