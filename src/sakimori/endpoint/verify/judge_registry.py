"""Registry keys and values against what a manifest declares of them."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from sakimori.endpoint.verify.model import Judgement, Note, Outcome
from sakimori.endpoint.verify.names import parent
from sakimori.endpoint.verify.registry_data import TEXTS
from sakimori.endpoint.verify.security import same_part

if TYPE_CHECKING:
    from sakimori.endpoint.verify.index import Index
    from sakimori.endpoint.verify.model import RegistryClaim
    from sakimori.endpoint.verify.subject import Subject


def judge_registry(subject: Subject, index: Index) -> Judgement | None:
    """Return what the manifest says of a key or value, None when it names neither nor its key."""
    by = index.manifest.name
    claims = index.registry.get(subject.key, [])
    if swept := _swept(subject, index):
        return Judgement(Outcome.MATCHES, (_note("reg-deleted", swept, by),))
    if subject.change.name is None:
        return _key(subject, claims, index)
    name = subject.change.name.lower()
    own = [c for c in claims if c.name is not None and c.name.lower() == name]
    if own:
        return max((_value(subject, claim, by) for claim in own), key=lambda j: j.outcome)
    return _unlisted(subject, claims, index)


def _swept(subject: Subject, index: Index) -> RegistryClaim | None:
    """A key above that the manifest deletes with all that is in it."""
    if subject.there is not None:
        return None
    key = subject.key
    while key:
        for claim in index.registry.get(key, ()):
            if claim.action == "delete" and claim.name is None:
                return claim
        key = parent(key, "\\")
    return None


def _unlisted(subject: Subject, claims: list[RegistryClaim], index: Index) -> Judgement | None:
    """A value that is not named: its key may be declared as a whole, or without any values."""
    by = index.manifest.name
    values = [c for c in claims if c.name is not None]
    whole = _whole(subject.key, index)
    keys = [c for c in claims if c.name is None and c.action == "set"]
    if (whole or (keys and not values)) and subject.there is not None:
        if _unterminated(subject):
            return Judgement(Outcome.DIFFERS, (_note("reg-terminator", whole or keys[0], by),))
        return Judgement(Outcome.NAMED, (_note("reg-named", whole or keys[0], by),))
    return Judgement(Outcome.UNDECLARED, (_note("reg-others", values[0], by),)) if values else None


def _whole(key: str, index: Index) -> RegistryClaim | None:
    while key:
        for claim in index.registry.get(key, ()):
            if claim.whole and claim.action == "set":
                return claim
        key = parent(key, "\\")
    return None


def _value(subject: Subject, claim: RegistryClaim, by: str) -> Judgement:
    there = subject.there
    if claim.action == "delete" or there is None:
        if there is None and claim.action == "delete":
            return Judgement(Outcome.MATCHES, (_note("reg-deleted", claim, by),))
        code = "reg-missing" if there is None else "reg-not-deleted"
        return Judgement(Outcome.DIFFERS, (_note(code, claim, by),))
    if claim.type and there.get("type") and claim.type != there["type"]:
        note = _note("reg-type", claim, by, declared=claim.type, there=str(there["type"]))
        return Judgement(Outcome.DIFFERS, (note,))
    return _data(subject, claim, by)


def _data(subject: Subject, claim: RegistryClaim, by: str) -> Judgement:
    raw = _raw(subject)
    if whole := (subject.there or {}).get(
        "sha256"
    ):  # a long value: the change shows its beginning only
        raw = next((d for d in claim.data if hashlib.sha256(d).hexdigest() == whole), raw)
    if claim.data and raw is not None:
        if raw in claim.data:
            return Judgement(Outcome.MATCHES, (_note("reg-match", claim, by),))
        if any(raw + end in claim.data for end in (b"\0\0", b"\0")):
            return Judgement(Outcome.DIFFERS, (_note("reg-terminator", claim, by),))
        note = _note("reg-data", claim, by, declared=_shown(claim.data[0], claim.type),
                     there=_shown(raw, claim.type))  # fmt: skip
        return Judgement(Outcome.DIFFERS, (note,))
    if _unterminated(subject):
        return Judgement(Outcome.DIFFERS, (_note("reg-terminator", claim, by),))
    return Judgement(Outcome.NAMED, (_note("reg-named", claim, by),))


def _unterminated(subject: Subject) -> bool:
    """Whether a text is there without its terminating NUL."""
    there, raw = subject.there or {}, _raw(subject)
    return (
        bool(raw)
        and there.get("type") in TEXTS
        and "sha256" not in there
        and not (raw or b"").endswith(b"\0\0")
    )


def _raw(subject: Subject) -> bytes | None:
    data = (subject.there or {}).get("data")
    try:
        return bytes.fromhex(data) if isinstance(data, str) else None
    except ValueError:
        return None


def _shown(raw: bytes, kind: str | None) -> str:
    """Return data for people: text in quotes, a number, else the first bytes."""
    if kind in TEXTS or (kind is None and raw.endswith(b"\0\0") and len(raw) > 2):
        return '"' + raw.decode("utf-16-le", "replace").rstrip("\0").replace("\0", " | ")[:80] + '"'
    if kind == "REG_DWORD" and len(raw) == 4:
        return str(int.from_bytes(raw, "little"))
    return raw[:16].hex(" ") + ("…" if len(raw) > 16 else "")


def _key(subject: Subject, claims: list[RegistryClaim], index: Index) -> Judgement | None:
    by = index.manifest.name
    if subject.layers & {"acl", "owner"}:
        return _security(subject, claims, by)
    if subject.there is None or subject.only_time:
        return None
    secured = [c for c in claims if c.security]
    if secured and (wrong := _other_security(subject, secured[0], tuple(secured[0].security), by)):
        return Judgement(Outcome.DIFFERS, (wrong,))
    set_here = next((c for c in claims if c.action == "set"), None)
    if set_here:
        return Judgement(Outcome.MATCHES, (_note("reg-key", set_here, by),))
    if subject.key in index.above:
        return Judgement(Outcome.FOLLOWS, (Note("reg-below", {"by": by}),))
    return None


def _security(subject: Subject, claims: list[RegistryClaim], by: str) -> Judgement | None:
    """Permissions or owner of a key moved: declared so, declared otherwise, or not at all."""
    moved = _moved(subject)
    secured = [c for c in claims if set(moved) <= set(c.security)] if moved else []
    if secured:
        wrong = _other_security(subject, secured[0], moved, by)
        if wrong:
            return Judgement(Outcome.DIFFERS, (wrong,))
        return Judgement(Outcome.MATCHES, (_note("reg-acl", secured[0], by),))
    declared = next((c for c in claims if c.action == "set"), None)
    if declared:
        return Judgement(Outcome.UNDECLARED, (_note("reg-acl-undeclared", declared, by),))
    return None


def _moved(subject: Subject) -> tuple[str, ...]:
    before, after = subject.change.before or {}, subject.there or {}
    parts = ("owner", "group", "dacl", "sacl")
    return tuple(p for p in parts if p in after and before.get(p) != after.get(p))


def _other_security(
    subject: Subject, claim: RegistryClaim, parts: tuple[str, ...], by: str
) -> Note | None:
    there = subject.there or {}
    for part in parts:
        known = there.get(part)
        declared = claim.security.get(part)
        if known is not None and declared and not same_part(part, declared, str(known)):
            return _note("reg-acl-differs", claim, by, declared=declared, there=str(known))
    return None


def _note(code: str, claim: RegistryClaim, by: str, **values: Any) -> Note:
    return Note(code, {"by": by, **values}, claim.where)
