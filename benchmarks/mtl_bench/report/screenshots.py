"""report.html -> pictures of it for the docs: ``python -m mtl_bench.report.screenshots report.html docs/``."""

import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import click

__all__ = ["BROWSERS", "PICTURES", "Picture", "take"]

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_SECONDS = 120


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """A window to look through; Blink counts dark as 0 and light as 1."""

    width: int
    height: int
    scale: int
    scheme: int


PICTURES: Mapping[str, Picture] = {
    "report.png": Picture(width=1280, height=1640, scale=1, scheme=1),
    "report-phone.png": Picture(width=390, height=844, scale=2, scheme=0),
}


def take(browser: str, page: Path, picture: Picture, target: Path) -> None:
    """Write one picture as a PNG.

    Raises:
        click.ClickException: the browser did not write it; holds what it said.
    """
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        command = [
            browser,
            "--headless",
            "--no-sandbox",  # root, as in a container, cannot have one; the page is our own file
            "--disable-gpu",
            "--hide-scrollbars",
            "--no-first-run",
            f"--window-size={picture.width},{picture.height}",
            f"--force-device-scale-factor={picture.scale}",
            f"--blink-settings=preferredColorScheme={picture.scheme}",
            f"--user-data-dir={profile}",
            f"--screenshot={target.absolute()}",
            page.absolute().as_uri(),
        ]
        done = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS, check=False)
    if done.returncode or not target.is_file():
        raise click.ClickException(f"{browser} wrote no picture:\n{done.stderr[-2000:]}")


@click.command()
@click.argument("page", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
def main(page: Path, folder: Path) -> None:
    """Take the pictures of PAGE into FOLDER: on a desk in the light, on a phone in the dark."""
    browser = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    if browser is None:
        raise click.ClickException(f"no browser on the PATH; install one of {', '.join(BROWSERS)}")
    for name, picture in PICTURES.items():
        take(browser, page, picture, folder / name)
        click.echo(str(folder / name))


if __name__ == "__main__":
    main()
