"""The conclusion as an investigator states it: what changed, which update could have done it, which not.

Every sentence says no more than was compared. "Does not declare" is not "could not": only a manifest
that says it is complete excludes anything.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

from sakimori.endpoint.verify.notes import OBJECT_WORDS
from sakimori.endpoint.verify.result import by_name
from sakimori.endpoint.verify.words import joined, named, word

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from sakimori.endpoint.changes import Change
    from sakimori.endpoint.verify.model import Attribution
    from sakimori.endpoint.verify.result import Account, Verification
    from sakimori.i18n import Translator

_MOST = 8  # things named one by one; the rest is counted


def statement(found: Verification, say: Translator, remarks: Iterable[str] = ()) -> str:
    """Return the statement, one sentence or list entry a line. `remarks`: what was not compared.

    Manifests of one name are spoken of as one update.
    """
    found = replace(found, accounts=by_name(found.accounts))
    parts = [
        say.tr("1. What changed"), *_changed(found, say),
        say.tr("2. Which update could have done it"), *_could(found, say),
        say.tr("3. Which could not"), *_could_not(found, say),
        say.tr("Limits"), *_limits(found, say), *remarks,
    ]  # fmt: skip
    return "\n".join(parts)


def _changed(found: Verification, say: Translator) -> Iterator[str]:
    a, b = found.names
    total = len(found.changes)
    if not total:
        yield say.tr("Between {a} and {b} nothing differs in what was compared.", a=a, b=b)
        return
    kinds = Counter(change.object for change in found.changes)
    listed = joined(
        (
            say.tr("{kind}: {count}", count=n, kind=say.tr(OBJECT_WORDS[k]))
            for k, n in kinds.items()
        ),
        say,
    )
    yield say.tr(
        "Changes between {a} and {b}: {count} ({kinds}).",
        a=a,
        b=b,
        count=total,
        kinds=listed,
    )
    yield from _findings(found, say)


def _findings(found: Verification, say: Translator) -> Iterator[str]:
    """The changes that an investigator names: terminators, permissions, families."""
    lines: list[str] = []
    for change, one in zip(found.changes, found.attributions, strict=True):
        lines += _finding(change, one, say)
    yield from lines[: 2 * _MOST]
    if len(lines) > 2 * _MOST:
        yield say.tr("- and {count} more", count=len(lines) - 2 * _MOST)


def _finding(change: Change, one: Attribution, say: Translator) -> Iterator[str]:
    if "terminator" in change.layers and _ended(change.after):
        yield say.tr(
            "- {name}: the text is the same, but its terminating NUL differs.",
            name=named(change, say),
        )
    elif "terminator" in change.layers:
        yield say.tr(
            "- {name}: the text is the same, but its terminating NUL is missing.",
            name=named(change, say),
        )
    elif change.object == "registry" and {"acl", "owner"} & set(change.layers):
        yield _permissions(change, named(change, say), say)
    if one.to == "family" and change.name is not None:
        text = (change.after or {}).get("text")
        name = named(change, say)
        yield say.tr(
            "- {name}: holds what the family {family} sets ({text}).",
            name=name,
            family=one.by,
            text=text,
        )


def _permissions(change: Change, name: str, say: Translator) -> str:
    before, after = change.before or {}, change.after or {}
    part = next(
        (p for p in ("dacl", "owner", "group", "sacl") if before.get(p) != after.get(p)), "dacl"
    )
    return say.tr("- {name}: its permissions or owner were changed, from {before} to {after}.", name=name,
                  before=before.get(part), after=after.get(part))  # fmt: skip


def _ended(after: object) -> bool:
    return isinstance(after, dict) and str(after.get("data", "")).endswith("0000")


def _could(found: Verification, say: Translator) -> Iterator[str]:
    total, by_update = len(found.changes), found.count("update")
    for account in found.accounts:
        name, could = account.manifest.name, len(account.could)
        if could:
            yield say.tr("{update} could have made {count} of the {total} changes: it declares them, or they"
                         " follow from what it declares.", update=name, count=could, total=total)  # fmt: skip
            yield from _weak(found, account, say)
        else:
            yield say.tr("{update} declares none of the changes.", update=name)
    if total and by_update == total:
        yield say.tr("Every change that was found is accounted for by the updates that were given.")
    if not found.accounts:
        yield say.tr("No update was given.")


def _weak(found: Verification, account: Account, say: Translator) -> Iterator[str]:
    """Of how many only the name could be compared."""
    weak = [n for n in account.could
            if any(note.code in ("named", "reg-named") for note in found.attributions[n].notes)]  # fmt: skip
    if weak:
        yield say.tr("Of these, known by name alone, because their content could not be compared: {count}.",
                     count=len(weak))  # fmt: skip


def _could_not(found: Verification, say: Translator) -> Iterator[str]:
    others = len(found.changes) - found.count("update")
    for account in found.accounts:
        yield from _cleared(account, found, say)
    yield from _watched(found, say)
    if not others:
        if found.changes:
            yield say.tr("No change is left that somebody else must have made.")
        return
    yield from _by_others(found, say)


def _cleared(account: Account, found: Verification, say: Translator) -> Iterator[str]:
    manifest, name = account.manifest, account.manifest.name
    outside = len(found.changes) - len(account.could)
    if outside:
        yield say.tr(
            "Other changes: {count}. None of them is what {update} declares.",
            count=outside,
            update=name,
        )
    if account.differs:
        yield say.tr(
            "{update} declares these, but what is there is not what it ships:", update=name
        )
        yield from _list(found, account.differs, say)
    if account.could_not:
        yield say.tr("{update} says that it lists everything of these kinds; it could not have made {count} of"
                     " the changes.", update=name, count=len(account.could_not))  # fmt: skip
    if _speaks_of_registry(account, found) and not any(c.security for c in manifest.registry):
        yield say.tr(
            "{update} declares no change to the permissions of any registry key.", update=name
        )
    known = {*manifest.declares, "acl"}  # of permissions the sentence before has told
    touched = {about for n in account.silent if (about := _about(found, n)) not in known}
    if touched:
        listed = joined((word(one, say) for one in sorted(touched)), say)
        yield say.tr("Its list says nothing at all about {subjects}: about these it cannot tell.",
                     subjects=listed)  # fmt: skip


def _speaks_of_registry(account: Account, found: Verification) -> bool:
    """Whether the registry plays a part at all: a Debian package need not be cleared of it."""
    changed = any(change.object == "registry" for change in found.changes)
    return changed or bool(found.watched) or "registry" in account.manifest.declares


def _about(found: Verification, number: int) -> str:
    from sakimori.endpoint.verify.subject import subject_of  # noqa: PLC0415 - only here

    return subject_of(found.changes[number]).about


def _watched(found: Verification, say: Translator) -> Iterator[str]:
    """Keys that matter at logon: said to be untouched only where both snapshots hold them."""
    for key in found.watched:
        yield say.tr("{key} was compared: neither its values nor its permissions changed.", key=key)


def _by_others(found: Verification, say: Translator) -> Iterator[str]:
    for to, by in dict.fromkeys((a.to, a.by) for a in found.attributions):
        numbers = [n for n, a in enumerate(found.attributions) if (a.to, a.by) == (to, by)]
        count = len(numbers)
        if to == "update":
            continue
        if to == "installer":
            yield say.tr("Put down to the installer of {by}: {count}.", count=count, by=by)
        elif to == "family":
            yield say.tr(
                "Known to be made by the family {by}: {count}.",
                count=count,
                by=by,
            )
        elif to == "person":
            yield say.tr("In a log as acts of {by}: {count}.", count=count, by=by)
        else:
            yield say.tr(
                "Unknown: {count}. Nothing that was given explains these; unknown does not mean malicious.",
                count=count,
            )
        yield from _list(found, numbers, say)


def _list(found: Verification, numbers: Iterable[int], say: Translator) -> Iterator[str]:
    listed = list(numbers)
    for number in listed[:_MOST]:
        yield "- " + named(found.changes[number], say)
    if len(listed) > _MOST:
        yield say.tr("- and {count} more", count=len(listed) - _MOST)


def _limits(found: Verification, say: Translator) -> Iterator[str]:
    incomplete = [a.manifest.name for a in found.accounts if not a.manifest.complete]
    if incomplete:
        yield say.tr("A manifest that does not say it is complete ({updates}) excludes nothing: \"does not declare\""
                     " is not \"could not\".", updates=joined(incomplete, say))  # fmt: skip
    aside = sum(len(m.aside) for m in (*(a.manifest for a in found.accounts), *found.installers))
    if aside:
        yield say.tr(
            "Rows of the manifests and logs that could not be read and count for nothing: {count}.",
            count=aside,
        )
    yield say.tr("What came and went between the snapshots left no trace in them. Time alone attributes"
                 " nothing here.")  # fmt: skip
