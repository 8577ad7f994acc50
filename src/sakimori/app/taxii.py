"""Push STIX objects to a TAXII 2.1 collection. Source: OASIS TAXII 2.1, 3.6, 4.3, 5.4.

The token travels in one header and nowhere else: no message, no other server, no redirect.
"""

from __future__ import annotations

import base64
import json
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

from sakimori.config import LOOPBACK
from sakimori.errors import ConfigError, SourceError

if TYPE_CHECKING:
    from collections.abc import Sequence

_TYPE = "application/taxii+json;version=2.1"
_TIMEOUT = 30.0  # s
_LARGEST = 4 << 20  # bytes of an answer: a status names each object at most
_REASONS = 20
_NAMED = 20  # ids in one question: addresses have a length
AT_ONCE = 200  # objects in one envelope: servers limit its size
PATIENCE = 60.0  # s to wait for a server that takes objects later
PAUSE = 0.2  # s between two questions


@dataclass(frozen=True, slots=True)
class Pushed:
    """What a TAXII server said: objects sent, taken, refused and pending; why some were refused.

    `known` were there before. `reasons` are the server's words, so raw.
    """

    sent: int = 0
    success: int = 0
    failure: int = 0
    pending: int = 0
    known: int = 0
    reasons: tuple[str, ...] = ()

    def plus(self, other: Pushed) -> Pushed:
        """Return the sum of two."""
        return Pushed(
            self.sent + other.sent,
            self.success + other.success,
            self.failure + other.failure,
            self.pending + other.pending,
            self.known + other.known,
            (*self.reasons, *other.reasons)[:_REASONS],
        )


def push(objects: Sequence[Any], collection: str, token: str = "") -> Pushed:
    """Add objects to a collection, whose URL ends in `/collections/ID/`.

    `token` is a bearer token, or `user:password`. Raises ConfigError for a URL or token that is none
    or would travel in clear; SourceError when the server cannot be reached, refuses all, or answers
    nonsense, and says how many objects it had taken before.
    """
    address = check_collection(collection)
    headers = {"Accept": _TYPE, "Content-Type": _TYPE} | _authorization(token)
    told = Pushed()
    for at in range(0, len(objects), AT_ONCE):
        part = objects[at : at + AT_ONCE]
        try:
            told = told.plus(_settled(address, part, headers))
        except SourceError as error:
            hint = f"{told.sent} of {len(objects)} objects were sent before; {error.hint}"
            raise SourceError(str(error), hint=hint) from error
    return told


def check_collection(url: str) -> str:
    """Return a collection's URL with a slash at its end. Raises ConfigError."""
    try:
        parts = urlsplit(url)
        known = bool(parts.hostname) and parts.scheme in ("http", "https") and parts.port != 0
    except ValueError as error:
        raise _no_collection(url) from error
    if not known or "/collections/" not in parts.path or parts.query or parts.fragment:
        raise _no_collection(url)
    if parts.username is not None:
        raise ConfigError("a password in a URL ends up in logs", hint="use --token-file")
    if parts.scheme == "http" and parts.hostname not in LOOPBACK:
        raise ConfigError("this would travel in clear", where=url, hint="use https")
    return url.rstrip("/") + "/"


def _no_collection(url: str) -> ConfigError:
    return ConfigError("this is no TAXII collection", where=url.rpartition("@")[2],
                       hint="such as https://taxii.example/api/collections/ID/")  # fmt: skip


def _authorization(token: str) -> dict[str, str]:
    """Return the header; a bearer token never holds a colon (RFC 6750), user:password does."""
    if not token:
        return {}
    if ":" in token:
        return {"Authorization": f"Basic {base64.b64encode(token.encode()).decode()}"}
    if not all("!" <= c <= "~" for c in token):
        raise ConfigError("the token holds what no token holds: spaces, line ends or other signs",
                          hint="the file holds the token alone, or user:password")  # fmt: skip
    return {"Authorization": f"Bearer {token}"}


