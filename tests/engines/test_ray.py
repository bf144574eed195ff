"""Jobs on a Ray cluster of two nodes, of which anything is killed; and a bundle behind Ray Serve."""

import os
import random
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from contextlib import suppress
from pathlib import Path

import pyarrow.parquet
import pytest
import ray
from ray.cluster_utils import Cluster

from mtl_runtime import load
from mtl_runtime.cluster.engines.table import ENGINES
from mtl_runtime.cluster.job_folder import JobFolder
from mtl_runtime.cluster.manifest import check_output, read_manifest
from mtl_runtime.errors import MtlError
from mtl_runtime.tables.row_chunks import ChunkLimits
from tests.engines.descendants import find_descendants, kill_process
from tests.engines.serve_load import Clients
from tests.runtime.cluster.sharded_jobs import TINY_BUNDLE, contents, make_texts, run, write_input
from tests.runtime.cluster.test_kills import mtl

RAY = ENGINES["ray"]
GROUPS = 200  # of the parquet files, a shard each
SECONDS_FOR_A_JOB = 300


@pytest.fixture(scope="module")
def cluster():
    """Two nodes of one CPU each; the first one is the head, which stays."""
    started = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "object_store_memory": 2**27})
    started.add_node(num_cpus=1)
    started.wait_for_nodes()
    yield started
    started.shutdown()


