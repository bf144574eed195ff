"""The peers' table, their environments and the kit, on a tiny model: no other system is installed here but PyTorch."""

import ast
import json
import re
import shutil
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from click.testing import CliRunner

from mtl_bench.studies.serving.servers import SERVERS
from mtl_bench.systems.peers import read_peers
from mtl_bench.systems.systems import peer_systems
from mtl_export.bundling.export_bundle import export_bundle
from mtl_export.checkpoint import load_checkpoint
from mtl_export.config import Config
from mtl_export.model.pooling import POOLINGS
from mtl_export.training import train
from mtl_runtime import load
from mtl_runtime.bundle.bundle import Bundle
from mtl_runtime.errors import RecordError
from mtl_runtime.inference.decode import compute_probabilities
from tests.export.tiny import project, rows

ROOT = Path(__file__).parents[3]
PEERS = ROOT / "benchmarks" / "peers"
BUNDLE = ROOT / "tests" / "runtime" / "data" / "tiny_bundle"
CONFIG = """
[encoder]
model = "encoder"
pooling = "POOLING"
max_length = 16
[tasks.sentiment]
head = "mlp"
[tasks.topic]
[tasks.tags]
kind = "multi_label"
head = "layernorm"
[tasks.stars]
kind = "regression"
[data]
train = "train.csv"
validation = "validation.csv"
[training]
epochs = 1
batch_size = 8
encoder_learning_rate = 3e-3
head_learning_rate = 3e-2
"""
TABLE = """
environments = "environments"
kit = "kit"
[environment]
one = "one.txt"
[peer.a-peer]
title = "a peer"
environment = "one"
driver = "driver:open"
settings = { kit = "{kit}", bundle = "{bundle}", size = 3 }
precision = "fp32"
docs = "https://example.org"
files = ["*/model.bin"]
[peer.ours]
title = "ours"
kind = "ours"
environment = "one"
driver = "mtl_bench.systems.mtl_system:open"
settings = { bundle = "{bundle}", variant = "cpu-fp32" }
precision = "fp32"
docs = "https://example.org"
"""


@pytest.fixture(scope="module", autouse=True)
def drivers():
    """The peers' folder on the path, as their launcher puts it there."""
    sys.path.insert(0, str(PEERS))
    yield
    sys.path.remove(str(PEERS))


@pytest.fixture(scope="module", params=["max", "pooler"])
def trained(request, tmp_path_factory):
    """A folder with checkpoint, bundle and kit: all three heads and all three kinds of tasks."""
    folder = project(tmp_path_factory.mktemp("project"), train=48)
    (folder / "config.toml").write_text(CONFIG.replace("POOLING", request.param))
    train(Config.from_toml(folder / "config.toml"), folder / "checkpoint")
    export_bundle(folder / "checkpoint", folder / "bundle", variants=["cpu-fp32"])
    kit = import_module("kit")
    kit.write_kit(load_checkpoint(folder / "checkpoint"), Bundle.open(folder / "bundle"), folder / "kit")
    return folder


@pytest.fixture
def table(tmp_path):
    (tmp_path / "peers.toml").write_text(TABLE)
    return tmp_path


def ready(folder):
    """Everything that a peer of ``TABLE`` needs."""
    (folder / "environments" / "one").mkdir(parents=True)
    (folder / "environments" / "one" / "installed.txt").write_text("")
    (folder / "kit" / "model").mkdir(parents=True)
    (folder / "kit" / "model" / "model.bin").write_bytes(b"12345")
    (folder / "kit" / "kit.json").write_text(json.dumps({"bundle": Bundle.open(BUNDLE).digest}))


def test_every_peer_of_the_tables_has_a_driver_and_every_environment_its_requirements():
    peers = [peer for table in sorted(PEERS.glob("*.toml")) for peer in read_peers(table, BUNDLE)]
    assert {peer.settings.get("device") for peer in peers} == {None, "cuda"}
    requirements = {file.stem for file in (PEERS / "requirements").glob("*.txt")}
    servers = {server.packages.name for server in SERVERS.values() if server.packages}
    assert {peer.environment for peer in peers} | servers == requirements
    for peer in peers:
        assert peer.docs.startswith("https://")
        for where in filter(None, (peer.driver if peer.kind == "peer" else None, peer.prepare)):
            module, _, function = where.partition(":")
            body = ast.parse((PEERS / f"{module}.py").read_text("utf-8")).body
            (definition,) = [part for part in body if isinstance(part, ast.FunctionDef) and part.name == function]
            arguments = {argument.arg for argument in definition.args.kwonlyargs}
            required = {
                argument.arg
                for argument, default in zip(definition.args.kwonlyargs, definition.args.kw_defaults, strict=True)
                if default is None
            }
            assert required <= peer.settings.keys(), peer.name
            assert definition.args.kwarg or peer.settings.keys() <= arguments, peer.name


