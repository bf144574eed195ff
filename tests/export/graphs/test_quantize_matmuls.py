"""Int8 MatMuls with fixed scales: which operators run, how close the answers are, what they do not depend on."""

from collections import Counter

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtl_export.graphs import graph_builder
from mtl_export.graphs.graph_builder import GraphBuilder
from mtl_export.graphs.graph_edits import replace_node
from mtl_export.graphs.int8 import smoothquant
from mtl_export.graphs.int8.activation_ranges import collect_activation_ranges
from mtl_export.graphs.int8.matmuls import find_matmuls
from mtl_export.graphs.int8.qdq import insert_qdq
from mtl_export.graphs.int8.quantize_matmuls import INT8_OPERATOR, Scale, quantize_embeddings, quantize_matmuls
from mtl_export.graphs.int8.smoothquant import apply_smoothquant, search_smoothquant
from mtl_export.graphs.passes import check, save
from mtl_runtime.providers.session import Session
from mtl_runtime.text.batch import Batch
from tests.export.graphs.family_graphs import MAX_LENGTH, OUTPUTS, TASKS, model_of, ragged

LOGITS = OUTPUTS[:2]


@pytest.fixture(scope="module")
def graphs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("int8")
    return GraphBuilder(model_of(folder / "encoder", "bert", "mean"), TASKS, ragged(64, 40, seed=1), folder)


@pytest.fixture(scope="module")
def int8_graph(graphs):
    return quantize_matmuls(graphs.fused, graphs.fused_ranges)


def opened(model, folder, **options):
    save(model, folder / "model.onnx")
    return Session.open(folder / "model.onnx", **options)


def answers(session, texts, *, alone=False):
    batches = [[text] for text in texts] if alone else [texts]
    rows = [session.run(Batch.of(batch, pad_id=0), LOGITS) for batch in batches]
    return [np.concatenate([row[index] for row in rows]) for index in range(len(LOGITS))]


def test_every_product_of_the_encoder_runs_in_int8(graphs, int8_graph, tmp_path):
    count = len(find_matmuls(graphs.fused))
    assert count == 12
    session = opened(int8_graph, tmp_path, optimized=tmp_path / "running.onnx")
    running = Counter(node.op_type for node in onnx.load(tmp_path / "running.onnx").graph.node)
    assert running[INT8_OPERATOR] == count
    assert not {"MatMul", "MatMulNBits", "DynamicQuantizeMatMul"} & running.keys()
    assert session.outputs == OUTPUTS
    check(int8_graph, "int8")


def test_int8_answers_lie_close_to_fp32(graphs, int8_graph, tmp_path):
    texts = ragged(40, 40, seed=2)
    exact, rounded = (answers(opened(graph, tmp_path), texts) for graph in (graphs.fused, int8_graph))
    for before, after in zip(exact, rounded, strict=True):
        assert np.abs(after - before).max() < 0.25 * before.std() + 0.05
        assert np.abs(after - before).max() > 0


def test_an_answer_does_not_depend_on_the_batch(int8_graph, tmp_path):
    session, texts = opened(int8_graph, tmp_path), ragged(40, MAX_LENGTH, seed=3)
    for alone, together in zip(answers(session, texts, alone=True), answers(session, texts), strict=True):
        np.testing.assert_allclose(alone, together, atol=1e-4)


def test_matmuls_that_are_excluded_stay_as_they_were(graphs):
    excluded = {find_matmuls(graphs.fused)[0].name, find_matmuls(graphs.fused)[5].name}
    graph = quantize_matmuls(graphs.fused, graphs.fused_ranges, excluded=excluded)
    assert {matmul.name for matmul in find_matmuls(graph)} == excluded
    assert sum(node.op_type == INT8_OPERATOR for node in graph.graph) == 10
    everything = [matmul.name for matmul in find_matmuls(graphs.fused)]
    untouched = quantize_matmuls(graphs.fused, graphs.fused_ranges, excluded=everything)
    assert [matmul.name for matmul in find_matmuls(untouched)] == everything


def test_inputs_that_products_share_are_rounded_once(int8_graph):
    operators = Counter(node.op_type for node in int8_graph.graph)
    assert operators["QuantizeLinear"] == 8  # query, key and value share theirs: four per layer


