"""Which node ran where, so that a user sees what fell back to another provider."""

import json

from mtl_runtime.bundle.bundle import Bundle
from mtl_runtime.diagnostics.node_placement import count_providers, describe_placement, read_profile, running_nodes


def event(name, provider, index):
    return {"cat": "Node", "name": f"{name}_kernel_time", "args": {"provider": provider, "node_index": index}}


def test_nodes_are_counted_once_however_often_they_ran(tmp_path):
    events = [
        {"cat": "Session", "name": "model_run", "args": {}},
        {"cat": "Node", "name": "MatMul_fence_before", "args": {"op_name": "MatMul"}},
        *[event("MatMul", "CUDAExecutionProvider", "1")] * 3,
        event("MatMul", "CUDAExecutionProvider", "2"),
        event("", "CPUExecutionProvider", "3"),
    ]
    (tmp_path / "profile.json").write_text(json.dumps(events))
    assert count_providers(read_profile(tmp_path / "profile.json")) == {
        "CUDAExecutionProvider": 2,
        "CPUExecutionProvider": 1,
    }


def test_the_nodes_of_a_graph_on_the_cpu_are_those_that_the_optimizer_left(bundle_path):
    placement = count_providers(running_nodes(Bundle.open(bundle_path), "cpu-fp32", text="the soup was good"))
    assert placement == {"CPUExecutionProvider": 10}


def test_nodes_that_fell_back_to_another_provider_are_reported():
    nodes = {"CUDAExecutionProvider": 90, "CPUExecutionProvider": 12}
    assert (
        describe_placement("cuda", nodes)
        == "90 nodes on CUDAExecutionProvider; 12 nodes fell back to CPUExecutionProvider"
    )
    assert describe_placement("cuda", {"CPUExecutionProvider": 1}) == (
        "0 nodes on CUDAExecutionProvider; 1 node fell back to CPUExecutionProvider"
    )


def test_a_compiled_part_is_explained():
    sentence = describe_placement("openvino", {"OpenVINOExecutionProvider": 2, "CPUExecutionProvider": 1})
    parts, fallbacks = sentence.split("; ")
    assert parts == "2 nodes on OpenVINOExecutionProvider (one such node is a whole part of the graph, compiled)"
    assert fallbacks == "1 node fell back to CPUExecutionProvider"


def test_a_cpu_variant_has_nothing_to_fall_back_to():
    assert describe_placement("cpu", {"CPUExecutionProvider": 10}) == "10 nodes on CPUExecutionProvider"
