"""A real browser shows the whole page of a training: on a desk, on a phone, in the dark and on paper."""

import pytest

from mtl_export.training_page import training_page
from tests.contract.browser import NAMES, OPEN_ALL, WINDOWS, find_browser, open_browser
from tests.contract.test_evidence_page_in_browser import OUTSIDE, OVERLAPS
from tests.export.training_page.training_records import RECORD, SMUGGLED, with_labels

BROWSER = find_browser()
pytestmark = pytest.mark.skipif(BROWSER is None, reason=f"no browser here; install one of {', '.join(NAMES)}")

RECORDS = {"three kinds": RECORD, **{f"{count} labels": with_labels(count) for count in (2, 20, 150)}}
# Names of a matrix in the same direction that lie over each other.
CROWDED = """(() => {
  const names = [...document.querySelectorAll('.matrix svg text[text-anchor="end"]')];
  const boxes = names.map(name => name.getBoundingClientRect());
  return boxes.slice(1).filter((box, i) => box.top < boxes[i].bottom - 3).length;
})()"""


@pytest.fixture(scope="module", params=RECORDS)
def file(request, tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "training.html"
    path.write_text(training_page(RECORDS[request.param], title="demo checkpoint"), "utf-8")
    return path


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    with open_browser(BROWSER, tmp_path_factory.mktemp("browser") / "profile") as page:
        yield page


@pytest.mark.parametrize("window", WINDOWS)
def test_the_page_is_never_wider_than_its_window(browser, file, window):
    browser.open(file, **WINDOWS[window])
    browser.value(OPEN_ALL)
    assert browser.value("document.documentElement.scrollWidth") == WINDOWS[window]["width"]


@pytest.mark.parametrize("window", WINDOWS)
def test_no_label_of_a_chart_is_cut_off_or_covers_another(browser, file, window):
    browser.open(file, **WINDOWS[window])
    browser.value(OPEN_ALL)
    assert browser.value("document.querySelectorAll('svg text').length") > 15
    assert browser.value(OUTSIDE) == []
    assert browser.value(OVERLAPS) == []
    assert browser.value(CROWDED) == 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_follows_the_scheme(browser, file, scheme):
    browser.open(file, **WINDOWS["desktop"], prefers_color_scheme=scheme)
    paper = browser.value("getComputedStyle(document.body).backgroundColor")
    assert paper == {"light": "rgb(255, 255, 255)", "dark": "rgb(20, 24, 28)"}[scheme]
    assert browser.value("document.styleSheets[0].cssRules.length") > 50  # the policy lets the style through


def test_nothing_smuggled_in_runs_and_the_page_can_be_printed(browser, tmp_path):
    path = tmp_path / "training.html"
    path.write_text(training_page(RECORD, title="demo checkpoint"), "utf-8")
    browser.open(path, **WINDOWS["desktop"])
    assert browser.value("document.title") == "demo checkpoint: training"
    assert browser.value("document.scripts.length + document.images.length") == 0
    assert SMUGGLED in browser.value("document.body.textContent")
    assert browser.pdf().startswith(b"%PDF")
