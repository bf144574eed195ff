"""What hostile clients send, by name: for each target the bytes, and the statuses that may answer them."""

import gzip
import json
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from tests.runtime.server.hostile.targets import TEXT, Target
from tests.runtime.server.hostile.wire import chunked, request

GOOD = "good"  # stands for the status of the target's good request
REFUSED = frozenset({400, 413, 422})


@dataclass(frozen=True)
class Row:
    """One hostile request to every target that it concerns."""

    name: str
    make: Callable[[Target], bytes | None]  # None: it does not concern the target
    statuses: frozenset
    answers: range = range(1, 2)  # how many
    shape: Literal["own", "any", "none"] = (
        "own"  # of a refusal: the protocol's; of a path that none has; of broken HTTP
    )

    def may_answer(self, target, status):
        return (target.good if GOOD in self.statuses else None) == status or status in self.statuses


def _text(value):
    """A text as JSON; a stream's line must hold no line break."""
    return json.dumps(value, ensure_ascii=False).encode()


# JSON in a text's place -> is it answered?
TEXTS = {
    "an empty text": (b'""', True),
    "white space": (_text(" \t\u00a0\u3000 "), True),
    "line breaks": (_text("a\r\nb\n"), True),
    "NUL": (_text("a\0b"), True),
    "control characters": (_text("\x01\x1b[31m\x7f\x85"), True),
    "a byte order mark": (_text("\ufeffgood"), True),
    "from right to left": (_text("\u202egood \u0634\u0643\u0631\u0627"), True),
    "joined emoji": (_text("\U0001f469\u200d\U0001f4bb" * 50), True),
    "a letter with 1,000 accents": (_text("e" + "\u0301" * 1000), True),
    "characters that are none": (_text("\ufffe\uffff\U0010ffff"), True),
    "a word of 60,000 letters": (_text("a" * 60_000), True),
    "an escaped pair of surrogates": (b'"\\ud83d\\ude00"', True),
    "a lone surrogate": (b'"\\ud800"', False),
    "surrogates in the wrong order": (b'"\\ude00\\ud83d"', False),
    "bytes that are not UTF-8": (b'"\xff\xfe"', False),
    "a surrogate in UTF-8": (b'"\xed\xa0\x80"', False),
    "NUL in more bytes than it needs": (b'"\xc0\x80"', False),
    "a text over the limit": (_text("b" * 70_000), False),
}
# The same, but it is no text at all, which binary tensors cannot express.
NO_TEXTS = {
    "null": b"null",
    "a number with a fraction": b"1.5",
    "a number of 400 digits": b"9" * 400,
    "a number of 5,000 digits": b"9" * 5000,
    "a number beyond every float": b"1e999",
    "not a number": b"NaN",
    "infinity": b"-Infinity",
    "a truth value": b"true",
    "an object": b'{"a": 1}',
    "lists 100,000 deep": b"[" * 100_000 + b"]" * 100_000,
    "objects 50,000 deep": b'{"a":' * 50_000 + b"1" + b"}" * 50_000,
    "a string without an end": b'"good',
    "an unknown escape": b'"\\x41"',
    "a control character": b'"a\x01b"',
    "a comment": b'"good" // "bad"',
    "single quotes": b"'good'",
}


def _texts(*texts):
    def make(target):
        if target.template is None or (target.is_single and len(texts) != 1):
            return None
        return target.request(texts)

    return make


def _text_rows():
    for name, (text, is_answered) in TEXTS.items():
        yield Row(name, _texts(text), frozenset({GOOD}) if is_answered else REFUSED)
    for name, text in NO_TEXTS.items():
        yield Row(name, lambda target, text=text: None if target.is_binary else _texts(text)(target), REFUSED)
    for name, texts in {"1,025 texts": [TEXT] * 1025, "200,000 empty texts": [b'""'] * 200_000}.items():
        yield Row(name, lambda target, texts=texts: target.has_body and _texts(*texts)(target), frozenset({413}))
    yield Row("1,024 equal texts", _texts(*[TEXT] * 1024), frozenset({GOOD}))
    yield Row("a bad text among good ones", _texts(*[TEXT] * 3, b'"\\ud800"', TEXT), REFUSED)


def _with_body(body, *headers):
    """A request whose whole body is given."""

    def make(target):
        if not target.has_body:
            return None
        content = body(target) if callable(body) else body
        lengths = [("Inference-Header-Content-Length", len(content))] if target.is_binary else []
        return request(target.method, target.path, content, [*lengths, *headers])

    return make


def _json(target):
    return target.body()[0]


_GZIP, _DEFLATE = ("Content-Encoding", "gzip"), ("Content-Encoding", "deflate")


