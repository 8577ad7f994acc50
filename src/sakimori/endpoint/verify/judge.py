"""One change against one manifest."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sakimori.endpoint.verify.judge_files import judge_file
from sakimori.endpoint.verify.judge_registry import judge_registry
from sakimori.endpoint.verify.model import Judgement, Note, Outcome

if TYPE_CHECKING:
    from sakimori.endpoint.verify.index import Index
    from sakimori.endpoint.verify.model import ObjectClaim
    from sakimori.endpoint.verify.subject import Subject


def judge(subject: Subject, index: Index) -> Judgement:
    """Return what a manifest says about a change; never None: silence is an answer, and says which."""
    if subject.is_registry:
        found = judge_registry(subject, index)
    elif subject.is_file:
        found = judge_file(subject, index) or _folder(subject, index)
    else:
        found = _object(subject, index)
    if found is None:
        return Judgement(Outcome.UNDECLARED, (_silence(subject, index),))
    if found.outcome is Outcome.UNDECLARED and subject.about in index.manifest.complete:
        return Judgement(found.outcome, (*found.notes, _silence(subject, index)))
    return found


def _silence(subject: Subject, index: Index) -> Note:
    """Tell apart: the form cannot say it, the list is said to be complete, or it just says nothing."""
    manifest = index.manifest
    values = {"by": manifest.name, "subject": (subject.about,)}
    if subject.about in manifest.complete:
        return Note("complete", values, manifest.source)
    if subject.about not in manifest.declares:
        return Note("cannot", values, manifest.source)
    return Note("undeclared", values, manifest.source)


def _folder(subject: Subject, index: Index) -> Judgement | None:
    """A folder that came and that declared files need."""
    if "added" in subject.layers and {subject.key, subject.folded} & index.folders:
        return Judgement(Outcome.FOLLOWS, (Note("below", {"by": index.manifest.name}),))
    return None


def _object(subject: Subject, index: Index) -> Judgement | None:
    claims = index.objects_of(subject)
    by = index.manifest.name
    judged = [_one_object(subject, claim, by, alone=len(claims) == 1) for claim in claims]
    return max(judged, key=lambda j: j.outcome, default=None)


def _one_object(subject: Subject, claim: ObjectClaim, by: str, *, alone: bool) -> Judgement:
    """One act on an object. Of several, the version before need not be that of the first snapshot."""
    there = subject.there
    if claim.version == "" or there is None:
        if claim.version == "" and there is None:
            return Judgement(Outcome.MATCHES, (Note("removal", {"by": by}, claim.where),))
        code = "gone" if there is None else "still-there"
        return Judgement(Outcome.DIFFERS, (Note(code, {"by": by}, claim.where),))
    before = (subject.change.before or {}).get("version") if alone else None
    checks = [("version", claim.version, there.get("version")), ("before", claim.before, before)]
    known = [(w, d, t) for w, d, t in checks if d is not None and t is not None]
    for what, declared, found in known:
        if str(declared) != str(found):
            values = {"by": by, "what": (what,), "declared": str(declared), "there": str(found)}
            return Judgement(Outcome.DIFFERS, (Note("differs", values, claim.where),))
    if not known:
        return Judgement(Outcome.NAMED, (Note("named", {"by": by}, claim.where),))
    what_same = tuple(w for w, _, _ in known)
    return Judgement(Outcome.MATCHES, (Note("match", {"by": by, "what": what_same}, claim.where),))
