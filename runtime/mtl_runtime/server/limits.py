"""What a server accepts at most; each limit means the same for one text and for many, and for every protocol."""

from dataclasses import dataclass

from mtl_runtime.text.validation import DEFAULT_MAX_TEXT_BYTES

__all__ = ["Limits"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Limits and deadlines of a server. Beyond one, a request is refused at once with 413, 422, 429 or 504."""

    max_texts: int = 1024  # of a request; they are cut into batches
    max_text_bytes: int = DEFAULT_MAX_TEXT_BYTES  # of a text in UTF-8, before the tokenizer sees it
    max_body_bytes: int = 4 * 2**20  # also after decompression
    max_buffered_bytes: int = 256 * 2**20  # of all bodies that are coming, each but for its first 64 KiB
    max_connections: int = 2048  # over HTTP; one more takes the place of the one that is idle for the longest time
    max_explanations: int = 2  # at the same time; one costs as much as answering as many texts as the text has words
    max_requests: int = 512  # that are being answered at the same time
    max_queued_texts: int = 2048  # that wait for a worker; a request is admitted whole or not at all
    max_queue_seconds: float = 2.0  # that a new request would have to wait, by the speed of the last ones
    request_seconds: float = 30.0  # from the end of a request's body to its answer; a client may ask for less
    receive_seconds: float = 10.0  # for the headers of a request, and again for its body
    idle_seconds: float = 75.0  # between two requests of a connection
    drain_seconds: float = 30.0  # for requests in flight, once the server is told to stop