def _body_rows():
    bad, big = frozenset({400}), frozenset({413})
    for name, body in {
        "an empty body": b"",
        "white space alone": b" " * 1000,
        "no object": b"3",
        "a list": b"[]",
        "half of a body": lambda target: _json(target)[:9],
        "a body twice": lambda target: _json(target) * 2,
        "garbage": bytes(range(256)),
        "UTF-16": lambda target: _json(target).decode("utf-8", "replace").encode("utf-16"),
        "UTF-32": lambda target: _json(target).decode("utf-8", "replace").encode("utf-32"),
        "a byte order mark before the body": lambda target: b"\xef\xbb\xbf" + _json(target),
        "a form": b"texts=good&inputs=good",
        "pickle": b"\x80\x04\x95\x1a\x00\x00\x00\x00\x00\x00\x00\x8c\x05posix\x94\x8c\x06system\x94\x93\x94.",
        "XML with entities": b'<!DOCTYPE a [<!ENTITY b "b">]><a>&b;</a>',
    }.items():
        yield Row(name, _with_body(body), bad)
    yield Row("5 MB of white space", _with_body(b" " * 5_000_000), big)
    yield Row(
        "a length of 20 MB, and no body",
        lambda target: target.has_body and request(target.method, target.path, b"", [b"Content-Length: 20000000"]),
        big,
    )
    yield Row(
        "5 MB in chunks",
        lambda target: (
            target.has_body
            and request(target.method, target.path, chunked(*[b" " * 65536] * 80), [b"Transfer-Encoding: chunked"])
        ),
        big,
    )
    yield Row("a gzip bomb", _with_body(gzip.compress(b" " * 50_000_000), _GZIP), big)
    yield Row("a deflate bomb", _with_body(zlib.compress(b" " * 50_000_000), _DEFLATE), big)
    yield Row("gzip in gzip", _with_body(lambda t: gzip.compress(gzip.compress(_json(t))), _GZIP), bad)
    yield Row("no gzip", _with_body(b"{}", _GZIP), bad)
    yield Row("half of a gzip stream", _with_body(lambda t: gzip.compress(_json(t))[:-9], _GZIP), bad)
    yield Row("two gzip streams", _with_body(lambda t: gzip.compress(_json(t)) * 2, _GZIP), bad)
    yield Row("deflate without its header", _with_body(lambda t: zlib.compress(_json(t))[2:-4], _DEFLATE), bad)
    for encoding in ("br", "zstd", "gzip, gzip", "chunked", "\xe9", "a" * 5000):
        row = f"the content encoding {encoding[:10]}"
        yield Row(row, _with_body(b"{}", ("Content-Encoding", encoding)), frozenset({415}))


_SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"


def _with_headers(*headers, **options):
    return lambda target: target.request(headers=headers, **options)


def _with_length(*headers, end=_SMUGGLED):
    """A good request whose length is said in other words, and one behind it that must not be answered."""

    def make(target):
        body, more = target.body()
        return request(target.method, target.path, body or b"", [*more, *headers], close=False) + end

    return make


def _in_chunks(body, *headers):
    """The good request with a body in chunks, or another one."""

    def make(target):
        if target.template is None:
            return None
        good, more = target.body()
        return request(target.method, target.path, body(good), [b"Transfer-Encoding: chunked", *more, *headers])

    return make


def _header_rows():
    good, bad = frozenset({GOOD}), frozenset({400})
    for name, headers in {
        "a host twice": (b"Host: a", b"Host: b"),
        "a host of another server": (b"Host: example.org",),
        "no text as content type": (b"Content-Type: image/png",),
        "a form as content type": (b"Content-Type: multipart/form-data; boundary=a",),
        "another charset": (b"Content-Type: application/json; charset=utf-16",),
        "a broken content type": (b"Content-Type: ;;=/\xff",),
        "nothing acceptable": (b"Accept: image/png;q=0, */*;q=0",),
        "a range": (b"Range: bytes=5-1, -9999999999999",),
        "tags of everything": (b'If-None-Match: "' + b'", "' * 5000 + b'"', b"If-Match: *"),
        "a method in a header": (b"X-HTTP-Method-Override: DELETE",),
        "a request id with line breaks": (b"X-Request-Id: a%0d%0aSet-Cookie: b\xe2\x80\xa8{}[31m",),
        "a request id of 5,000 characters": (b"X-Request-Id: " + b"a" * 5000,),
        "headers of proxies": (b"X-Forwarded-For: 127.0.0.1, ::1", b"X-Forwarded-Proto: gopher", b"Forwarded: for=_"),
        "a key that nobody asked for": (b"Authorization: Bearer \xff\x80", b"X-API-Key: " + b"k" * 5000),
        "an expectation": (b"Expect: 100-continue",),
        "an unknown expectation": (b"Expect: miracles",),
        "an unknown encoding of headers": (b"X-A: \xff\xfe\xa0",),
        "500 headers": tuple(b"X-%d: a" % number for number in range(500)),
        "500 equal headers": (b"X-A: a",) * 500,
        "cookies": (b"Cookie: " + b"a=b; " * 5000,),
    }.items():
        yield Row(name, _with_headers(*headers), good)
    for name, line in {
        "a folded header": b"X-A: a\r\n  b",
        "a space before the colon": b"X-A : a",
        "a header without a colon": b"X-A",
        "a header without a name": b": a",
        "NUL in a header": b"X-A: a\0b",
        "a line break in a header": b"X-A: a\rX-B: b",
        "a broken header name": b"X\xff: a",
    }.items():
        yield Row(name, _with_headers(line), bad, shape="none")
    yield Row("70,000 bytes of headers", _with_headers(b"X-A: " + b"a" * 70_000), frozenset({431}), shape="none")
    yield Row("400,000 bytes of headers", _with_headers(*[b"X-A: a"] * 50_000), frozenset({431}), shape="none")
    for value in ("-1", "0", "nan", "soon", "", "1e-999", "1_0 0", "9" * 5000):
        row, waits = f"a deadline of {value[:6]!r}", {"9" * 5000}
        yield Row(row, _with_headers(("X-Request-Timeout", value)), good if value in waits else good | bad)


