import pytest

from mtl_runtime.server.failures import UnknownModelError
from mtl_runtime.server.models import ModelTable
from mtl_runtime.server.served_model import ServedModel
from mtl_runtime.server.settings import Split


@pytest.fixture
def two(classifier):
    return [ServedModel(name=name, classifier=classifier) for name in ("a", "b")]


def test_the_first_model_answers_where_none_is_named(two):
    table = ModelTable(two)
    assert table.get(None) is two[0]
    assert table.get("b") is two[1]
    with pytest.raises(UnknownModelError, match="there are: a, b"):
        table.get("c")


def test_a_split_shares_requests_by_weight(two):
    table = ModelTable(two, [Split("live", {"a": 3.0, "b": 1.0})])
    names = [table.get(None).name for _ in range(2000)]
    assert 0.68 < names.count("a") / 2000 < 0.82  # seven standard errors around 0.75
    assert table.names == ("live", "a", "b")


def test_a_model_that_is_replaced_answers_from_then_on(two, classifier):
    table = ModelTable(two)
    new = ServedModel(name="a", classifier=classifier)
    table.replace(new)
    assert table.get("a") is new
    assert [model.name for model in table] == ["a", "b"]
    with pytest.raises(UnknownModelError):
        table.replace(ServedModel(name="c", classifier=classifier))
