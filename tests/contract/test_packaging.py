"""What is installed: light imports, real entry points, the optimum door, typed packages."""

import subprocess
import sys
import tomllib
from importlib import metadata, resources
from pathlib import Path

import pytest


def test_importing_the_exporter_loads_no_torch():
    code = "import mtl_export, mtl_export.config, sys; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert {name.partition(".")[0] for name in loaded} & {"torch", "transformers", "onnx", "onnxruntime"} == set()


def test_every_public_name_of_the_exporter_has_its_home():
    import mtl_export

    assert [name for name in mtl_export.__all__ if getattr(mtl_export, name, None) is None] == []
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        mtl_export.nothing  # noqa: B018


def test_every_command_of_the_entry_points_loads():
    entries = {entry.name: entry.load() for entry in metadata.entry_points(group="mtl.commands")}
    served = {"predict", "serve", "triton", "inspect", "verify", "evaluate", "doctor"}
    assert set(entries) == {"train", "export", "compress", "bench", "compare"} | served
    assert all(command.help for command in entries.values())


def test_optimum_finds_our_command():
    from optimum.commands.optimum_cli import load_optimum_namespace_cli_commands

    names = [command.COMMAND.name for command, _ in load_optimum_namespace_cli_commands()]
    assert "mtl" in names


@pytest.mark.parametrize("package", ["mtl_export", "mtl_runtime", "mtl_bench"])
def test_packages_say_that_they_are_typed(package):
    assert resources.files(package).joinpath("py.typed").is_file()


def test_help_of_heavy_commands_needs_no_torch():
    for command in ("train", "export", "bench", "compare"):
        code = (
            f"import sys; sys.argv = ['mtl', '{command}', '--help']\n"
            "from mtl_runtime.cli.app import main\n"
            "heavy = ('torch', 'transformers', 'onnx', 'scipy')\n"
            "try: main()\n"
            "except SystemExit: print(*[m for m in sys.modules if m in heavy], sep=',')"
        )
        shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
        assert f"Usage: mtl {command}" in shown
        assert shown.splitlines()[-1] == ""


def test_the_studies_are_no_part_of_the_wheel_and_the_commands_do_without_them():
    root = Path(__file__).parents[2]
    wheel = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))["tool"]["hatch"]["build"]["targets"]["wheel"]
    (excluded,) = wheel["exclude"]
    assert list((root / excluded).glob("*.py"))
    code = (
        "import sys; sys.modules['mtl_bench.studies'] = None\n"
        "import mtl_bench.commands.bench, mtl_bench.commands.compare, mtl_bench.report.__main__"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
