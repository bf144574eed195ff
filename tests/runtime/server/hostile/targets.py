"""Where hostile requests go: a route of each protocol, a good request for it, and how it writes a refusal."""

import json
from collections.abc import Callable
from dataclasses import dataclass

from tests.runtime.server.hostile.wire import Answer, request
from tests.runtime.server.protocols.open_inference.requests import strings

TEXT = b'"the soup was good"'


@dataclass(frozen=True)
class Target:
    """A route over HTTP."""

    name: str
    path: str
    is_refusal: Callable[[Answer], bool]  # written as the clients of this protocol read it
    template: bytes | None = None  # JSON, with %s for the texts; None: the request has no body
    text: bytes = b"%s"  # JSON of one text in it
    is_single: bool = False  # it takes one text
    has_ids: bool = False  # numbers are token ids
    is_stream: bool = False  # it answers 200 before it has read a text
    is_binary: bool = False  # the texts follow the JSON
    is_admin: bool = False
    has_model: bool = False  # the path names the model
    method: str = "POST"
    good: int = 200  # status of the good request

    @property
    def has_body(self):
        """It reads texts from a body, whole before it answers."""
        return self.template is not None and not self.is_stream

    def body(self, texts=(TEXT,)):
        """Body and further headers for texts, each as JSON."""
        if self.template is None:
            return None, []
        if self.is_binary:
            return self._binary_body([to_bytes(text) for text in texts])
        listed = (b"\n" if self.is_stream else b", ").join(self.text.replace(b"%s", text) for text in texts)
        return self.template.replace(b"%d", b"%d" % len(texts)).replace(b"%s", listed), []

    def _binary_body(self, texts):
        data = strings(*texts)
        tensor = {"name": "text", "shape": [len(texts)], "datatype": "BYTES"}
        header = json.dumps({"inputs": [{**tensor, "parameters": {"binary_data_size": len(data)}}]}).encode()
        return header + data, [("Inference-Header-Content-Length", len(header))]

    def request(self, texts=(TEXT,), *, headers=(), **options):
        """A good request but for what is given."""
        body, more = self.body(texts)
        return request(self.method, options.pop("path", self.path), body, [*more, *headers], **options)


def to_bytes(text):
    """JSON of a text -> the bytes that binary tensors and gRPC have for it, valid UTF-8 or not."""
    try:
        return json.loads(text).encode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        return text.strip(b'"')


def _is_problem_details(answer):
    body = json.loads(answer.body)
    return answer.media_type == "application/problem+json" and body["status"] == answer.status


def _is_endpoint_error(answer):
    return answer.media_type == "application/json" and set(json.loads(answer.body)) == {"error", "error_type"}


def _is_openai_error(answer):
    error = json.loads(answer.body).get("error")
    is_error = isinstance(error, dict) and set(error) == {"message", "type", "param", "code"}
    return answer.media_type == "application/json" and is_error


def _is_inference_error(answer):
    return answer.media_type == "application/json" and set(json.loads(answer.body)) == {"error"}


_TENSOR = b'{"inputs": [{"name": "text", "shape": [%d], "datatype": "BYTES", "data": [%s]}]}'
_INFER = "/v2/models/tiny/infer"

TARGETS = [
    Target("predict", "/v1/predict", _is_problem_details, b'{"texts": [%s]}'),
    Target("explain", "/v1/explain", _is_problem_details, b'{"text": %s}', is_single=True),
    Target("lines", "/v1/predict/stream", _is_problem_details, b"%s\n", is_stream=True),
    Target("TEI predict", "/predict", _is_endpoint_error, b'{"inputs": [%s]}', text=b"[%s]"),
    Target("TEI embed", "/embed", _is_endpoint_error, b'{"inputs": [%s]}', has_ids=True),
    Target("Hugging Face", "/", _is_endpoint_error, b'{"inputs": [%s], "parameters": {}}'),
    Target("vLLM classify", "/classify", _is_openai_error, b'{"input": [%s]}'),
    Target("v1 classify", "/v1/classify", _is_openai_error, b'{"input": [%s]}'),
    Target("OpenAI embeddings", "/v1/embeddings", _is_openai_error, b'{"input": [%s]}', has_ids=True),
    Target("OIP JSON", _INFER, _is_inference_error, _TENSOR, has_model=True),
    Target("OIP binary", _INFER, _is_inference_error, b"", is_binary=True, has_model=True),
    Target("OpenAI model", "/v1/models/tiny", _is_openai_error, method="GET", has_model=True),
    Target("OIP metadata", "/v2/models/tiny", _is_inference_error, method="GET", has_model=True),
    Target("info", "/v1/info", _is_problem_details, method="GET"),
    Target("TEI info", "/info", _is_endpoint_error, method="GET"),
    Target("document", "/openapi.json", _is_problem_details, method="GET"),
    Target("metrics", "/metrics", _is_problem_details, method="GET"),
    Target("page", "/ui", _is_problem_details, method="GET"),
    Target("examples", "/ui/models", _is_problem_details, method="GET"),
    Target("evidence", "/ui/evidence/tiny", _is_problem_details, method="GET", has_model=True, good=404),
    Target("reload", "/admin/models/tiny/reload", _is_problem_details, is_admin=True, has_model=True),
]
