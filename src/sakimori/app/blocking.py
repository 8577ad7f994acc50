"""`block`: a list of what to cut off -> the file that cuts it, and the file that undoes it.

Nothing here acts on the world: it reads a list and writes files.
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sakimori.errors import ConfigError, PartFailedError, SourceError
from sakimori.takedown import blocks

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sakimori.takedown.blocks import BlockEntry, Format, Listed, Options, Written

STDIN = Path("-")


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What to do. `list` may be `-`, standard input.

    previous: give the changes from this file or list. out: write there, not only into the result;
    the file that is there is what is replaced. undo: write the file that takes it back.
    url_hosts: where the format cannot hold URLs, block their hosts.
    """

    list: Path
    to: str
    options: Options
    previous: Path | None = None
    out: Path | None = None
    undo: Path | None = None
    url_hosts: bool = False


@dataclass(frozen=True, slots=True)
class Blocked:
    """What came of it. `written.text` is the file, or the changes when `changes`."""

    to: str
    changes: bool
    written: Written
    listed: Listed

    @property
    def whole(self) -> bool:
        """Whether every row of the list is in the file, or has expired."""
        return not self.listed.rejects and not self.written.left_out


def block(job: Job) -> Blocked:
    """Write the block file that a list asks for, and its undo. Files are written aside, then renamed.

    Rows that are broken and entries that the format cannot express are in the result; the rest is
    written. Raises ConfigError for an unknown format or paths that collide, SourceError when the
    list or the previous file cannot be used, OSError when a file cannot be written.
    """
    form = blocks.format_named(job.to)
    _apart(job)
    listed = blocks.read(_text(job.list), str(job.list))
    entries = _entries(listed, form, job)
    if job.previous is not None:
        written = _changes(entries, form, job)
    else:
        written = blocks.state(entries, form, job.options, _replaced(job.out))
    if job.undo is not None:  # first, so that no deed is without its way back
        _write(job.undo, written.undo)
    if job.out is not None:
        _write(job.out, written.text)
    return Blocked(job.to, job.previous is not None, written, listed)


def as_object(blocked: Blocked) -> dict[str, Any]:
    """Return the result as plain JSON values: `schemas/block.schema.json`. Text is raw."""
    written, listed = blocked.written, blocked.listed
    return {
        "schema": 1,
        "to": blocked.to,
        "changes": blocked.changes,
        "entries": written.count,
        "expired": written.expired,
        "merged": listed.merged,
        "rejected": [{"line": r.line, "reason": r.reason, "text": r.text} for r in listed.rejects],
        "left_out": [
            {
                "line": item.entry.line,
                "kind": item.entry.kind,
                "value": item.entry.value,
                "reason": item.reason,
            }
            for item in written.left_out
        ],
        "text": written.text,
        "undo": written.undo,
    }


def moment(text: str | None) -> datetime:
    """Return a time given as ISO 8601 (UTC where it names no zone); None: now. Raises ConfigError."""
    if text is None:
        return datetime.now(UTC)
    try:
        time = datetime.fromisoformat(text)
        return (time if time.tzinfo else time.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise ConfigError(f"{text!r} is no time", hint="such as 2026-12-01T00:00:00Z") from error


def _entries(listed: Listed, form: Format, job: Job) -> Sequence[BlockEntry]:
    if not job.url_hosts:
        return listed.entries
    return [
        host
        for item in listed.entries
        for host in (
            (item,)
            if "url" in form.SUPPORTS and not form.refuses(item, job.options)
            else blocks.hosts_of_urls((item,))
        )
    ]


def _changes(entries: Sequence[BlockEntry], form: Format, job: Job) -> Written:
    previous = job.previous or Path()
    try:
        return blocks.changes(entries, form, job.options, _text(previous))
    except SourceError as error:
        raise SourceError(str(error), where=str(previous), hint=error.hint) from error


def _apart(job: Job) -> None:
    """Refuse to write over what is read, and two files onto one."""
    given = {
        "LIST": job.list, "--previous": job.previous, "--out": job.out, "--undo": job.undo,
    }  # fmt: skip
    seen: dict[Path, str] = {}
    for name, path in given.items():
        if path is None or path == STDIN:
            continue
        real = path.resolve()
        if real in seen and (name in ("--out", "--undo")):
            raise ConfigError(
                f"{seen[real]} and {name} are the same file",
                where=str(path),
                hint="name another file",
            )
        seen[real] = name


def _text(path: Path) -> str:
    """Return a file as text; bytes that are no UTF-8 become surrogates, which no value may hold."""
    try:
        data = sys.stdin.buffer.read() if path == STDIN else path.read_bytes()
    except OSError as error:
        raise SourceError(error.strerror or "cannot be read", where=str(path)) from error
    return data.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "surrogateescape")


def _replaced(out: Path | None) -> str | None:
    return _text(out) if out is not None and out.exists() else None


def _write(path: Path, text: str) -> None:
    """Write a file aside, then rename: whoever reads it sees the old or the new one whole."""
    aside = path.with_name(f".{path.name}.{os.getpid()}.aside")
    try:
        with aside.open("w", encoding="utf-8", errors="surrogateescape", newline="") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        aside.replace(path)
    except OSError as error:
        aside.unlink(missing_ok=True)
        raise SourceError(
            f"cannot be written: {error.strerror or error}",
            where=str(path),
            hint="what was there is as it was; check space and permissions",
        ) from error


def check_whole(blocked: Blocked) -> None:
    """Raise PartFailedError when rows of the list are not in the file; the file itself stands."""
    if blocked.whole:
        return
    rejected, left = len(blocked.listed.rejects), len(blocked.written.left_out)
    raise PartFailedError(
        f"{rejected:,} rows of the list were refused, {left:,} entries cannot be expressed as"
        f" {blocked.to}; the rest is written",
        hint="they are named above; other formats, or --url-hosts for URLs, may take them",
    )
