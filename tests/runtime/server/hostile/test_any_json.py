"""Any JSON in the bodies of the protocols that take it: answered, or refused as the client's mistake."""

from hypothesis import given
from hypothesis import strategies as st

PATHS = ["/", "/predict", "/embed", "/classify", "/v1/classify", "/v1/embeddings", "/v1/predict"]
TEXT_KEYS = ["inputs", "input", "texts"]

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.just(10**4000) | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)
option_names = st.sampled_from(
    ["parameters", "normalize", "truncate", "truncation_direction", "raw_scores", "dimensions", "prompt_name", "model"]
)
bodies = st.builds(
    lambda value, options: {**dict.fromkeys(TEXT_KEYS, value), **options},
    json_values | st.lists(st.text()) | st.lists(st.integers(-2, 120)),
    st.dictionaries(option_names, json_values, max_size=2),
)


@given(path=st.sampled_from(PATHS), body=bodies)
def test_any_json_is_answered_or_refused_as_the_clients_mistake(server, path, body):
    status, _, answer = server.ask("POST", path, body)
    assert status in (200, 400, 404, 413, 422), answer