def _length_rows():
    bad = frozenset({400})
    for name, headers in {
        "two lengths": (b"Content-Length: 5", b"Content-Length: 6"),
        "one length twice": (b"Content-Length: 5", b"Content-Length: 5"),
        "a list of lengths": (b"Content-Length: 5, 5",),
        "a negative length": (b"Content-Length: -1",),
        "a length with a sign": (b"Content-Length: +5",),
        "a length in hexadecimal": (b"Content-Length: 0x5",),
        "a length with spaces": (b"Content-Length: 1 5",),
        "an empty length": (b"Content-Length:",),
        "a length of 20 digits": (b"Content-Length: 99999999999999999999",),
        "a length of 5,000 digits": (b"Content-Length: " + b"9" * 5000,),
        "chunks and a length": (b"Transfer-Encoding: chunked", b"Content-Length: 5"),
        "a length and chunks": (b"Content-Length: 5", b"Transfer-Encoding: chunked"),
        "chunks that are not last": (b"Transfer-Encoding: chunked, identity",),
        "an unknown transfer encoding": (b"Transfer-Encoding: xchunked",),
        "gzip as transfer encoding": (b"Transfer-Encoding: gzip",),
        "chunks in other letters": (b"Transfer-Encoding: \x0bchunked",),
        "no chunk after all": (b"Transfer-Encoding: chunked",),
    }.items():
        yield Row(name, _with_length(*headers), bad, shape="none")


def _chunk_rows():
    good, bad = frozenset({GOOD}), frozenset({400})
    yield Row("one chunk", _in_chunks(chunked), good)
    yield Row(
        "a chunk for each byte", _in_chunks(lambda body: chunked(*(body[i : i + 1] for i in range(len(body))))), good
    )
    yield Row("a name for a chunk", _in_chunks(lambda body: b"%x;a=b\r\n%s\r\n0\r\n\r\n" % (len(body), body)), good)
    for name, trailer, statuses in (
        ("trailers", b"X-A: a\r\nHost: b", good),
        ("a length behind the body", b"Content-Length: 5", bad),
        ("more chunks behind the body", b"Transfer-Encoding: chunked", good | bad),
    ):
        end = b"0\r\n" + trailer + b"\r\n\r\n"
        yield Row(name, _in_chunks(lambda body, end=end: chunked(body, end=end)), statuses, shape="none")
    yield Row(
        "a long name for a chunk",
        _in_chunks(lambda body: b"%x;%s\r\n" % (len(body), b"a" * 900_000)),
        frozenset({400, 431}),
        shape="none",
    )
    yield Row(
        "trailers without end",
        _in_chunks(lambda body: chunked(body, end=b"0\r\n" + b"X-A: a\r\n" * 100_000)),
        frozenset({400, 431, GOOD}),
        shape="none",
    )
    for name, body in {
        "a chunk of no size": b"\r\ngood\r\n0\r\n\r\n",
        "a chunk of a negative size": b"-4\r\ngood\r\n0\r\n\r\n",
        "a chunk of a size in letters": b"0x4\r\ngood\r\n0\r\n\r\n",
        "a chunk of more than 64 bits": b"F" * 17 + b"\r\ngood\r\n0\r\n\r\n",
        "a chunk longer than its size": b"1\r\ngood\r\n0\r\n\r\n",
        "chunks that end with a line feed": b"4\ngood\n0\n\n",
    }.items():
        yield Row(name, _in_chunks(lambda _, body=body: body), bad, shape="none")


