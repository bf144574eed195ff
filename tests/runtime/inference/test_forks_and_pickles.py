"""A classifier in another process: forked off, or sent there."""

import copy
import multiprocessing
import os
import signal
import subprocess
import sys
import textwrap
from concurrent.futures import ProcessPoolExecutor

import pytest

from mtl_runtime import load
from mtl_runtime.errors import BundleError

TEXTS = [f"good soup {'and bad ' * (index % 5)}{index}" for index in range(100)]

FORKED = """
    import os, sys
    from mtl_runtime import load

    texts = [f"good soup {'and bad ' * (index % 5)}{index}" for index in range(100)]
    classifier = load(sys.argv[1], threads=2, workers=int(sys.argv[2]))
    before = classifier(texts)
    child = os.fork()
    if child == 0:
        assert classifier(texts) == before
        assert classifier("good") == classifier(["good"])[0]
        del classifier  # which closes the child's session, and must not touch its parent's
        os._exit(0)  # as multiprocessing does: onnxruntime's own clean-up at exit waits for its parent's threads
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0, status
    assert classifier(texts) == before
    print("both answered")
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.parametrize("workers", [1, 2])
def test_a_forked_process_answers_as_its_parent_does(bundle_path, workers):
    """With one worker the session has threads of its own, with two the pool has; the child has neither."""
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(FORKED), str(bundle_path), str(workers)],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "TOKENIZERS_PARALLELISM": "true"},  # with which a batch waits for ever in a child
    )
    assert done.stdout == "both answered\n", done.stderr


def test_a_process_that_a_classifier_is_sent_to_opens_the_same(bundle_path):
    classifier = load(bundle_path, variant="cpu-int8", threads=1, max_batch_tokens=64, long_text="windows")
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        there = pool.submit(_answers, classifier).result(timeout=60)
    assert there == (classifier(TEXTS), classifier.info.variant, 64, "windows")


def _answers(classifier):
    info = classifier.info
    return classifier(TEXTS), info.variant, info.max_batch_tokens, classifier.settings.inputs.long_text


def test_a_copy_is_a_classifier_of_its_own(classifier):
    other = copy.deepcopy(classifier)
    assert other.run_batch is not classifier.run_batch
    assert other(TEXTS) == classifier(TEXTS)


def test_a_bundle_that_changed_meanwhile_is_not_opened_in_its_place(bundle_copy, change_manifest):
    classifier = load(bundle_copy, threads=1)
    change_manifest(bundle_copy, made_with={"mtl-export": "9.9"})
    with pytest.raises(BundleError, match="holds another bundle than when the classifier was opened"):
        copy.copy(classifier)


def test_an_interrupt_ends_a_call_and_its_process(bundle_path, tmp_path):
    """Ctrl-C in the middle of a long call: no worker keeps the process alive."""
    program = f"""
        import sys
        from mtl_runtime import load
        classifier = load({str(bundle_path)!r}, threads=2)
        print("loaded", flush=True)
        while True:
            classifier(f"good {{i}}" for i in range(20000))
    """
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(program)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "loaded\n"
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert "KeyboardInterrupt" in errors
