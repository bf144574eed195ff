import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtl_runtime.errors import InvalidTextError
from mtl_runtime.server.token_ids import read_token_ids


@given(st.lists(st.lists(st.integers(-3, 12), max_size=6), max_size=5))
def test_ids_are_taken_as_they_are_or_the_first_text_with_a_wrong_one_is_named(texts):
    wrong = [not 1 <= len(ids) <= 4 or not all(0 <= token < 10 for token in ids) for ids in texts]
    if any(wrong):
        with pytest.raises(InvalidTextError) as refusal:
            read_token_ids(texts, vocabulary_size=10, max_length=4)
        assert refusal.value.index == wrong.index(True)
    else:
        read = read_token_ids(texts, vocabulary_size=10, max_length=4)
        assert [list(text.ids) for text in read] == texts
        assert not any(text.truncated or any(text.type_ids) for text in read)
