"""Changes against what persons did: the same object, named in the log, and a time that fits."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING

from sakimori.endpoint.verify.model import Note
from sakimori.endpoint.verify.names import file_key
from sakimori.endpoint.verify.registry_names import registry_key

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from sakimori.endpoint.verify.actions._record import Action
    from sakimori.endpoint.verify.subject import Subject

BEFORE = timedelta(minutes=2)  # clocks and rounding: a change may seem older than the act by this
AFTER = timedelta(minutes=30)  # an editor opened at the logged time saves later
_WORD = re.compile(r"\"[^\"]*\"|'[^']*'|\S+")


def acted(
    subject: Subject, actions: Sequence[Action], span: tuple[datetime | None, datetime | None]
) -> tuple[str, tuple[Note, ...]] | Note | None:
    """Return who acted on the object, with notes; a Note alone where only the time speaks against it.

    An act outside `span`, from one snapshot to the other, cannot have made the change.
    """
    far: Note | None = None
    for action in _nearest(subject, actions):
        if not _within(action.time, span) or not _same(subject, action):
            continue
        if subject.time is None or action.time is None:
            return action.who, _notes("person-untimed", action)
        if -BEFORE <= subject.time - action.time <= AFTER:
            return action.who, _notes("person", action)
        values = {"by": action.who, "time": _iso(action.time), "there": _iso(subject.time)}
        far = far or Note("person-far", values, action.where)
    return far


def _notes(code: str, action: Action) -> tuple[Note, ...]:
    when = _iso(action.time) if action.time else None
    notes = [Note(code, {"by": action.who, "time": when, "what": action.what}, action.where)]
    if action.program:
        notes.append(
            Note("by-program", {"program": action.program, "by": action.who}, action.where)
        )
    return tuple(notes)


def _nearest(subject: Subject, actions: Sequence[Action]) -> list[Action]:
    time = subject.time
    if time is None:
        return list(actions)
    return sorted(actions, key=lambda a: abs(time - a.time) if a.time else timedelta.max)


def _within(time: datetime | None, span: tuple[datetime | None, datetime | None]) -> bool:
    start, end = span
    if time is None:
        return True
    return (start is None or time >= start - BEFORE) and (end is None or time <= end + BEFORE)


def _same(subject: Subject, action: Action) -> bool:
    if action.what.startswith("4670 ") and not subject.layers & {"acl", "owner", "mode"}:
        return False  # an event about permissions explains nothing else
    if action.target:
        return _is_target(subject, action)
    if subject.is_registry:
        return _key_in(subject, action.what)
    if subject.is_file:
        return any(file_key(word) == subject.key for word in _paths(action.what))
    return any(word == subject.key.lower() for word in _words(action.what))


def _is_target(subject: Subject, action: Action) -> bool:
    if subject.is_file:
        return subject.key == file_key(action.target) or subject.folded == file_key(action.target)
    if not subject.is_registry:
        return subject.key.lower() == action.target.lower()
    name = subject.change.name
    if registry_key(action.target) != subject.key:
        return False
    if action.value is None or name is None:
        return (action.value is None) == (name is None) or name is not None
    return action.value.lower() in (name.lower(), "(default)" if name == "" else name.lower())


def _key_in(subject: Subject, command: str) -> bool:
    r"""A command such as `reg add HKLM\... /v Shell /d ...`: the key as a word, and the value's name."""
    words = [word.strip("\"'") for word in _WORD.findall(command)]
    if subject.key not in {registry_key(word) for word in words if "\\" in word}:
        return False
    name = subject.change.name
    lower = [word.lower() for word in words]
    if name is None:
        return True
    return name.lower() in lower if name else "/ve" in lower


def _paths(command: str) -> list[str]:
    return [
        w for w in (word.strip("\"'") for word in _WORD.findall(command)) if "/" in w or "\\" in w
    ]


def _words(command: str) -> list[str]:
    return [word.strip("\"'").lower().partition(":")[0] for word in _WORD.findall(command)]


def _iso(time: datetime) -> str:
    return time.isoformat(timespec="seconds").replace("+00:00", "Z")
