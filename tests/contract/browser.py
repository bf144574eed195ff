"""A page, from a file or a server -> what headless Chromium makes of it, asked over the DevTools protocol on a pipe.

The protocol needs no script in the page, whose own policy forbids any, and no port or package.
"""

import base64
import itertools
import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

WINDOWS = {
    "desktop": {"width": 1280, "height": 900},
    "phone": {"width": 390, "height": 844, "phone": True},
    "narrowest phone": {"width": 320, "height": 640, "phone": True},
}
OPEN_ALL = "document.querySelectorAll('details').forEach(details => details.open = true)"
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = (
    "--headless",
    "--no-sandbox",  # root, as in a container, cannot have one; the page is our own file
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
)


def find_browser() -> str | None:
    """Path of the first browser on this machine; None: there is none."""
    return next((path for name in NAMES if (path := shutil.which(name))), None)


@dataclass
class Page:
    """One tab."""

    requests: BinaryIO
    answers: BinaryIO
    session: str | None = None
    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def ask(self, method: str, **params: object) -> dict[str, Any]:
        """Send one command and wait for its answer; events that come in between are passed over."""
        number = next(self.numbers)
        message = {"id": number, "method": method, "params": params}
        if self.session is not None:
            message["sessionId"] = self.session
        self.requests.write(json.dumps(message).encode() + b"\0")
        self.requests.flush()
        while (answer := self._read()).get("id") != number:
            pass
        assert "error" not in answer, answer
        result: dict[str, Any] = answer["result"]
        return result

    def open(self, page: Path | str, *, width: int, height: int, phone: bool = False, **media: str) -> None:
        """Load a file or an address in a window of that size; ``media`` such as ``prefers_color_scheme="dark"``."""
        metrics = {"width": width, "height": height, "deviceScaleFactor": 2 if phone else 1, "mobile": phone}
        self.ask("Emulation.setDeviceMetricsOverride", **metrics)
        features = [{"name": name.replace("_", "-"), "value": value} for name, value in media.items()]
        self.ask("Emulation.setEmulatedMedia", features=features)
        address = page if isinstance(page, str) else page.as_uri()
        assert "errorText" not in self.ask("Page.navigate", url=address)
        self.wait_for(f"document.readyState + location.href === {json.dumps(f'complete{address}')}")

    def wait_for(self, condition: str, *, seconds: float = 20) -> None:
        """Wait until a JavaScript expression is true."""
        end = time.monotonic() + seconds
        while not self.value(condition):
            assert time.monotonic() < end, f"not within {seconds} s: {condition}"
            time.sleep(0.01)

    @contextmanager
    def tab(self, address: str) -> Iterator[None]:
        """Ask the tab that a click opens and whose address starts so; it is closed with the block."""
        own, target = self.session, self._find_tab(address)
        self.session = self.ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        try:
            yield
        finally:
            self.session = own
            self.ask("Target.closeTarget", targetId=target)

    def _find_tab(self, address: str) -> str:
        """The target of a tab that has loaded: before that its title is its address."""
        end = time.monotonic() + 20
        while True:
            for tab in self.ask("Target.getTargets")["targetInfos"]:
                if tab["url"].startswith(address) and tab["title"] and tab["title"] not in tab["url"]:
                    return str(tab["targetId"])
            assert time.monotonic() < end, f"no tab shows {address}"
            time.sleep(0.01)

    def type(self, text: str) -> None:
        """Text as the keyboard gives it to the element that has the focus."""
        self.ask("Input.insertText", text=text)

    def value(self, expression: str) -> Any:
        """What a JavaScript expression gives in the page, a promise awaited."""
        answer = self.ask("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def point_at(self, expression: str) -> tuple[float, float]:
        """Scroll the element that ``expression`` names into sight and move the mouse to its middle."""
        middle = "(e => (e.scrollIntoView({block: 'center'}), e.getBoundingClientRect()))"
        box = self.value(f"(r => [r.left + r.width / 2, r.top + r.height / 2])({middle}({expression}))")
        # A scroll is told to the page a frame later; what it moves must stand still before the mouse comes.
        self.value("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
        self.ask("Input.dispatchMouseEvent", type="mouseMoved", x=box[0], y=box[1])
        return box[0], box[1]

    def click(self, expression: str) -> None:
        """As a mouse does it, so that what lies above the element gets the click instead."""
        x, y = self.point_at(expression)
        for kind in ("mousePressed", "mouseReleased"):
            self.ask("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    def press(self, key: str) -> None:
        """One key, named as in ``KeyboardEvent.key``."""
        code = {"Enter": 13, "Escape": 27, "ArrowRight": 39, "ArrowLeft": 37, "Tab": 9, "ArrowDown": 40}[key]
        words = {"text": "\r"} if key == "Enter" else {}
        self.ask("Input.dispatchKeyEvent", type="keyDown", key=key, windowsVirtualKeyCode=code, **words)
        self.ask("Input.dispatchKeyEvent", type="keyUp", key=key, windowsVirtualKeyCode=code)

    def screenshot(self, *, whole: bool = False) -> bytes:
        """A PNG of the window, or of the whole page."""
        clip = {}
        if whole:
            size = self.ask("Page.getLayoutMetrics")["cssContentSize"]
            clip = {"clip": {**size, "scale": 1}, "captureBeyondViewport": True}
        return base64.b64decode(self.ask("Page.captureScreenshot", format="png", **clip)["data"])

    def pdf(self) -> bytes:
        """The page as it is printed."""
        return base64.b64decode(self.ask("Page.printToPDF", preferCSSPageSize=True, printBackground=False)["data"])

    def _read(self) -> dict[str, Any]:
        data = bytearray()
        while (byte := self.answers.read(1)) != b"\0":
            assert byte, "the browser ended"
            data += byte
        message: dict[str, Any] = json.loads(data)
        return message


@contextmanager
def open_browser(program: str, profile: Path) -> Iterator[Page]:
    """Start a browser with a fresh profile; it ends with the block."""
    to_browser, requests = os.pipe()
    answers, from_browser = os.pipe()

    # Chromium reads commands from file descriptor 3 and answers on 4, each message with a zero byte at its end.
    shell = f'exec "$0" "$@" 3<&{to_browser} 4>&{from_browser}'
    command = ["bash", "-c", shell, program, *FLAGS, "--remote-debugging-pipe", f"--user-data-dir={profile}"]
    with subprocess.Popen(
        command, pass_fds=(to_browser, from_browser), stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL
    ) as process:
        os.close(to_browser)
        os.close(from_browser)
        with os.fdopen(requests, "wb") as sender, os.fdopen(answers, "rb") as receiver:
            page = Page(sender, receiver)
            target = page.ask("Target.createTarget", url="about:blank")["targetId"]
            page.session = page.ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
            try:
                yield page
            finally:
                page.session = None
                page.ask("Browser.close")
                process.wait(timeout=20)