def test_a_driver_imports_nothing_heavy_before_it_is_opened():
    # What comes with Python, the drivers' own modules, and what each environment has at the least.
    light = {"driver_kit", "sentence_peer", "numpy", "mtl_bench", *sys.stdlib_module_names}
    for file in PEERS.glob("*_peer.py"):
        for part in ast.parse(file.read_text("utf-8")).body:
            names = [alias.name for alias in part.names] if isinstance(part, ast.Import) else []
            names += [part.module] if isinstance(part, ast.ImportFrom) else []
            assert {name.partition(".")[0] for name in names} <= light, file.name


@pytest.mark.parametrize("file", sorted((PEERS / "requirements").glob("*.txt")), ids=lambda file: file.stem)
def test_every_requirement_is_pinned(file):
    lines = [line for line in file.read_text("utf-8").splitlines() if line and not line.startswith("#")]
    pinned = re.compile(r"[A-Za-z0-9._-]+(\[[a-z0-9,]+\])?==[0-9][0-9a-z.]*\Z|--editable \.\Z")
    assert [line for line in lines if not pinned.match(line)] == []
    assert len(lines) >= 3


def test_a_peer_that_is_ready_knows_its_paths_and_sizes(table):
    ready(table)
    peer, ours = read_peers(table, BUNDLE)
    assert peer.problem is ours.problem is None
    assert peer.settings == {"kit": str(table / "kit"), "bundle": str(BUNDLE), "size": 3}
    assert peer.python == table / "environments" / "one" / "bin" / "python"
    assert peer.folder == table
    assert (peer.size_bytes(), ours.size_bytes(), ours.kind) == (5, None, "ours")
    assert read_peers(table / "peers.toml", BUNDLE) == (peer, ours)


def test_a_peers_problem_is_known_and_one_of_the_kit_alone_is_no_problem_of_ours(table):
    def problems():
        return [peer.problem for peer in read_peers(table, BUNDLE)]

    assert all("the environment one is not made" in problem for problem in problems())
    ready(table)
    (table / "kit" / "errors").mkdir()
    (table / "kit" / "errors" / "a-peer.txt").write_text("RuntimeError: no such operator\n")
    assert problems() == ["RuntimeError: no such operator", None]
    assert (
        read_peers(table, BUNDLE)[0].size_bytes() is None
    )  # a graph may be left from a step before the one that failed
    (table / "kit" / "kit.json").write_text('{"bundle": "0"}')
    assert "was made for another bundle" in problems()[0]
    (table / "environments" / "one.error").write_text("ERROR: no matching distribution\n")
    assert all("could not be made: ERROR: no matching distribution" in problem for problem in problems())


def test_a_variant_that_the_bundle_does_not_have_is_the_problem_of_its_row_alone(table, tmp_path):
    ready(table)
    (table / "peers.toml").write_text(TABLE.replace("cpu-fp32", "openvino-bf16"))
    peers = read_peers(table, BUNDLE)
    problem = "the bundle has no variant openvino-bf16; export it with --variants auto,openvino-bf16"
    assert [peer.problem for peer in peers] == [None, problem]
    row = peer_systems(peers, Bundle.open(BUNDLE), tmp_path / "worker")["ours"]
    assert (row.problem, row.kind, row.size_bytes) == (problem, "ours", None)


@pytest.mark.parametrize(
    ("good", "bad", "message"),
    [
        ("precision", "precison", "unknown key; did you mean 'precision'"),
        ('kind = "ours"', 'kind = "theirs"', "'theirs' is not one of"),
        (', variant = "cpu-fp32"', "", 'kind = "ours" needs the name of the variant here'),
        ('environment = "one"', 'environment = "two"', "'two' is none of one"),
        ("[peer.a-peer]", '[peer."a/peer"]', "small letters, digits and hyphens only"),
        ('driver = "driver:open"', 'driver = "driver:open"\nneeds = ["b"]', "there is no peer 'b'"),
        ('"driver:open"', '"driver.open"', "not written as module:function"),
        ("[environment]", "[environment", "not valid TOML"),
    ],
)
def test_a_mistake_in_the_table_is_an_error_that_names_its_place(table, good, bad, message):
    (table / "peers.toml").write_text(TABLE.replace(good, bad))
    with pytest.raises(RecordError, match=re.escape(message)):
        read_peers(table, BUNDLE)


