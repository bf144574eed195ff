"""One request -> one line of JSON in the log: what was asked and what became of it, never a text."""

import json
import logging
import time

__all__ = ["REQUEST_LOG", "JsonLines", "log_request"]

REQUEST_LOG = __name__  # the logger of requests

_log = logging.getLogger(REQUEST_LOG)


def log_request(*, request_id: str, method: str, path: str, code: int, seconds: float, texts: int | None) -> None:
    """Log an answered request at INFO."""
    if _log.isEnabledFor(logging.INFO):
        facts = {"id": request_id, "method": method, "path": path[:200], "code": code, "ms": round(seconds * 1e3, 2)}
        _log.info("request", extra={"facts": facts if texts is None else {**facts, "texts": texts}})


class JsonLines(logging.Formatter):
    """Log records as lines of JSON; whatever a record holds, it stays one line.

    Args:
        facts: that every line has.
    """

    def __init__(self, **facts: object) -> None:
        super().__init__()
        self._facts = facts

    def format(self, record: logging.LogRecord) -> str:
        """A record -> an object with time (UTC), level, logger, message, and the facts it brings."""
        moment = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        line = {
            "time": f"{moment}.{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **self._facts,
            **getattr(record, "facts", {}),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line)
