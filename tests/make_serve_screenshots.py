"""bundle -> docs/serve.png and docs/serve-phone.png: the page of `mtl serve`, asked as a visitor does.

Run ``python tests/make_serve_screenshots.py BUNDLE docs`` (it needs a browser), or ``make serve-screenshots``.
"""

import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from mtl_runtime import load
from mtl_runtime.server.served_model import ServedModel
from tests.contract.browser import NAMES, find_browser, open_browser
from tests.runtime.server.running import RunningServer

SENTENCE = "Great screen, but the battery died after two days."
VIEWS = {
    "serve.png": ({"width": 1280, "height": 960}, "light"),
    "serve-phone.png": ({"width": 390, "height": 844, "phone": True}, "dark"),
}
ANSWERED = "document.getElementById('status').textContent.includes('answered')"
EXPLAINED = "document.querySelectorAll('.explained:not([hidden])').length > 0"


def take_screenshots(bundle: Path, folder: Path) -> None:
    """Type a sentence, ask which words made the answers, and write what a window shows then."""
    if (program := find_browser()) is None:
        sys.exit(f"error: no browser on the PATH; install one of {', '.join(NAMES)}")
    model = ServedModel(name="demo", classifier=load(bundle))
    with (
        tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile,
        RunningServer([model]) as server,
        open_browser(program, Path(profile)) as browser,
    ):
        for name, (window, scheme) in VIEWS.items():
            browser.open(f"{server.url}/ui", **window, prefers_color_scheme=scheme, prefers_reduced_motion="reduce")
            browser.wait_for(ANSWERED)
            browser.value("document.getElementById('texts').select()")
            browser.type(SENTENCE)
            browser.press("Enter")
            browser.wait_for(f"document.querySelector('article h3').textContent === '{SENTENCE}'")
            browser.click("document.querySelector('.explain')")
            browser.wait_for(EXPLAINED)
            browser.value("scrollTo(0, 0)")
            (folder / name).write_bytes(browser.screenshot())


if __name__ == "__main__":
    take_screenshots(Path(sys.argv[1]), Path(sys.argv[2]))
