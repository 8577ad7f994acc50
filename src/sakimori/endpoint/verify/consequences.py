"""What follows from other changes.

Times of keys and folders, keys and folders that came with their content, and the records that a package
manager keeps about what it did.
"""

from __future__ import annotations

import re
from collections import defaultdict
from typing import TYPE_CHECKING

from sakimori.endpoint.verify.model import Attribution, Judgement, Note
from sakimori.endpoint.verify.names import parent

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sakimori.endpoint.verify.model import Manifest
    from sakimori.endpoint.verify.subject import Subject

# Kept by package managers about every run; file_key form. Scripts that dpkg will run are not among them.
_RECORDS = re.compile(
    r"^(?:var/lib/dpkg(?:/info|/updates|/triggers)?|var/lib/dpkg/(?:status|status-old|available|available-old|diversions|statoverride|lock\S*|"
    r"triggers/\S+|updates/\S*|info/format|arch)|var/log/(?:dpkg\.log|apt/\S+|dnf\S*\.log|yum\.log|"
    r"alternatives\.log)|var/lib/apt/extended_states|var/cache/apt/\S+|var/cache/debconf/\S+|"
    r"var/lib/rpm/\S+|usr/lib/sysimage/rpm/\S+|var/lib/dnf/\S+)$"
)
_INFO = re.compile(
    r"^var/lib/dpkg/info/([^/]+)\.(?:list|md5sums|conffiles|symbols|shlibs|triggers)$"
)
_ROUNDS = 8  # a chain of consequences: a value, its new key, the time of the key above


def follow(
    subjects: Sequence[Subject], found: Sequence[Attribution], manifests: Sequence[Manifest]
) -> list[Attribution]:
    """Return the attributions with consequences put down to their causes."""
    done = [_record(s, a, found, subjects, manifests) for s, a in zip(subjects, found, strict=True)]
    inside = _inside(subjects)
    for _ in range(_ROUNDS):
        moved = False
        for at, subject in enumerate(subjects):
            if done[at].to == "unknown" and (new := _caused(subject, at, subjects, done, inside)):
                moved = moved or new != done[at]
                done[at] = new
        if not moved:
            break
    return done


def _record(
    subject: Subject, one: Attribution, found: Sequence[Attribution], subjects: Sequence[Subject],
    manifests: Sequence[Manifest],
) -> Attribution:  # fmt: skip
    """A package manager's own record, where a manifest's package is known to have been changed."""
    if one.to != "unknown" or not subject.is_file or subject.layers & {"owner", "mode", "acl"}:
        return one
    packages = {
        s.key.lower(): a for s, a in zip(subjects, found, strict=True)
        if s.change.object == "package" and a.to in ("update", "installer")
    }  # fmt: skip
    info = _INFO.match(subject.key)
    name = info[1].partition(":")[0].lower() if info else ""
    declared = {o.name.partition(":")[0].lower() for m in manifests for o in m.objects
                if o.object == "package"}  # fmt: skip
    cause = packages.get(name) if name in declared else None
    if cause is None and packages and _RECORDS.match(subject.key):
        cause = next(iter(packages.values()))
    if cause is None:
        return one
    note = Note("follows-records", {"by": cause.by})
    return Attribution(to=cause.to, by=cause.by, notes=(note,), judged=one.judged)


def _inside(subjects: Sequence[Subject]) -> dict[tuple[str, str], list[int]]:
    """The changes directly in each key or folder; a value lies in its key."""
    found: dict[tuple[str, str], list[int]] = defaultdict(list)
    for at, subject in enumerate(subjects):
        if subject.is_registry:
            above = subject.key if subject.change.name is not None else parent(subject.key, "\\")
            found["registry", above].append(at)
        elif subject.is_file:
            found["file", parent(subject.key, "/")].append(at)
    return found


def _caused(
    subject: Subject, at: int, subjects: Sequence[Subject], done: Sequence[Attribution],
    inside: dict[tuple[str, str], list[int]],
) -> Attribution | None:  # fmt: skip
    if subject.change.name is not None or not (subject.is_file or subject.is_registry):
        return None
    came_or_went = bool(subject.layers & {"added", "removed"})
    if not came_or_went and not subject.only_time:
        return None
    within = [n for n in inside.get((subject.change.object, subject.key), []) if n != at]
    if not came_or_went:
        within = [n for n in within if _moves_time(subjects[n])]
    if not within:
        return None
    causes = {(done[n].to, done[n].by) for n in within}
    if len(causes) > 1:
        return _put(done[at], "unknown", "", Note("mixed", {"by": _names(causes)}))
    to, by = next(iter(causes))
    if to == "unknown":
        return None
    code = "follows-inside" if came_or_went else "follows-time"
    return _put(done[at], to, by, Note(code, {"by": by}))


def _moves_time(inner: Subject) -> bool:
    """Whether a change in a key or folder moves the time of the key or folder.

    A key's time moves with its values and its subkeys' coming and going; a folder's only with entries that
    come, go or are replaced (an installer replaces a file by renaming a new one over it).
    """
    if inner.is_registry:
        return inner.change.name is not None or bool(inner.layers & {"added", "removed"})
    return bool(inner.layers & {"added", "removed", "bytes"})


def _names(causes: set[tuple[str, str]]) -> tuple[str, ...]:
    return tuple(sorted(by or to for to, by in causes))


def _put(one: Attribution, to: str, by: str, note: Note) -> Attribution:
    kept = tuple(n for n in one.notes if n.code in ("coincidence", "person-far") or n == note)
    notes = kept if note in kept else (note, *kept)
    judged: tuple[Judgement, ...] = one.judged
    if to == "unknown":
        notes = (note, *(n for n in one.notes if n.code != note.code))
    return Attribution(to=to, by=by, notes=notes, judged=judged)
