"""Every change is put down to an update, an installer, a family, a person, or to nobody known.

The order, as evidence weighs: what an update's manifest declares and what is there is just that; the same of
an installer's log; a known family's trace; an update's and then an installer's claim whose content could not
be compared; a person's act in a log; else unknown. What follows from an attributed change (a key's time, a
folder) is put down with its cause. Time alone never attributes anything.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from sakimori.endpoint.verify.consequences import follow
from sakimori.endpoint.verify.families import blamed, undone
from sakimori.endpoint.verify.index import Index, index_of
from sakimori.endpoint.verify.judge import judge
from sakimori.endpoint.verify.model import Attribution, Judgement, Note, Outcome
from sakimori.endpoint.verify.persons import acted
from sakimori.endpoint.verify.subject import Subject, subject_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from sakimori.endpoint.changes import Change
    from sakimori.endpoint.verify.actions._record import Action
    from sakimori.endpoint.verify.families import FamilyFacts
    from sakimori.endpoint.verify.model import Manifest, Window

_SLACK_SECONDS = 2  # file systems and logs round to seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Material:
    """All that changes are compared with. `span`: when the two snapshots were taken, None where unknown."""

    updates: Sequence[Manifest] = ()
    installers: Sequence[Manifest] = ()
    families: Sequence[FamilyFacts] = ()
    actions: Sequence[Action] = ()
    span: tuple[datetime | None, datetime | None] = (None, None)
    extra: Mapping[int, Mapping[str, Any]] = field(default_factory=dict)  # by number of the change


def attribute(changes: Sequence[Change], material: Material) -> list[Attribution]:
    """Return one attribution for each change, in their order."""
    updates = [index_of(m) for m in material.updates]
    installers = [index_of(m) for m in material.installers]
    times = _key_times(changes)
    subjects = [
        subject_of(c, {**times.get(_of_key(c), {}), **material.extra.get(n, {})})
        for n, c in enumerate(changes)
    ]
    first = [_one(s, updates, installers, material) for s in subjects]
    return follow(subjects, first, [*material.updates, *material.installers])


def _key_times(changes: Sequence[Change]) -> dict[str, dict[str, Any]]:
    """The last-write time of each registry key that moved: a value has no time of its own."""
    moved = (c for c in changes if c.object == "registry" and c.name is None and c.after)
    return {c.key: {"key_time": t} for c in moved if (t := (c.after or {}).get("key_time"))}


def _of_key(change: Change) -> str:
    return change.key if change.object == "registry" and change.name is not None else ""


def _one(
    subject: Subject, updates: list[Index], installers: list[Index], material: Material
) -> Attribution:
    judged = [judge(subject, index) for index in updates]
    logged = [_in_time(subject, judge(subject, index), index) for index in installers]
    sure = Outcome.FOLLOWS
    found = _best("update", judged, updates, sure) or _best("installer", logged, installers, sure)
    family = None if found else blamed(subject, material.families)
    if family:
        found = Attribution(to="family", by=family[0], notes=(family[1],))
    found = found or _best("update", judged, updates, Outcome.NAMED)
    found = found or _best("installer", logged, installers, Outcome.NAMED)
    person = None if found else acted(subject, material.actions, material.span)
    if isinstance(person, tuple):
        found = Attribution(to="person", by=person[0], notes=person[1])
    far = person if isinstance(person, Note) else None
    found = found or _unknown(subject, material, far)
    return _with_evidence(found, subject, [*judged, *logged], len(judged))


def _best(
    role: str, judged: list[Judgement], indexes: list[Index], least: Outcome
) -> Attribution | None:
    pairs = zip(judged, indexes, strict=True)
    best = max(pairs, key=lambda p: p[0].outcome, default=None)
    if best is None or best[0].outcome < least:
        return None
    return Attribution(to=role, by=best[1].manifest.name, notes=best[0].notes)


def _in_time(subject: Subject, judgement: Judgement, index: Index) -> Judgement:
    """An installer's log counts where the change's time lies in one of its runs, or its content is the same.

    Packages keep the times of their files, so a file's own time outside the runs is no contradiction
    when the content was compared. A time that the system sets is one.
    """
    windows = index.manifest.windows
    if judgement.outcome < Outcome.NAMED or not windows:
        return judgement
    by = index.manifest.name
    if window := _window(subject.time, windows):
        return Judgement(
            judgement.outcome, (*judgement.notes, _note("in-window", subject, window, by))
        )
    # A key's time is that of its last change, which may be another value's.
    own_time = subject.system_time is not None and subject.change.name is None
    if subject.time is None or (judgement.outcome is Outcome.MATCHES and not own_time):
        return judgement
    note = Note("out-of-window", {"by": by, "time": _iso(subject.time)}, windows[0].where)
    return Judgement(Outcome.UNDECLARED, (note,))


def _window(time: datetime | None, windows: Sequence[Window]) -> Window | None:
    slack = timedelta(seconds=_SLACK_SECONDS)
    if time is None:
        return None
    return next((w for w in windows if w.start - slack <= time <= w.end + slack), None)


def _note(code: str, subject: Subject, window: Window, by: str) -> Note:
    values = {
        "by": by,
        "time": _iso(subject.time),
        "start": _iso(window.start),
        "end": _iso(window.end),
    }
    return Note(code, values, window.where)


def _iso(time: datetime | None) -> str | None:
    return time.isoformat(timespec="seconds").replace("+00:00", "Z") if time else None


def _unknown(subject: Subject, material: Material, far: Note | None) -> Attribution:
    """Nobody known; whose run it merely coincides with is said, as no more than that."""
    notes = [far] if far else []
    ran = [(m, _window(subject.time, m.windows)) for m in (*material.updates, *material.installers)]
    notes += [_note("coincidence", subject, w, m.name) for m, w in ran if w]
    return Attribution(to="unknown", by="", notes=tuple(notes))


def _with_evidence(
    found: Attribution, subject: Subject, judged: list[Judgement], updates: int
) -> Attribution:
    """Add what is seen on the change itself, and, where no update did it, what each update says."""
    notes = list(found.notes)
    if found.to != "update":
        said = judged[:updates] if found.to == "installer" else judged
        notes += [n for j in said for n in j.notes if n not in notes]
    notes += _seen(subject)
    if found.to == "unknown":
        notes.append(Note("nobody"))
    return Attribution(to=found.to, by=found.by, notes=tuple(notes), judged=tuple(judged[:updates]))


def _seen(subject: Subject) -> list[Note]:
    """What the layers themselves mean, whoever did it."""
    before, after = subject.change.before or {}, subject.change.after or {}
    notes = []
    if "terminator" in subject.layers:
        ended = str(after.get("data", "")).endswith("0000")
        notes.append(Note("see-terminator-back" if ended else "see-terminator"))
    for layer, part in (("acl", "dacl"), ("acl", "sacl"), ("acl", "acl"), ("owner", "owner")):
        if layer in subject.layers and before.get(part) != after.get(part):
            code = "see-owner" if layer == "owner" else "see-acl"
            notes.append(Note(code, {"before": before.get(part), "after": after.get(part)}))
    return notes


def with_undone(
    changes: Sequence[Change], found: Sequence[Attribution], families: Sequence[FamilyFacts]
) -> list[Attribution]:
    """Add a note to changes that took a family's trace away: a cleaning, not an infection."""
    done = []
    for change, one in zip(changes, found, strict=True):
        note = undone(subject_of(change), families)
        notes = (*one.notes, note) if note else one.notes
        done.append(Attribution(to=one.to, by=one.by, notes=notes, judged=one.judged))
    return done