def _line_rows():
    """The first line of a request."""
    good = frozenset({GOOD})

    def line(first, rest=b"Host: a\r\nConnection: close\r\n\r\n"):
        return lambda target: first.replace(b"PATH", target.path.encode()) + b"\r\n" + rest

    for name, first in {
        "no request": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        "HTTP 2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n",
        "HTTP 3.7": b"GET PATH HTTP/3.7",
        "a broken version": b"GET PATH HTTP/1.1.1",
        "an unknown method": b"HACK PATH HTTP/1.1",
        "a method in small letters": b"get PATH HTTP/1.1",
        "spaces in the path": b"GET PATH a b HTTP/1.1",
        "NUL in the path": b"GET PATH\0 HTTP/1.1",
        "a tunnel": b"CONNECT example.org:443 HTTP/1.1",
        "no path": b"GET  HTTP/1.1",
        "a path without a slash": b"GET a HTTP/1.1",
        "200,000 bytes in the first line": b"GET PATH?" + b"a" * 200_000 + b" HTTP/1.1",
    }.items():
        yield Row(name, line(first), frozenset({400, 431}), shape="none")
    yield Row("HTTP 0.9", line(b"GET PATH"), frozenset({GOOD, 200, 400, 404, 405}), shape="any")
    yield Row("no host", _with_headers(b"Host:"), good)
    yield Row("HTTP 1.0", lambda target: target.request(version="1.0"), good)
    yield Row("HTTP 1.0 with keep-alive", _with_headers(b"Connection: keep-alive", version="1.0"), good)
    yield Row("an absolute URI", lambda target: target.request(path=f"http://example.org:1{target.path}"), good)
    for method in ("TRACE", "OPTIONS", "PUT", "PATCH", "DELETE", "PROPFIND", "M-SEARCH"):
        yield Row(f"the method {method}", lambda target, method=method: request(method, target.path), frozenset({405}))
    for protocol in (b"websocket", b"h2c", b"TLS/1.0"):
        upgrade = (b"Connection: Upgrade", b"Upgrade: " + protocol)
        yield Row(
            f"an upgrade to {protocol.decode()}",
            lambda target, upgrade=upgrade: _upgraded(target, upgrade),
            good,
            range(2, 3),
        )


def _upgraded(target, headers):
    return target.request(headers=headers, close=False) + target.request()


def _path_rows():
    lost = frozenset({404})
    for name, path in {
        "a path upwards": "/../../../../etc/passwd",
        "an encoded path upwards": "/%2e%2e/%2e%2e/%2e%2e%2fetc%2fpasswd",
        "a path of slashes": "/" * 5000 + "a",
        "a path of 60,000 bytes": "/" + "a" * 60_000,
        "letters of the world in a path": "/%E4%B8%AD/%F0%9F%98%80",
        "bytes in a path that are not UTF-8": "/%ff%fe",
        "line breaks in a path": "/a%0d%0aSet-Cookie:%20b",
        "NUL in an encoded path": "/a%00b",
        "broken escapes in a path": "/%zz%%1",
        "a path with a parameter": "/;a=b",
    }.items():
        yield Row(
            name, lambda target, path=path: target.request(path=target.path.rstrip("/") + path), lost, shape="any"
        )
    for name, model in {
        "an unknown model": "other",
        "a model upwards": "..%2f..%2fetc",
        "a model of 60,000 characters": "a" * 60_000,
        "a model of emoji": "%F0%9F%98%80" * 1000,
        "a model with line breaks": "a%0d%0ab",
        "a model with braces": "{model}",
    }.items():
        yield Row(
            name,
            lambda target, model=model: (
                target.request(path=target.path.replace("tiny", model)) if target.has_model else None
            ),
            lost,
            shape="any",
        )
    for name, query in {
        "an unknown model in the query": ("model=other", {404}),
        "5,000 models in the query": ("&".join(["model=tiny"] * 5000), set()),
        "a query of ampersands": ("&" * 60_000, set()),
        "a broken query": ("%ff=%zz&=&a;b=%00&", set()),
        "an unknown task in the query": ("task=mood&tasks=mood", {422}),
        "a task of 60,000 characters": ("task=" + "a" * 60_000, {422}),
    }.items():
        sent, statuses = query
        yield Row(
            name, lambda target, sent=sent: target.request(path=f"{target.path}?{sent}"), frozenset({GOOD, *statuses})
        )


def _many_rows():
    yield Row(
        "50 requests at once",
        lambda target: target.request(close=False) * 49 + target.request(),
        frozenset({GOOD}),
        range(50, 51),
    )
    yield Row(
        "20,000 requests at once",
        lambda target: target.request(close=False) * 20_000,
        frozenset({GOOD, 429}),
        range(102),
    )


ROWS = [
    *_text_rows(),
    *_body_rows(),
    *_header_rows(),
    *_length_rows(),
    *_chunk_rows(),
    *_line_rows(),
    *_path_rows(),
    *_many_rows(),
]
