"""Asking a stamping authority over HTTP. The only part of evidence that opens a connection."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from sakimori.errors import ConfigError, SourceError
from sakimori.takedown.evidence.stamp import MAX_REPLY

if TYPE_CHECKING:
    from sakimori.takedown.evidence.stamp import Question

PATIENCE = 20.0  # seconds for connecting, and for each wait


def check_address(url: str) -> str:
    """Return the address if it is one over HTTP. Raises ConfigError, before anything is recorded."""
    try:
        parts = urlsplit(url)
        good = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        good = False
    if not good:
        raise ConfigError(
            f"{url!r} is no address of a stamping authority", hint="http://HOST/PATH or https://"
        )
    return url


def send(url: str, question: Question, patience: float = PATIENCE) -> bytes:
    """Send a question and return the answer's bytes; what they are worth is not judged here.

    Redirects are not followed. Raises SourceError when the authority cannot be reached, answers
    with an error, or with more than any stamp needs.
    """
    import httpx  # noqa: PLC0415 - slow to import

    head = {"Content-Type": "application/timestamp-query", "Accept": "application/timestamp-reply"}
    try:
        with httpx.stream(
            "POST", check_address(url), content=question.data, headers=head, timeout=patience
        ) as answer:
            if answer.status_code != httpx.codes.OK:
                raise SourceError(f"the authority answered with status {answer.status_code}")
            data = b""
            for block in answer.iter_bytes():
                data += block
                if len(data) > MAX_REPLY:
                    raise SourceError("the answer is too long for a stamp")
            return data
    except (httpx.HTTPError, httpx.InvalidURL, UnicodeError) as error:
        reason = str(error) or type(error).__name__
        raise SourceError(f"unreachable: {reason}") from error