@pytest.fixture
def connection(cluster):
    """This process is a driver of the cluster."""
    ray.init(address=cluster.address, log_to_driver=False)
    yield
    ray.shutdown()


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("inputs")
    texts = make_texts(5 * GROUPS)
    for number in range(4):
        part = texts[number * len(texts) // 4 : (number + 1) * len(texts) // 4]
        write_input(folder / f"{number}.parquet", part, group_rows=5)
    return folder


@pytest.fixture(scope="module")
def expected(inputs, tmp_path_factory):
    """What the job gives in one process of this machine."""
    output = tmp_path_factory.mktemp("expected") / "out"
    summary = run([inputs], output, shard_rows=5, limits=ChunkLimits())
    assert summary.shards == GROUPS
    return contents(output)


def workers_of(cluster):
    """Processes of this cluster's nodes that run tasks, or wait for some."""
    # A raylet ends with its agents, and a driver with the raylet of its node.
    return [one.process for one in started_by(cluster) if "default_worker.py" in one.command or _is_task(one.command)]


def started_by(cluster):
    """What the raylets of a cluster's nodes have started."""
    raylets = [process.process.pid for node in cluster.list_all_nodes() for process in node.all_processes["raylet"]]
    return [one for pid in raylets for one in find_descendants(pid)]


def _is_task(name):
    return name.startswith("ray::") and "Agent" not in name


def problems(output):
    folder = JobFolder.open(str(output))
    return list(check_output(folder, read_manifest(folder)))


def test_parts_are_those_of_one_process_though_workers_nodes_and_drivers_are_killed(
    cluster, inputs, expected, tmp_path, kills
):
    job = ["predict", TINY_BUNDLE, inputs, "-o", tmp_path / "out", "--on", f"ray:{cluster.address}"]
    job += ["--shard-rows", "5", "--attempts", "20", "--resume"]
    draw = random.Random(4)
    done = set()
    for _ in range(kills):
        driver = mtl(*job)
        for kill in (kill_a_worker, kill_a_node):
            wait_for_parts(tmp_path / "out", len(done) + 1 + draw.randrange(3), driver)
            kill(cluster)
            time.sleep(draw.random())
        driver.send_signal(signal.SIGKILL)
        driver.communicate()
        before, done = done, set((tmp_path / "out").glob("part-*"))
        assert before <= done
    driver = mtl(*job)
    _, errors = driver.communicate(timeout=SECONDS_FOR_A_JOB)
    assert driver.returncode == 0, errors
    assert contents(tmp_path / "out") == expected
    assert problems(tmp_path / "out") == []


def wait_for_parts(output, count, driver):
    give_up = time.monotonic() + 60
    while time.monotonic() < give_up and driver.poll() is None and len(list(output.glob("part-*"))) < count:
        time.sleep(0.05)


def kill_a_worker(cluster):
    any(kill_process(process) for process in workers_of(cluster))  # the first one that still lives


def kill_a_node(cluster):
    """The second node, with everything on it; another one takes its place."""
    cluster.remove_node(next(iter(cluster.worker_nodes)), allow_graceful=False)
    cluster.add_node(num_cpus=1)


def test_one_job_survives_the_loss_of_workers_and_of_a_node(cluster, inputs, expected, tmp_path):
    job = ["predict", TINY_BUNDLE, inputs, "-o", tmp_path / "out", "--on", f"ray:{cluster.address}"]
    driver = mtl(*job, "--shard-rows", "5", "--attempts", "20")
    for count, kill in ((10, kill_a_worker), (30, kill_a_node), (60, kill_a_worker)):
        wait_for_parts(tmp_path / "out", count, driver)
        kill(cluster)
    _, errors = driver.communicate(timeout=SECONDS_FOR_A_JOB)
    assert driver.returncode == 0, errors
    assert contents(tmp_path / "out") == expected


def test_a_classifier_is_kept_for_many_shards_and_bounded_to_its_cores(cluster, connection, inputs, tmp_path):
    run([inputs / "0.parquet"], tmp_path / "out", engine=RAY, shard_rows=5)

    @ray.remote(num_cpus=1)
    def look():

        from mtl_runtime.cluster.engines.shipped_worker import _workers

        return os.getpid(), len(_workers), [w._classifier.info.cores for w in _workers.values()]

    seen = set()
    for _ in range(20):
        pid, count, cores = ray.get(look.remote())
        if count:
            seen.add((pid, count, tuple(cores)))
    assert seen
    assert {(count, cores) for _, count, cores in seen} == {(1, (1,))}
    done = JobFolder.open(str(tmp_path / "out"))
    assert len(done.read_done(done.read_job())) > 2 * len(seen)


def test_a_shard_that_fails_is_given_up_and_the_rest_goes_on(cluster, connection, tmp_path):
    source = write_input(tmp_path / "in.csv", [*make_texts(15), None, *make_texts(14)])
    with pytest.raises(MtlError, match=r"1 of 5 shards failed, 4 are done; shard 2: .*in\.csv, line"):
        run([source], tmp_path / "out", engine=RAY)
    assert run([source], tmp_path / "out", engine=RAY, resume=True, on_bad_row="skip").is_complete


def test_a_cluster_that_does_not_answer_is_one_line(tmp_path):
    source = write_input(tmp_path / "in.csv", make_texts(9))
    driver = mtl("predict", TINY_BUNDLE, source, "-o", tmp_path / "out", "--on", "ray:127.0.0.1:1")
    _, errors = driver.communicate(timeout=120)
    assert driver.returncode == 2
    assert errors.splitlines()[-1].startswith("error: no Ray cluster answers at 127.0.0.1:1: ")


def test_the_example_does_the_job_on_the_cluster(cluster, inputs, tmp_path):
    example = Path(__file__).parents[2] / "examples" / "scale" / "ray_job.py"
    command = [sys.executable, example, TINY_BUNDLE, inputs / "0.parquet", tmp_path / "out", cluster.address]
    shown = subprocess.run(command, capture_output=True, text=True, check=False)
    assert shown.returncode == 0, shown.stderr
    assert f"{5 * GROUPS // 4} rows in 1 parts" in shown.stdout


@pytest.mark.takes_minutes
def test_the_pipeline_of_the_docs_answers_each_row(cluster, connection, inputs, tmp_path):
    """Ray Data: the block of docs/scale.md with paths of this test."""
    page = (Path(__file__).parents[2] / "docs" / "scale.md").read_text("utf-8")
    (block,) = (block for block in page.split("```python\n")[1:] if block.startswith("import ray\n"))
    code = block.partition("```")[0].replace("concurrency=16", "concurrency=1")
    for name, place in {"/shared/bundle": TINY_BUNDLE, "reviews": inputs, "answers": tmp_path / "answers"}.items():
        code = code.replace(f'"{name}"', repr(str(place)))
    exec(compile(code, "docs/scale.md", "exec"), {"__name__": "docs"})
    answers = pyarrow.parquet.read_table(tmp_path / "answers")
    assert answers.num_rows == 5 * GROUPS
    assert answers.column("sentiment").null_count == 0


TEXTS = ["A great soup, and a good match!", "", "awful", "naïve 😀 中"]


@pytest.fixture(scope="module")
def served(cluster):
    """A bundle behind Ray Serve on two replicas, and the URL of its predictions."""
    from ray import serve

    from mtl_runtime.server.ray_serve import deployment

    cluster.add_node(num_cpus=4)  # room for the proxy, and for new replicas next to the old ones
    ray.init(address=cluster.address, log_to_driver=False)
    # Proxies of several nodes on one machine would share the port, and one that leaves a node would take with it the
    # connections that wait there; between machines a load balancer asks each proxy for its health.
    serve.start(proxy_location="HeadOnly", http_options={"host": "127.0.0.1", "port": 8127})
    handle = serve.run(deployment(TINY_BUNDLE, replicas=2), name="mtl", route_prefix="/")
    url = "http://127.0.0.1:8127"
    give_up = time.monotonic() + 60
    while time.monotonic() < give_up:  # the proxy learns the route a moment later
        with suppress(OSError), urllib.request.urlopen(f"{url}/v2/health/ready"):
            break
        time.sleep(0.1)
    yield handle, f"{url}/v1/predict"
    serve.shutdown()
    ray.shutdown()


@pytest.fixture(scope="module")
def check():
    """Raises unless an answer over HTTP is the library's."""
    labels = [prediction["sentiment"].label for prediction in load(TINY_BUNDLE, threads=1)(TEXTS)]

    def compare(answer):
        assert [row["answers"]["sentiment"]["label"] for row in answer["predictions"]] == labels

    return compare


def replicas_of(cluster):
    return [one.process for one in started_by(cluster) if "ServeReplica" in one.command]


def test_a_deployment_answers_as_the_library_does(served, check):
    handle, url = served
    clients = Clients(url, TEXTS, check, count=1)
    with clients.asking():
        pass
    assert clients.failures == []
    rows = handle.predict.remote(TEXTS, tasks=["stars"]).result()
    values = [prediction["stars"].value for prediction in load(TINY_BUNDLE, threads=1)(TEXTS)]
    assert [row["answers"]["stars"]["value"] for row in rows] == pytest.approx(values, abs=1e-5)


def test_a_replica_that_is_lost_loses_its_own_requests_at_most(cluster, served, check):
    clients = Clients(served[1], TEXTS, check)
    with clients.asking():
        before = replicas_of(cluster)
        assert len(before) == 2
        before[0].kill()
    assert len(clients.failures) <= clients.count


def test_a_redeployment_under_load_fails_no_request(cluster, served, check, tmp_path):
    from ray import serve

    from mtl_runtime.server.ray_serve import deployment

    other = shutil.copytree(TINY_BUNDLE, tmp_path / "other")
    before = {process.pid for process in replicas_of(cluster)}
    clients = Clients(served[1], TEXTS, check)
    with clients.asking():
        serve.run(deployment(other, replicas=2), name="mtl", route_prefix="/")
        clients.wait(20)
    assert clients.failures == []
    assert not before & {process.pid for process in replicas_of(cluster)}