def test_large_embedding_tables_shrink_and_small_ones_stay(graphs, tmp_path, monkeypatch):
    assert len(quantize_embeddings(graphs.fused).graph) == len(graphs.fused.graph)
    monkeypatch.setattr("mtl_export.graphs.int8.quantize_matmuls._TABLE_ROWS", 16)
    shrunk = quantize_embeddings(graphs.fused)
    tables = {name: value for name, value in shrunk.graph.initializers.items() if "embeddings.weight" in name}
    assert tables["model.encoder.embeddings.word_embeddings.weight.int8"].dtype == ir.DataType.INT8
    assert tables["model.encoder.embeddings.token_type_embeddings.weight"].dtype == ir.DataType.FLOAT
    texts = ragged(20, 30, seed=4)
    exact, rounded = (answers(opened(graph, tmp_path), texts) for graph in (graphs.fused, shrunk))
    for before, after in zip(exact, rounded, strict=True):
        assert 0 < np.abs(after - before).max() < 0.1


def test_a_table_that_several_nodes_look_up_shrinks_once(graphs, tmp_path, monkeypatch):
    monkeypatch.setattr("mtl_export.graphs.int8.quantize_matmuls._TABLE_ROWS", 16)
    twice = graphs.fused.clone()
    lookup = next(node for node in twice.graph if node.op_type == "Gather" and "word_embeddings" in node.inputs[0].name)
    lookups = [ir.node("Gather", lookup.inputs, name=name) for name in ("first", "second")]
    for node in lookups:
        node.outputs[0].name = node.name
        twice.graph.insert_before(lookup, node)
    both = ir.node("Add", [node.outputs[0] for node in lookups], name="both")
    replace_node(twice.graph, lookup, both, lookup.outputs[0])
    shrunk = quantize_embeddings(twice)
    assert sum("word_embeddings.weight" in name for name in shrunk.graph.initializers) == 2  # whole numbers, and scales
    texts = ragged(20, 30, seed=4)
    exact, rounded = (answers(opened(graph, tmp_path), texts) for graph in (twice, shrunk))
    for before, after in zip(exact, rounded, strict=True):
        assert 0 < np.abs(after - before).max() < 0.2


def test_the_qdq_graph_is_portable_and_answers_like_the_int8_graph(graphs, int8_graph, tmp_path):
    graph = insert_qdq(graphs.portable, graphs.portable_ranges)
    assert {node.domain for node in graph.graph} <= {"", "ai.onnx"}
    check(graph, "qdq")
    replaced = {str(matmul.weight.name) for matmul in find_matmuls(graphs.portable)}
    assert not replaced & graph.graph.initializers.keys()  # the fp32 weights are gone
    texts = ragged(40, 40, seed=5)
    pairs, explicit = (answers(opened(model, tmp_path), texts) for model in (graph, int8_graph))
    exact = answers(opened(graphs.portable, tmp_path), texts)
    for one, other, before in zip(pairs, explicit, exact, strict=True):
        assert np.abs(one - other).max() < 0.25 * before.std() + 0.05


@given(st.floats(-100, 100, width=32), st.floats(-100, 100, width=32), st.floats(0, 1))
def test_a_scale_holds_zero_exactly_and_every_value_to_half_a_step(one, other, share):
    low, high = sorted((one, other))
    scale = Scale.affine_scale(low, high)
    assert 0 <= scale.zero <= 255
    value = low + share * (high - low)
    whole = np.clip(np.rint(value / scale.step) + scale.zero, 0, 255)
    assert abs((whole - scale.zero) * scale.step - value) <= scale.step * 1.001
    assert (scale.zero - scale.zero) * scale.step == 0.0


def test_smoothing_changes_no_fp32_answer(graphs, tmp_path):
    smooth, seen = apply_smoothquant(graphs.fused, graphs.fused_ranges, alpha=0.75)
    check(smooth, "smoothing")
    assert set(seen) == {str(matmul.data.name) for matmul in find_matmuls(smooth)}
    texts = ragged(40, 40, seed=7)
    exact, equal = (answers(opened(graph, tmp_path), texts) for graph in (graphs.fused, smooth))
    for before, after in zip(exact, equal, strict=True):
        np.testing.assert_allclose(before, after, atol=2e-5)


def divisions(model):
    return sorted(str(node.outputs[0].name) for node in model.graph if str(node.outputs[0].name).endswith(".smooth"))


def test_the_smoothing_that_harms_the_logits_least_is_taken_and_none_where_none_is_best(graphs):
    asked = []

    def loss(model, ranges):
        asked.append(model)
        return [3.0, 2.0, 0.5, 1.0, 4.0, *[9.0] * 8][len(asked) - 1]

    model, seen = search_smoothquant(graphs.fused, graphs.fused_ranges, loss)
    assert len(asked) == 5 + 3  # none, each alpha, and the best of them without each third of its 8 divisions
    second, _ = apply_smoothquant(graphs.fused, graphs.fused_ranges, alpha=smoothquant.ALPHAS[1])
    assert ir.to_proto(model) == ir.to_proto(second)
    assert set(seen) == {str(matmul.data.name) for matmul in find_matmuls(model)}
    unsmoothed, _ = search_smoothquant(graphs.fused, graphs.fused_ranges, lambda model, _: model is not graphs.fused)
    assert unsmoothed is graphs.fused


