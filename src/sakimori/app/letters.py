"""Letters and walled-garden pages as files, one per address, and the count of their visits."""

from __future__ import annotations

import os
import re
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sakimori.app.notifying import opened
from sakimori.errors import ConfigError, SourceError
from sakimori.hostile import csv_safe
from sakimori.intel.rows import read_rows
from sakimori.takedown.notify import visits as counting
from sakimori.takedown.notify.letter import House, Subscriber, render
from sakimori.takedown.notify.tokens import LEAST_SECRET, SHAPE, token_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from sakimori.takedown.notify.events import VictimEvent
    from sakimori.takedown.notify.visits import Visits

__all__ = ["Written", "count", "secret_from", "write"]


@dataclass(frozen=True, slots=True)
class Written:
    """One letter on disk."""

    token: str
    ip: str
    events: int
    first: str  # time of the first and last sighting, ISO 8601
    last: str
    file: str  # name inside the folder


def secret_from(path: Path) -> bytes:
    """Return the secret that tokens are made with; makes the file, for you only, when it is new.

    Keep it: with another secret the same user gets another address. Raises SourceError or
    ConfigError when the file cannot be used.
    """
    try:
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:  # noqa: PTH123 - for the mode
                file.write(secrets.token_hex(LEAST_SECRET))
        secret = path.read_bytes().strip()
    except OSError as error:
        raise SourceError(error.strerror or "cannot be read", where=str(path)) from error
    if len(secret) < LEAST_SECRET:
        raise ConfigError(f"the secret has {len(secret)} bytes, too few", where=str(path),
                          hint=f"at least {LEAST_SECRET} random bytes, or a path that is free")  # fmt: skip
    return secret


def write(
    events: Iterable[VictimEvent],
    house: House,
    secret: bytes,
    folder: Path,
    how: tuple[Sequence[str], str],
) -> list[Written]:
    """Write one HTML file per address, and `letters.csv` that says which is whose.

    `how` is (languages, kind). Each file is written aside and renamed; doing it again gives the
    same files. An address that changed hands in the meantime has one letter for both: the provider
    finds the customer by the times.
    """
    langs, kind = how
    by_ip: dict[str, list[VictimEvent]] = {}
    for event in events:
        by_ip.setdefault(event.ip, []).append(event)
    written = []
    for ip in sorted(by_ip):
        told = sorted(by_ip[ip], key=lambda e: (e.time, e.id))
        token = token_of(secret, ip)
        name = f"{kind}-{token}.html"
        _put(folder / name, render(Subscriber(events=tuple(told), token=token), house, langs, kind))
        times = told[0].time.isoformat(), told[-1].time.isoformat()
        written.append(Written(token, ip, len(told), *times, name))
    _put(folder / "letters.csv", _list_of(written))
    return written


def _put(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f"{path.name}.part")
    aside.write_text(text, "utf-8", newline="")
    aside.replace(path)


def _list_of(written: Sequence[Written]) -> str:
    rows = [f"{w.token},{csv_safe(w.ip)},{w.events},{w.first},{w.last},{w.file}" for w in written]
    return "\r\n".join(["token,ip,events,first,last,file", *rows, ""])


def count(logs: Iterable[Path], issued: Path | None) -> Visits:
    """Count visits in access logs. `issued`: a CSV with a column `token`, such as letters.csv.

    Raises SourceError when a file cannot be read or has no tokens.
    """
    tokens = None if issued is None else frozenset(_tokens(issued))
    return counting.count(_lines(logs), tokens)


def _lines(logs: Iterable[Path]) -> Iterator[str]:
    for path in logs:
        with opened(path) as lines:
            yield from lines


def _tokens(path: Path) -> Iterator[str]:
    with opened(path) as lines:
        for row in read_rows(lines, ("token",), str(path)):
            token = row.cells.get("token", "")
            if not re.fullmatch(SHAPE, token):
                raise SourceError("no token of ours", where=f"{path}:{row.line}")
            yield token


def as_object(found: Visits) -> dict[str, Any]:
    """Return the JSON of `visits --format json`; its schema is `schemas/visits.schema.json`."""
    return {
        "schema": "1",
        "letters": found.issued,
        "opened": len(found.visits),
        "share": None if found.share is None else round(found.share, 4),
        "unknown": found.unknown,
        "unread": found.unread,
        "visits": [
            {"token": v.token, "count": v.count, "first": _z(v.first), "last": _z(v.last)}
            for v in found.visits
        ],
    }


def _z(time: Any) -> str:
    return str(time.isoformat()).replace("+00:00", "Z")
