"""Bodies that an analyst asked for: a reason, a bound, an end; credentials are taken out first."""

from __future__ import annotations

import base64
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlencode

import orjson

from sakimori.takedown.sinkhole.config import SECRET
from sakimori.takedown.sinkhole.log import Journal

if TYPE_CHECKING:
    from sakimori.takedown.sinkhole.config import Capture

_FIELDS = 200
_DEEPEST = 20


class Captures:
    """Keeps bodies in files of their own, apart from the log, until its bound or end is reached."""

    def __init__(self, capture: Capture, sensor: str) -> None:
        """Make the folder. Raises StateError when that cannot be."""
        self._capture, self._left = capture, capture.bytes_total
        self._until = capture.end.timestamp()
        self._journal = Journal(capture.folder, sensor)
        self._journal.event("capture", reason=capture.reason, until=capture.until)

    def is_open(self) -> bool:
        """Whether a body would still be kept."""
        return self._left > 0 and time.time() < self._until

    def keep(self, fields: dict[str, Any], body: bytes, kind: str) -> None:
        """Keep a body without its credentials, cut to the bound."""
        if not body or not self.is_open():
            return
        plain = without_secrets(body, kind)
        cut = (plain or b"")[: min(self._capture.bytes_each, self._left)]
        self._left -= len(cut)
        line = self._journal.line(
            time.time(),
            {
                "capture": True, "src_ip": fields.get("src_ip"), "name": fields.get("name"),
                "content_type": kind[:100], "bytes": len(body),
                "body": base64.b64encode(cut).decode() if plain is not None else None,
                "left_out": "it may hold credentials" if plain is None else None,
            },
        )  # fmt: skip
        self._journal.commit(line, 1)

    def close(self) -> None:
        """Close the files."""
        self._journal.close()


def without_secrets(body: bytes, kind: str) -> bytes | None:
    """Return a body without what looks like credentials; None: it cannot be told apart.

    Form and JSON fields that speak of passwords, tokens, logins and the like are left out.
    Of other kinds a body is kept only when no such word is in it.
    """
    kind = kind.partition(";")[0].strip().lower()
    try:
        if kind == "application/x-www-form-urlencoded":
            fields = parse_qsl(body.decode("utf-8"), keep_blank_values=True, max_num_fields=_FIELDS)
            plain = [pair for pair in fields if not any(map(SECRET.search, pair))]
            return urlencode(plain).encode()
        if kind.endswith("json"):
            return orjson.dumps(_cleaned(orjson.loads(body), 0))
    except (ValueError, RecursionError):
        return None
    return None if SECRET.search(body.decode("latin-1")) else body


def _cleaned(value: Any, depth: int) -> Any:
    if depth > _DEEPEST:
        return None
    if isinstance(value, dict):
        return {k: _cleaned(v, depth + 1) for k, v in value.items() if not SECRET.search(k)}
    if isinstance(value, list):
        return [_cleaned(item, depth + 1) for item in value]
    return None if isinstance(value, str) and SECRET.search(value) else value