def test_an_environment_that_fails_leaves_its_error_and_one_that_is_there_is_not_made_again(tmp_path):
    module = import_module("install")
    file = tmp_path / "one.txt"
    file.write_text("wanted==1\n")
    environments, steps = tmp_path / "environments", []

    def step(command):
        steps.append(command)
        (environments / "one").mkdir(exist_ok=True)

    def failing(command):
        step(command)
        if "pip" in command:
            raise module.InstallError("ERROR: No matching distribution found for wanted==1")

    assert "No matching distribution" in module.install(file, environments, step=failing)
    assert "No matching distribution" in (environments / "one.error").read_text()
    assert not (environments / "one").exists()
    assert module.install(file, environments, step=step) is None
    assert not (environments / "one.error").exists()
    steps.clear()
    assert module.install(file, environments, step=step) is None
    assert steps == []
    file.write_text("wanted==2\n")
    module.install(file, environments, step=step)
    assert len(steps) == 2


def test_the_error_of_a_step_is_the_end_of_its_output_without_warnings(tmp_path):
    module = import_module("install")
    script = "print('WARNING: old'); print('the reason'); raise SystemExit(3)"
    with pytest.raises(module.InstallError, match=r"\Athe reason\Z"):
        module.run([sys.executable, "-c", script])


def test_a_peer_that_is_to_be_prepared_says_how_until_it_is(table):
    (table / "peers.toml").write_text(
        TABLE.replace('driver = "driver:open"', 'driver = "driver:open"\nprepare = "driver:make"')
    )
    ready(table)
    (problem,) = [peer.problem for peer in read_peers(table, BUNDLE) if peer.kind == "peer"]
    assert problem == "it is not prepared; run benchmarks/peers/prepare.py with the bundle and a-peer"
    assert all(peer.problem is None for peer in read_peers(table, BUNDLE, preparing=True))
    (table / "kit" / "prepared").mkdir()
    (table / "kit" / "prepared" / "a-peer.txt").write_text("")
    assert all(peer.problem is None for peer in read_peers(table, BUNDLE))


def test_what_a_peer_needs_is_prepared_before_it_and_once():
    prepare = import_module("prepare")
    known = {peer.name: peer for peer in read_peers(PEERS, BUNDLE)}
    onnx, fast = "sentence-transformers-onnx", "fastembed"
    assert prepare.order_by_needs([fast], known) == [onnx, fast]
    assert prepare.order_by_needs([fast, onnx, "optimum-o3"], known) == [onnx, fast, "optimum-o3"]


@pytest.mark.parametrize(("works", "code"), [(True, 0), (False, 1)])
def test_preparing_by_name_notes_how_it_went_and_exits_1_where_it_failed(table, monkeypatch, works, code):
    prepare = import_module("prepare")
    (table / "peers.toml").write_text(
        TABLE.replace('driver = "driver:open"', 'driver = "driver:open"\nprepare = "driver:make"')
    )
    ready(table)
    monkeypatch.setattr(prepare, "HERE", table)
    monkeypatch.setattr(prepare, "prepare", lambda _: None if works else "OSError: disk full")
    done = CliRunner().invoke(prepare.main, [str(BUNDLE), "a-peer"])
    assert done.exit_code == code
    (problem,) = [peer.problem for peer in read_peers(table, BUNDLE) if peer.kind == "peer"]
    assert problem == (None if works else "it could not be prepared: OSError: disk full")


def test_an_error_of_preparing_is_kept_without_the_folders_of_this_machine(tmp_path):
    prepare = import_module("prepare")
    script = tmp_path / "script.py"
    script.write_text("import sys\nprint('a warning', file=sys.stderr)\nraise RuntimeError('no such operator')")
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, check=False)
    assert str(tmp_path) in done.stderr
    assert prepare.last_error(done.stderr) == "RuntimeError: no such operator"
    assert prepare.last_error("Killed\n") == "Killed"


@pytest.mark.parametrize("pooling", POOLINGS)
def test_the_poolings_that_peers_carry_are_those_of_training(pooling):
    torch.manual_seed(0)
    output = SimpleNamespace(last_hidden_state=torch.randn(3, 5, 4), pooler_output=torch.randn(3, 4))
    mask = torch.tensor([[1, 1, 1, 1, 1], [1, 1, 0, 0, 0], [1, 0, 0, 0, 0]])
    carried = import_module("modeling_kit").POOLINGS
    assert carried.keys() == POOLINGS.keys()
    assert torch.equal(carried[pooling](output, mask), POOLINGS[pooling](output, mask))


