"""The files of deploy/, linted, and what the Containerfile does, done here: ``python -m tests.deploy.run WHEEL``.

Needs neither Docker nor a cluster. The linters are in an environment in build/deploy.
"""

import os
import shutil
import sys
from pathlib import Path

from tests.clients.run import BUNDLE, find_free_ports
from tests.environments import ROOT, prepare_environment, run_tests

HERE = Path(__file__).resolve().parent
BUILD = ROOT / "build" / "deploy"


def main(wheel: Path) -> None:
    python = prepare_environment(BUILD / "linters", HERE / "requirements.txt")
    image = BUILD / "image"  # in place of the image's root
    shutil.rmtree(image, ignore_errors=True)
    image.mkdir()
    environment = {
        **os.environ,
        "MTL_TEST_WHEEL": str(wheel),
        "MTL_TEST_IMAGE": str(image),
        "MTL_TEST_BUNDLE": str(BUNDLE),
        "MTL_TEST_PORT": str(find_free_ports()[0]),
    }
    if not run_tests(python, HERE / "test_deploy.py", environment):
        raise SystemExit("failed")


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve())
