"""report.html -> screenshots for the docs: ``python -m mtl_bench.report.screenshots report.html docs/``."""

import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import click

__all__ = ["BROWSERS", "SCREENSHOTS", "Screenshot", "take_screenshot"]

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_SECONDS = 120


@dataclass(frozen=True, slots=True, kw_only=True)
class Screenshot:
    """Window and colour scheme; Blink counts dark as 0 and light as 1."""

    width: int
    height: int
    scale: int
    scheme: int


SCREENSHOTS: Mapping[str, Screenshot] = {
    "report.png": Screenshot(width=1280, height=1640, scale=1, scheme=1),
    "report-phone.png": Screenshot(width=390, height=844, scale=2, scheme=0),
}


def take_screenshot(browser: str, page: Path, screenshot: Screenshot, target: Path) -> None:
    """Write one screenshot as a PNG.

    Raises:
        click.ClickException: the browser did not write it; holds its error output.
    """
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        command = [
            browser,
            "--headless",
            "--no-sandbox",  # root, as in a container, cannot have one; the page is our own file
            "--disable-gpu",
            "--hide-scrollbars",
            "--no-first-run",
            f"--window-size={screenshot.width},{screenshot.height}",
            f"--force-device-scale-factor={screenshot.scale}",
            f"--blink-settings=preferredColorScheme={screenshot.scheme}",
            f"--user-data-dir={profile}",
            f"--screenshot={target.absolute()}",
            page.absolute().as_uri(),
        ]
        process = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS, check=False)
    if process.returncode or not target.is_file():
        raise click.ClickException(f"{browser} wrote no screenshot:\n{process.stderr[-2000:]}")


@click.command()
@click.argument("page", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
def main(page: Path, folder: Path) -> None:
    """Take the screenshots of PAGE into FOLDER: a desktop in light colours, a phone in dark ones."""
    browser = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    if browser is None:
        raise click.ClickException(f"no browser on the PATH; install one of {', '.join(BROWSERS)}")
    for name, screenshot in SCREENSHOTS.items():
        take_screenshot(browser, page, screenshot, folder / name)
        click.echo(str(folder / name))


if __name__ == "__main__":
    main()