@pytest.mark.parametrize("models", ["one", "per task"])
@pytest.mark.parametrize("order", ["arrival", "by length"])
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_pytorch_gives_the_answers_of_the_bundle_whatever_the_heads_and_the_pooling(
    trained, models, order, monkeypatch, tmp_path
):
    monkeypatch.setattr("transformers.dynamic_module_utils.HF_MODULES_CACHE", str(tmp_path))
    driver = import_module("torch_peer")
    system = driver.open(kit=str(trained / "kit"), models=models, precision="float32", order=order)
    texts = [row["text"] for row in rows(40, seed=7)]
    classifier = load(trained / "bundle")
    expected = {task: [answer[task].value for answer in classifier(texts)] for task in classifier.tasks}
    for size in (None, 7):
        labels = system.answer(texts, size)
        assert list(labels) == list(expected)
        assert labels["stars"] == pytest.approx(expected["stars"], abs=1e-4)
        for task in ("sentiment", "topic", "tags"):
            # A logit may lie within a rounding of its threshold.
            assert sum(a != b for a, b in zip(labels[task], expected[task], strict=True)) <= 1
    assert {task: len(answers) for task, answers in system.answer(texts[:1], None).items()} == dict.fromkeys(labels, 1)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="torch sees no GPU here")
def test_pytorch_gives_the_same_answers_on_a_gpu_in_larger_batches(trained, monkeypatch, tmp_path):
    monkeypatch.setattr("transformers.dynamic_module_utils.HF_MODULES_CACHE", str(tmp_path))
    settings = {"kit": str(trained / "kit"), "models": "one", "precision": "float32", "order": "by length"}
    cpu, gpu = (import_module("torch_peer").open(**settings, device=device) for device in ("cpu", "cuda"))
    texts = [row["text"] for row in rows(40, seed=7)]
    assert gpu.answer(texts, None)["topic"] == cpu.answer(texts, None)["topic"]
    assert max(gpu.sizes) > max(cpu.sizes)


def test_heads_in_numpy_are_those_of_pytorch_and_one_that_is_not_linear_cannot_be_one_of_scikit_learn(trained):
    driver_kit = import_module("driver_kit")
    model = load_checkpoint(trained / "checkpoint").model
    texts = [row["text"] for row in rows(5, seed=7)]
    embeddings, logits = model.encode(texts), model.logits(texts)
    kit = driver_kit.Kit.read(str(trained / "kit"))
    specs = {spec.name: spec for spec in model.spec.tasks}
    for task in kit.tasks:
        expected = logits[task.name]
        if task.kind == "regression":  # a peer takes the logit for the number
            expected = compute_probabilities(specs[task.name], expected)
        assert kit.head(task)(embeddings) == pytest.approx(expected, abs=1e-4)
    by_name = {task.name: task for task in kit.tasks}
    weight, bias = kit.linear(by_name["topic"])
    assert embeddings @ weight.T + bias == pytest.approx(logits["topic"], abs=1e-4)
    with pytest.raises(driver_kit.PeerError, match="cannot hold the mlp head of task 'sentiment'"):
        kit.linear(by_name["sentiment"])


def test_a_pooling_that_sentence_transformers_lacks_is_an_error_of_its_driver(trained):
    driver_kit, driver = import_module("driver_kit"), import_module("sentence_peer")
    kit = driver_kit.Kit.read(str(trained / "kit"))
    if kit.pooling != "pooler":
        modes = json.loads((trained / "kit" / "sentence-transformers" / "1_Pooling" / "config.json").read_text())
        assert [name for name, wanted in modes.items() if wanted is True] == [
            {"mean": "pooling_mode_mean_tokens", "cls": "pooling_mode_cls_token", "max": "pooling_mode_max_tokens"}[
                kit.pooling
            ]
        ]
        return
    with pytest.raises(driver_kit.PeerError, match="has no pooling 'pooler'"):
        driver._source(kit)


def test_a_wheel_of_ours_is_gated_where_it_runs_and_one_that_fails_says_so(tmp_path):
    verify_here = import_module("our_wheel").verify_here
    bundle = tmp_path / "bundle"
    shutil.copytree(BUNDLE, bundle)
    before = {file.name for file in (bundle / "evidence").glob("*")}
    verify_here(bundle=str(bundle), variant="cpu-fp32")
    assert {file.name for file in (bundle / "evidence").glob("*")} > before
    with (bundle / "tokenizer.json").open("a") as file:
        file.write(" ")
    with pytest.raises(RuntimeError, match=r"tokenizer\.json"):
        verify_here(bundle=str(bundle), variant="cpu-fp32")
