"""A real browser shows the whole evidence page: on a desk, on a phone, in the dark and on paper."""

import html
import re
import struct
import subprocess
import zlib

import pytest

from mtl_runtime.report.document import evidence_page
from tests.contract.browser import FLAGS, NAMES, OPEN_ALL, WINDOWS, find_browser, open_browser
from tests.runtime.evidence.evidence_records import EVIDENCE, SMUGGLED

BROWSER = find_browser()
pytestmark = pytest.mark.skipif(BROWSER is None, reason=f"no browser here; install one of {', '.join(NAMES)}")

# Words of different blocks that lie over each other; scrolled boxes are looked at as they stand.
OVERLAPS = """(() => {
  const boxes = [...document.querySelectorAll('svg text')].map(t => [t.closest('svg'), t.textContent,
    t.getBoundingClientRect()]).filter(([, , r]) => r.width);
  const found = [];
  boxes.forEach(([svg, a, p], i) => boxes.slice(i + 1).forEach(([other, b, q]) => {
    if (svg === other && p.left < q.right - 1 && q.left < p.right - 1 && p.top < q.bottom - 2 && q.top < p.bottom - 2)
      found.push(a + ' / ' + b);
  }));
  return found;
})()"""
OUTSIDE = """[...document.querySelectorAll('svg text')].filter(t => {
  const box = t.getBoundingClientRect(), svg = t.closest('svg').getBoundingClientRect();
  return box.width && (box.left < svg.left - 1 || box.right > svg.right + 1 || box.bottom > svg.bottom + 1);
}).map(t => t.textContent)"""


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "evidence.html"
    path.write_text(evidence_page(EVIDENCE, title="demo bundle"), "utf-8")
    return path


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    with open_browser(BROWSER, tmp_path_factory.mktemp("browser") / "profile") as page:
        yield page


def pixels(png):
    """Width, height and the bytes of all rows of a PNG."""
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    width, height = struct.unpack(">II", png[16:24])
    data, at = b"", 8
    while at < len(png):
        (length,) = struct.unpack(">I", png[at : at + 4])
        if png[at + 4 : at + 8] == b"IDAT":
            data += png[at + 8 : at + 8 + length]
        at += length + 12
    return width, height, zlib.decompress(data)


@pytest.mark.parametrize("window", WINDOWS)
def test_the_page_is_never_wider_than_its_window(browser, file, window):
    browser.open(file, **WINDOWS[window])
    for opening in ("0", OPEN_ALL):
        browser.value(opening)
        wide = browser.value("document.documentElement.scrollWidth")
        assert wide == WINDOWS[window]["width"]


def test_on_a_phone_the_wide_table_scrolls_inside_its_box(browser, file):
    browser.open(file, **WINDOWS["phone"])
    inside, box = browser.value(
        "(b => [b.scrollWidth, b.clientWidth])(document.querySelector('.wide'))",
    )
    assert inside > box
    assert box <= 390
    assert browser.value("document.querySelector('.wide').scrollLeft = 300, document.documentElement.scrollLeft") == 0


def test_on_a_desk_the_wide_table_needs_no_scrolling(browser, file):
    browser.open(file, **WINDOWS["desktop"])
    assert browser.value("(b => b.scrollWidth - b.clientWidth)(document.querySelector('.wide'))") == 0


@pytest.mark.parametrize("window", WINDOWS)
def test_no_label_of_a_chart_is_cut_off_or_covers_another(browser, file, window):
    browser.open(file, **WINDOWS[window])
    browser.value(OPEN_ALL)
    assert browser.value("document.querySelectorAll('svg text').length") > 100
    assert browser.value(OUTSIDE) == []
    assert browser.value(OVERLAPS) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("window", WINDOWS)
def test_a_screenshot_shows_the_page_in_its_scheme(browser, file, window, scheme):
    browser.open(file, **WINDOWS[window], prefers_color_scheme=scheme)
    width, height, rows = pixels(browser.screenshot())
    scale = 2 if window != "desktop" else 1
    assert (width, height) == (scale * WINDOWS[window]["width"], scale * WINDOWS[window]["height"])
    assert len(zlib.compress(rows)) > 5_000  # words, not an empty sheet
    paper = browser.value("getComputedStyle(document.body).backgroundColor")
    assert paper == {"light": "rgb(255, 255, 255)", "dark": "rgb(20, 24, 28)"}[scheme]


def test_nothing_smuggled_in_runs_and_the_policy_lets_the_style_through(browser, file):
    browser.open(file, **WINDOWS["desktop"])
    assert browser.value("document.title") == "demo bundle: evidence"
    assert browser.value("document.scripts.length + document.images.length") == 0
    assert browser.value("document.styleSheets[0].cssRules.length") > 50
    assert SMUGGLED in browser.value("document.body.textContent")


def test_a_link_to_a_variant_opens_it(browser, file):
    browser.open(file, **WINDOWS["desktop"])
    second = "document.querySelectorAll('details')[1].open"
    assert browser.value(second) is False
    browser.value("document.querySelectorAll('.badges a')[1].click()")
    assert browser.value(f"new Promise(done => setTimeout(() => done({second}), 200))") is True


def test_on_paper_every_variant_is_open(browser, file):
    browser.open(file, **WINDOWS["desktop"])
    shown = "[...document.querySelectorAll('.body')].filter(body => body.innerText.length > 20).length"
    browser.ask("Emulation.setEmulatedMedia", media="print")
    try:
        assert browser.value(shown) == len(EVIDENCE.variants) + len(EVIDENCE.refused)
    finally:
        browser.ask("Emulation.setEmulatedMedia", media="")
    assert browser.value(shown) == 1  # the failed one
    pdf = browser.pdf()
    assert pdf.startswith(b"%PDF")
    assert len(re.findall(rb"/Type\s*/Page\b", pdf)) >= 8


def test_a_dump_of_the_document_has_lost_nothing(file, tmp_path):
    command = [BROWSER, *FLAGS, f"--user-data-dir={tmp_path / 'profile'}", "--dump-dom", file.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert words(done.stdout) == words(file.read_text("utf-8"))


def words(page):
    """The texts of a page, whatever its writer escapes."""
    return html.unescape(" ".join(re.sub(r"<[^>]*>", " ", page).split()))
