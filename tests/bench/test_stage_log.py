"""Progress from the log: stages are drawn, details are not, and the log itself stays as verbose as it was."""

import logging

import pytest

from mtl_bench.stage_log import draw_logged_stages

MODULE = logging.getLogger("mtl_bench.suite.launches")


@pytest.fixture
def root_log(monkeypatch):
    """Records that reach a handler of the root logger, as ``mtl`` configures it; it prints whatever it is handed."""
    printed = []
    handler = logging.Handler()
    handler.emit = lambda record: printed.append(f"{record.levelname} {record.name}: {record.getMessage()}")
    root = logging.getLogger()
    monkeypatch.setattr(root, "handlers", [handler])
    before = root.level
    yield printed
    root.setLevel(before)


def log_everything():
    MODULE.debug("a detail")
    MODULE.info("%s: starting", "cpu-int8")
    MODULE.warning("a warning")


@pytest.mark.parametrize(
    ("level", "printed"),
    [
        (logging.WARNING, ["a warning"]),
        (logging.INFO, ["cpu-int8: starting", "a warning"]),
        (logging.DEBUG, ["a detail", "cpu-int8: starting", "a warning"]),
    ],
)
def test_stages_are_drawn_at_any_level_and_printed_with_their_module_only_where_the_log_is_verbose(
    root_log, level, printed
):
    logging.getLogger().setLevel(level)
    drawn = []
    with draw_logged_stages(drawn.append):
        log_everything()
    assert drawn == ["cpu-int8: starting"]
    assert [line.partition(" mtl_bench.suite.launches: ")[2] for line in root_log] == printed


def test_after_the_block_nothing_is_drawn_and_the_log_is_as_before(root_log):
    logging.getLogger().setLevel(logging.WARNING)
    package, drawn = logging.getLogger("mtl_bench"), []
    before = (package.level, package.propagate, list(package.handlers))
    with pytest.raises(KeyboardInterrupt), draw_logged_stages(drawn.append):
        raise KeyboardInterrupt
    log_everything()
    assert drawn == []
    assert (package.level, package.propagate, list(package.handlers)) == before
    assert root_log == ["WARNING mtl_bench.suite.launches: a warning"]


def test_other_packages_are_not_drawn(root_log):
    drawn = []
    with draw_logged_stages(drawn.append):
        logging.getLogger("mtl_export.training").info("epoch 1")
    assert drawn == []
