"""What the library tokenizers raises -> one line."""

from mtl_runtime.wording import shorten

__all__ = ["describe_failure", "is_tokenizer_failure"]

_LONGEST = 200  # characters of a reason


def is_tokenizer_failure(error: BaseException) -> bool:
    """Whether the library raises such errors: bare Exception, and for a panic in Rust a BaseException of PyO3's.

    Everything else comes from outside, such as Ctrl-C or a signal handler of the caller's.
    """
    return type(error) is Exception or type(error).__module__ == "pyo3_runtime"


def describe_failure(error: BaseException) -> str:
    """Its message in one line of bounded length."""
    return shorten(" ".join(str(error).split()), _LONGEST) or type(error).__name__
