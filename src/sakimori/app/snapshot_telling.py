"""Snapshots and their differences for programs (plain JSON values) and for people (tables and lines)."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict
from itertools import groupby
from typing import TYPE_CHECKING, Any

from sakimori.app.snapshot_words import in_words
from sakimori.app.telling import Block, Told
from sakimori.i18n import Translator

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sakimori.app.snapshotting import Compared, Taken
    from sakimori.endpoint.changes import Change
    from sakimori.endpoint.snapshot.coverage import Why
    from sakimori.endpoint.snapshot.diff import Difference, NotCompared
    from sakimori.endpoint.snapshot.model import Gap, Record, Scope, Snapshot

COLUMNS = ("object", "key", "name", "layers", "what")
OBJECT_WORDS = {
    "registry": "Registry",
    "file": "Files",
    "package": "Packages",
    "service": "Services",
    "job": "Scheduled jobs",
    "user": "Users and groups",
    "socket": "Listening sockets",
    "module": "Kernel modules",
}
_MOST = 20  # gaps of each snapshot that are named in a table; JSON has them all


def _things(kind: str, say: Translator) -> str:
    return say.tr(OBJECT_WORDS[kind])


def change_object(change: Change) -> dict[str, Any]:
    """Return a change as plain JSON values."""
    return {
        "object": change.object,
        "key": change.key,
        "name": change.name,
        "layers": list(change.layers),
        "before": change.before,
        "after": change.after,
    }


def as_object(compared: Compared) -> dict[str, Any]:
    """Return the JSON object that `schemas/snapshot-diff.schema.json` describes."""
    a, b, found = compared.a, compared.b, compared.found
    return {
        "changes": [change_object(one) for one in found.changes],
        "a": _about(a),
        "b": _about(b),
        "troubles": [
            {"side": side, **asdict(gap)} for side, one in (("a", a), ("b", b)) for gap in one.gaps
        ],
        "not_compared": [
            {"object": one.object, **one.why._asdict(), "records": one.records}
            for one in found.not_compared
        ],
    }


def _about(one: Snapshot) -> dict[str, Any]:
    head = one.header
    return {
        "path": one.path,
        "sha256": one.sha256,
        "machine": head.machine,
        "taken": head.taken,
        "tool": head.tool,
        "records": one.count,
    }


def rows(compared: Compared, say: Translator) -> list[dict[str, Any]]:
    """Return one row a change, with what happened in words."""
    return [_row(one, say) for one in compared.found.changes]


def _row(change: Change, say: Translator) -> dict[str, Any]:
    return {
        "object": change.object,
        "key": change.key,
        "name": "(default)" if change.name == "" else change.name,
        "layers": " ".join(change.layers),
        "what": in_words(change, say),
    }


def tell(compared: Compared, lang: str, limit: int = 1000) -> Told:
    """Return a difference as blocks to print: for each kind of object a table of at most `limit` rows."""
    say, a, b, found = Translator(lang), compared.a, compared.b, compared.found
    blocks = [Block(lines=tuple(_head(a, b, found, say)))]
    for kind, group in groupby(found.changes, key=lambda one: one.object):
        blocks.append(_table(kind, list(group), say, limit))
    blocks.append(_left_out(found.not_compared, say))
    blocks += [_gaps(one, name, say) for name, one in (("A", a), ("B", b))]
    return Told(tuple(block for block in blocks if block.rows or block.lines))


def _head(a: Snapshot, b: Snapshot, found: Difference, say: Translator) -> Iterable[str]:
    for name, one in (("A", a), ("B", b)):
        yield say.tr(
            "{name}: {machine}, taken {time}, {records} records",
            name=name, machine=one.header.machine or None, time=one.header.taken, records=one.count,
        )  # fmt: skip
    if a.header.machine != b.header.machine:
        yield say.tr("Warning: {warning}", warning=say.tr("these are two different machines"))
    if a.header.taken > b.header.taken:
        yield say.tr("Warning: {warning}", warning=say.tr("A was taken after B"))
    yield say.tr("{count} changes", count=len(found.changes))


def _table(kind: str, changes: Sequence[Change], say: Translator, limit: int) -> Block:
    named = any(one.name is not None for one in changes)
    key, name, what = say.tr("path or name"), say.tr("value name"), say.tr("what changed")
    columns = (key, name, what) if named else (key, what)
    made = [_row(one, say) for one in changes[:limit]]
    more = len(changes) - len(made)
    return Block(
        title=say.tr("{object}: {count}", object=_things(kind, say), count=len(changes)),
        columns=columns,
        rows=tuple({key: row["key"], name: row["name"], what: row["what"]} for row in made),
        lines=(say.tr("... and {count} more: --format json", count=more),) if more else (),
    )


def _left_out(left: Sequence[NotCompared], say: Translator) -> Block:
    lines = [
        say.tr(
            "{object}: {why}; records of the other: {count}",
            object=_things(one.object, say), why=_why(one.why, say), count=one.records,
        )
        for one in left
    ]  # fmt: skip
    return Block(title=say.tr("Not compared") if lines else "", lines=tuple(lines))


def _why(why: Why, say: Translator) -> str:
    side = why.side.upper()
    if why.kind == "untaken" and not why.reason:
        return say.tr("not asked for in {side}", side=side)
    if why.kind == "untaken":
        return say.tr("not taken in {side}: {reason}", side=side, reason=why.reason)
    if why.kind == "outside":
        return say.tr("outside of what {side} looked at", side=side)
    if why.kind == "excluded":
        return say.tr("excluded in {side}", side=side)
    return say.tr("{key} could not be read in {side}: {reason}",
                  key=why.key or None, side=side, reason=why.reason)  # fmt: skip


def _gaps(one: Snapshot, name: str, say: Translator) -> Block:
    if not one.gaps:
        return Block()
    title = say.tr("Could not be read in {side}: {count}", side=name, count=len(one.gaps))
    return Block(title=title, lines=tuple(gap_lines(one.gaps, say)))


def gap_lines(gaps: Sequence[Gap], say: Translator, most: int = _MOST) -> list[str]:
    """Return what could not be read, one line each, and how many more there are."""
    lines = [
        say.tr(
            "{object}: {key}: {reason}",
            object=_things(gap.object, say), key=gap.key or None, reason=gap.reason,
        )
        for gap in gaps[:most]
    ]  # fmt: skip
    if len(gaps) > most:
        lines.append(say.tr("... and {count} more: --format json", count=len(gaps) - most))
    return lines


def summary_object(one: Snapshot, records: Iterable[Record]) -> dict[str, Any]:
    """Return the JSON object that `schemas/snapshot.schema.json` describes."""
    return {
        "header": asdict(one.header),
        "path": one.path,
        "sha256": one.sha256,
        "counts": counts(one),
        "scopes": [asdict(scope) for scope in one.scopes],
        "gaps": [asdict(gap) for gap in one.gaps],
        "records": [asdict(record) for record in records],
    }


def counts(one: Snapshot) -> dict[str, int]:
    """Return how many records of each kind there are."""
    return dict(Counter(record.object for record in one.records()))


def tell_one(one: Snapshot, lang: str) -> Told:
    """Return what a snapshot holds as blocks to print."""
    say = Translator(lang)
    head = one.header
    made = counts(one)
    about = say.tr(
        "{name}: {machine}, taken {time}, {records} records",
        name=one.path, machine=head.machine or None, time=head.taken, records=one.count,
    )  # fmt: skip
    sources = [f"{source.kind} {source.path} SHA-256 {source.sha256}" for source in head.sources]
    kind, count, note = say.tr("object"), say.tr("records"), say.tr("looked at")
    table = Block(
        columns=(kind, count, note),
        rows=tuple(
            {
                kind: _things(scope.object, say),
                count: made.get(scope.object, 0),
                note: _looked_at(scope, say),
            }
            for scope in one.scopes
        ),
    )
    return Told((Block(lines=(about, *sources)), table, *_some([_gaps(one, one.path, say)])))


def _some(blocks: Iterable[Block]) -> Iterable[Block]:
    return (block for block in blocks if block.rows or block.lines)


def _looked_at(scope: Scope, say: Translator) -> str:
    if scope.reason:
        return say.tr("not taken: {reason}", reason=scope.reason)
    return ", ".join(scope.roots[:12]) + ("…" if len(scope.roots) > 12 else "")


def taken_lines(taken: Taken, lang: str) -> list[str]:
    """Return what was taken, for stderr."""
    say = Translator(lang)
    lines = [
        say.tr("{object}: {count}", object=_things(kind, say), count=count)
        for kind, count in taken.counts.items()
    ]
    untaken = [scope for scope in taken.scopes if scope.reason]
    lines += [
        say.tr("{object}: not taken: {reason}", object=_things(scope.object, say),
               reason=scope.reason)
        for scope in untaken
    ]  # fmt: skip
    gaps = [gap for gap in taken.gaps if gap.key]
    if gaps:
        lines.append(say.tr("Could not be read: {count}", count=len(gaps)))
        lines += gap_lines(gaps, say, 5)
    lines.append(
        say.tr("{records} records written to {path} ({size} bytes)",
               records=sum(taken.counts.values()), path=str(taken.path), size=taken.size)
    )  # fmt: skip
    return lines


def taken_object(taken: Taken) -> dict[str, Any]:
    """Return what was taken as plain JSON values: the summary of `schemas/snapshot.schema.json`."""
    return {
        "path": str(taken.path),
        "header": asdict(taken.header),
        "size": taken.size,
        "records": sum(taken.counts.values()),
        "counts": taken.counts,
        "scopes": [asdict(scope) for scope in taken.scopes],
        "gaps": [asdict(gap) for gap in taken.gaps],
    }


def record_row(record: Record) -> dict[str, Any]:
    """Return a record as a row, its state as compact JSON."""
    state = json.dumps(record.state, ensure_ascii=False)
    return {"object": record.object, "key": record.key, "name": record.name, "state": state}
