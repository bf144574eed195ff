import time
from dataclasses import replace

from mtl_runtime.server.served_model import ServedModel
from mtl_runtime.server.settings import Shadow
from tests.runtime.server.running import RunningServer
from tests.runtime.server.test_observability import metrics_of


def turned(model, name):
    """A model that answers the first task the other way round."""

    def run_batch(batch, outputs):
        rows = model.classifier.run_batch(batch, outputs)
        return [-values if index == 0 else values for index, values in enumerate(rows)]

    return ServedModel(name=name, classifier=replace(model.classifier, run_batch=run_batch))


def wait_for_texts(server, count):
    """Metrics, once ``count`` texts of each task were compared."""
    end = time.monotonic() + 10
    while time.monotonic() < end:
        found = {key: value for key, value in metrics_of(server).items() if key.startswith("mtl_shadow_texts_total")}
        if sum(found.values()) >= count:
            return found
        time.sleep(0.02)
    raise AssertionError(found)


def key(task, outcome):
    return f'mtl_shadow_texts_total{{model="tiny",outcome="{outcome}",shadow="new",task="{task}"}}'


def test_answers_of_a_shadow_are_compared_task_by_task_and_never_shown(model, classifier):
    with RunningServer([model, turned(model, "new")], shadows=[Shadow("tiny", "new")]) as server:
        answer = server.predict(texts=["the soup was good", "awful match"])
        found = wait_for_texts(server, 2 * len(classifier.tasks))
    assert answer["model"]["name"] == "tiny"
    assert found[key("sentiment", "different")] == 2
    assert found[key("topics", "same")] == 2
    assert found[key("stars", "same")] == 2


def test_a_shadow_that_fails_harms_nobody(model):
    def run_batch(batch, outputs):
        raise ValueError("broken")

    broken = ServedModel(name="new", classifier=replace(model.classifier, run_batch=run_batch))
    with RunningServer([model, broken], shadows=[Shadow("tiny", "new")]) as server:
        server.predict(texts=["good"])
        found = wait_for_texts(server, 1)
        server.predict(texts=["good"])
    assert found[key("", "failed")] == 1


def test_a_share_of_the_requests_goes_to_the_shadow(model):
    shadows = [Shadow("tiny", "new", 0.5)]
    with RunningServer([model, ServedModel(name="new", classifier=model.classifier)], shadows=shadows) as server:
        for _ in range(60):
            server.predict(texts=["good"], tasks=["stars"])
        time.sleep(0.5)
        found = wait_for_texts(server, 1)
    assert 5 < sum(found.values()) < 55
