"""Files, folders and links against what a manifest declares of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sakimori.endpoint.verify.model import Judgement, Note, Outcome

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sakimori.endpoint.verify.index import Index
    from sakimori.endpoint.verify.model import FileClaim
    from sakimori.endpoint.verify.subject import Subject

_CONTENT = ("sha512", "sha256", "sha1", "md5", "version", "size", "target")
_RIGHTS = ("mode", "owner")
_GUARDED = ("mode", "owner", "acl")


def judge_file(subject: Subject, index: Index) -> Judgement | None:
    """Return what the manifest says of a file, None when it does not name it.

    Several claims of one name are alternatives (branches, architectures): the best counts.
    """
    judged = [_judge(subject, claim, index.manifest.name) for claim in index.files_of(subject)]
    return max(judged, key=lambda j: j.outcome, default=None)


def _judge(subject: Subject, claim: FileClaim, by: str) -> Judgement:
    if subject.there is None or claim.action == "removed":
        return _removal(subject, claim, by)
    if claim.follows:
        return Judgement(Outcome.FOLLOWS, (_note("follows-declared", claim, by),))
    checks = list(_checks(claim, subject.there, subject.layers))
    wrong = [check for check in checks if check[1] != check[2]]
    if wrong:
        what, declared, there = wrong[0]
        note = _note("differs", claim, by, what=(what,), declared=_cut(declared), there=_cut(there))
        return Judgement(Outcome.DIFFERS, (note,))
    return _agreeing(subject, claim, by, [what for what, _, _ in checks])


def _removal(subject: Subject, claim: FileClaim, by: str) -> Judgement:
    gone, removed = subject.there is None, claim.action == "removed"
    if gone and removed:
        return Judgement(Outcome.MATCHES, (_note("removal", claim, by),))
    return Judgement(Outcome.DIFFERS, (_note("gone" if gone else "still-there", claim, by),))


def _agreeing(subject: Subject, claim: FileClaim, by: str, same: list[str]) -> Judgement:
    """Nothing differs: say what was compared, and what was not."""
    loose = [w for w in _GUARDED if w in subject.layers and w not in same]
    if loose and "added" not in subject.layers:
        return Judgement(Outcome.UNDECLARED, (_note("uncovered", claim, by, what=tuple(loose)),))
    mode = _mode((subject.there or {}).get("mode"))
    if mode is not None and mode & 0o6000 and "mode" not in same:
        note = _note("special-mode", claim, by, mode=f"{mode:04o}")
        return Judgement(Outcome.UNDECLARED, (note,))
    content = [w for w in same if w in _CONTENT]
    if claim.kind == "directory" or content:
        notes = [_note("match", claim, by, what=tuple(same) or ("name",))]
        if content == ["size"]:
            notes.append(_note("by-size", claim, by))
        return Judgement(Outcome.MATCHES, tuple(notes))
    return Judgement(Outcome.NAMED, (_note("named", claim, by),))


def _checks(claim: FileClaim, there: Any, layers: frozenset[str]) -> Iterator[tuple[str, Any, Any]]:
    """Give what both sides know: what, declared, there."""
    for kind in ("sha512", "sha256", "sha1", "md5"):
        if kind in claim.hashes and there.get(kind):
            yield kind, claim.hashes[kind].lower(), str(there[kind]).lower()
    if claim.size is not None and isinstance(there.get("size"), int) and claim.kind == "file":
        yield "size", claim.size, there["size"]
    if claim.version and there.get("version"):
        yield "version", _version(claim.version), _version(str(there["version"]))
    target = there.get("target")
    if claim.target and target:
        yield "target", claim.target, target
    mode = _mode(there.get("mode"))
    if claim.mode is not None and mode is not None and claim.kind != "link":
        yield "mode", f"{claim.mode:04o}", f"{mode:04o}"
    owner = there.get("owner")
    if claim.owner and "owner" in layers and isinstance(owner, str) and not owner.isdigit():
        yield "owner", claim.owner, owner.partition(":")[0]


def _version(text: str) -> str:
    """Return the numbers alone: files say "5.1.2600.1 (xpsp.080413-2111)"."""
    return text.split(maxsplit=1)[0].strip(",;") if text.split() else text


def _mode(mode: Any) -> int | None:
    """Return permission bits from a number or octal text."""
    if isinstance(mode, int):
        return mode & 0o7777
    try:
        return int(str(mode), 8) & 0o7777
    except ValueError:
        return None


def _cut(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 24 else text[:16] + "…"


def _note(code: str, claim: FileClaim, by: str, **values: Any) -> Note:
    return Note(code, {"by": by, **values}, claim.where)