def test_no_smoothing_is_taken_where_it_is_as_good_as_the_best_within_the_slack(graphs):
    model, _ = search_smoothquant(
        graphs.fused, graphs.fused_ranges, lambda model, _: 1.0 if divisions(model) else 1.019
    )
    assert model is graphs.fused


def test_the_slack_is_one_for_all_divisions_together_and_not_for_each(graphs):
    model, _ = search_smoothquant(
        graphs.fused,
        graphs.fused_ranges,
        lambda model, _: 1.0 + 0.006 * (8 - len(here)) if (here := divisions(model)) else 2.0,
    )
    assert len(divisions(model)) == 8 - 3


def test_divisions_without_which_the_loss_is_no_higher_are_left_out_three_at_a_time(graphs):
    needed = f"{next(iter(graphs.fused_ranges))}.smooth"

    def loss(model, _):
        here = divisions(model)
        return 1.0 + (needed not in here) + 0.001 * len(here) + (not here)

    model, seen = search_smoothquant(graphs.fused, graphs.fused_ranges, loss)
    left = divisions(model)
    assert needed in left
    assert len(left) in (2, 3)  # its third of the eight
    assert set(seen) == {str(matmul.data.name) for matmul in find_matmuls(model)}


def test_the_widest_divisions_are_left_out_first_and_of_those_alike_the_last_layers(graphs, monkeypatch):
    monkeypatch.setattr(smoothquant, "_LEFT_OUT_AT_ONCE", 1)
    order, sizes = list(graphs.fused_ranges), {name: seen.low.size for name, seen in graphs.fused_ranges.items()}
    trials = []

    def loss(model, left):
        trials.append([name for name in order if name in left])
        return 1.0 if divisions(model) else 2.0

    search_smoothquant(graphs.fused, graphs.fused_ranges, loss)
    wide = [name for name in order if sizes[name] == 64]  # what the inner layers give
    assert trials[5:7] == [wide[1:], wide]
    monkeypatch.setattr(smoothquant, "_MOST_DIVISIONS", 2)
    assert len(divisions(search_smoothquant(graphs.fused, graphs.fused_ranges, loss)[0])) == 6


@pytest.mark.parametrize(("longest", "all_of_them"), [(4, True), (40, False)])
def test_where_sentences_are_long_fewer_tell_ways_of_smoothing_apart(tmp_path, monkeypatch, longest, all_of_them):
    monkeypatch.setattr(graph_builder, "_SENTENCES_FOR_LOSS", 16)
    monkeypatch.setattr(graph_builder, "_TOKENS_FOR_LOSS", 100)
    texts = ragged(64, longest, seed=8)
    own = GraphBuilder(model_of(tmp_path / "encoder", "bert", "mean"), TASKS, texts, tmp_path)
    asked = []

    def loss(exact, _model, _ranges):
        asked.append(len(exact))
        return float(len(asked))  # none is best

    monkeypatch.setattr(own, "_loss", loss)
    assert own.fused_for_int8[0] is own.fused
    (sentences,) = set(asked)
    tokens = sentences * np.mean([len(text) for text in texts])
    assert 50 < tokens <= 100 or all_of_them
    assert (sentences == 16) == all_of_them


def test_padding_is_left_out_of_the_ranges(graphs, tmp_path):
    names = [str(find_matmuls(graphs.fused)[1].data.name)]
    texts = ragged(3, 30, seed=6)
    alone = [
        collect_activation_ranges(graphs.fused, names, [text], pad_id=0, folder=tmp_path)[names[0]] for text in texts
    ]
    together = collect_activation_ranges(graphs.fused, names, texts, pad_id=0, folder=tmp_path)[names[0]]
    np.testing.assert_allclose(together.low, np.min([one.low for one in alone], axis=0), atol=1e-5)
    np.testing.assert_allclose(together.high, np.max([one.high for one in alone], axis=0), atol=1e-5)


def test_where_nothing_is_watched_there_are_no_ranges(graphs, tmp_path):
    assert collect_activation_ranges(graphs.fused, [], ragged(3, 30, seed=6), pad_id=0, folder=tmp_path) == {}