def _settled(address: str, objects: Sequence[Any], headers: dict[str, str]) -> Pushed:
    """Send objects; ask again until a server that takes them later has decided, or patience ends."""
    body = json.dumps({"objects": list(objects)}).encode()
    status = _asked("POST", f"{address}objects/", headers, body)
    ends = time.monotonic() + PATIENCE
    root = address.rpartition("/collections/")[0]
    name = quote(str(status.get("id") or ""), safe="")  # the server's word; it stays one part
    while status.get("status") == "pending" and name.strip(".") and time.monotonic() < ends:
        time.sleep(PAUSE)
        status = _asked("GET", f"{root}/status/{name}/", headers, None)
    refused = _refusals(status)
    # Servers may call it a failure when an object that never changes is there already.
    fixed = {str(thing["id"]) for thing in objects if "modified" not in thing}
    known = _there(address, [name for name in refused if name in fixed], headers)
    reasons = [why for name, why in refused.items() if name not in known]
    return _told(status, len(objects), len(known), reasons, address)


def _refusals(status: dict[str, Any]) -> dict[str, str]:
    """Return the ids of what was refused, with the reasons."""
    failures = status.get("failures")
    given = [f for f in failures if isinstance(f, dict)] if isinstance(failures, list) else []
    return {str(one.get("id")): str(one.get("message") or one.get("id")) for one in given}


def _there(address: str, ids: Sequence[str], headers: dict[str, str]) -> set[str]:
    """Return which ids the collection holds; none where we may not read it."""
    found: set[str] = set()
    for at in range(0, len(ids), _NAMED):
        names = quote(",".join(ids[at : at + _NAMED]), safe=",")
        try:
            page = _asked("GET", f"{address}objects/?match%5Bid%5D={names}", headers, None)
        except SourceError:
            break
        objects = page.get("objects")
        things = objects if isinstance(objects, list) else []
        found |= {str(thing.get("id")) for thing in things if isinstance(thing, dict)}
    return found & set(ids)


def _told(
    status: dict[str, Any], sent: int, known: int, reasons: Sequence[str], where: str
) -> Pushed:
    counts = [status.get(f"{word}_count", 0) for word in ("success", "failure", "pending")]
    if status.get("status") not in ("complete", "pending") or not all(
        type(count) is int and count >= 0 for count in counts
    ):
        raise _no_status(where)
    success, failure, pending = counts
    # What the server does not account for is not taken.
    pending = max(pending, sent - success - failure)
    return Pushed(sent, success, max(0, failure - known), pending, known, tuple(reasons[:_REASONS]))


def _asked(method: str, url: str, headers: dict[str, str], body: bytes | None) -> dict[str, Any]:
    import httpx  # noqa: PLC0415 - slow to import

    # A proxy of the environment must not see what goes to this host in clear.
    plain = url.startswith("http://")
    try:
        with (
            httpx.Client(timeout=_TIMEOUT, trust_env=not plain, follow_redirects=False) as client,
            client.stream(method, url, content=body, headers=headers) as answer,
        ):
            if not answer.is_success:
                raise _refused(answer.status_code, url)
            text = b"".join(_limited(answer.iter_bytes(), url))
        status = json.loads(text)
    except httpx.HTTPError as error:
        raise SourceError(f"the server cannot be reached: {type(error).__name__}", where=url,
                          hint="run the same again: nothing doubles") from error  # fmt: skip
    except (ValueError, RecursionError) as error:
        raise _no_status(url) from error
    if not isinstance(status, dict):
        raise _no_status(url)
    return status


def _limited(pieces: Any, url: str) -> Any:
    got = 0
    for piece in pieces:
        got += len(piece)
        if got > _LARGEST:
            raise _no_status(url)
        yield piece


def _refused(code: int, url: str) -> SourceError:
    hints = {
        401: "check --token-file", 403: "ask for the right to write to this collection",
        404: "check the collection's id", 413: "the server takes smaller envelopes only",
    }  # fmt: skip
    hint = hints.get(code, "check the collection, and that you may write to it")
    return SourceError(f"the server answered {code}", where=url, hint=hint)


def _no_status(where: str) -> SourceError:
    return SourceError("the server's answer is no TAXII status", where=where,
                       hint="check that this is a TAXII 2.1 collection")  # fmt: skip
