"""The whole answer: every change with its attribution, and what each manifest could and could not have done."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from sakimori.endpoint.verify.attribute import Material, attribute, with_undone
from sakimori.endpoint.verify.model import Outcome

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sakimori.endpoint.changes import Change
    from sakimori.endpoint.verify.model import Attribution, Manifest


@dataclass(frozen=True, slots=True)
class Account:
    """What one update's manifest has to say about the changes; the four numbers add up to all of them.

    `could`: put down to it, or it declares them. `differs`: declared, but what is there is something else.
    `could_not`: it lists all of this kind, and not these. `silent`: it does not declare them.
    """

    manifest: Manifest
    could: tuple[int, ...]
    differs: tuple[int, ...]
    could_not: tuple[int, ...]
    silent: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """The answer. `watched` maps keys that matter at logon to whether they were compared and stayed.

    `remarks` are sentences about what was not compared, told by whoever read the inputs.
    """

    changes: tuple[Change, ...]
    attributions: tuple[Attribution, ...]
    accounts: tuple[Account, ...]
    installers: tuple[Manifest, ...]
    names: tuple[str, str] = ("A", "B")
    watched: tuple[str, ...] = ()

    def count(self, *to: str) -> int:
        """Return how many changes are put down to one of these."""
        counted = Counter(a.to for a in self.attributions)
        return sum(counted[one] for one in to)

    def numbers(self, to: str) -> list[int]:
        """Return the numbers of the changes that are put down to this."""
        return [n for n, a in enumerate(self.attributions) if a.to == to]


def verify(
    changes: Sequence[Change],
    material: Material,
    names: tuple[str, str] = ("A", "B"),
    watched: Sequence[str] = (),
) -> Verification:
    """Attribute every change, and draw up each update's account."""
    found = with_undone(changes, attribute(changes, material), material.families)
    accounts = tuple(_account(manifest, at, found) for at, manifest in enumerate(material.updates))
    return Verification(
        changes=tuple(changes), attributions=tuple(found), accounts=accounts,
        installers=tuple(material.installers), names=names, watched=tuple(watched),
    )  # fmt: skip


def _account(manifest: Manifest, at: int, found: Sequence[Attribution]) -> Account:
    sides: dict[str, list[int]] = {"could": [], "differs": [], "could_not": [], "silent": []}
    for number, one in enumerate(found):
        judged = one.judged[at]
        mine = one.to == "update" and one.by == manifest.name
        if mine or judged.outcome >= Outcome.NAMED:
            sides["could"].append(number)
        elif judged.outcome is Outcome.DIFFERS:
            sides["differs"].append(number)
        elif any(note.code == "complete" for note in judged.notes):
            sides["could_not"].append(number)
        else:
            sides["silent"].append(number)
    return Account(
        manifest, *(tuple(sides[s]) for s in ("could", "differs", "could_not", "silent"))
    )


def by_name(accounts: Sequence[Account]) -> tuple[Account, ...]:
    """One account for each name: an update's list of files and its list of values are one update's word."""
    groups: dict[str, list[Account]] = {}
    for account in accounts:
        groups.setdefault(account.manifest.name, []).append(account)
    return tuple(group[0] if len(group) == 1 else _joined(group) for group in groups.values())


def _joined(group: Sequence[Account]) -> Account:
    manifests = [account.manifest for account in group]
    manifest = replace(
        manifests[0],
        declares=frozenset().union(*(m.declares for m in manifests)),
        complete=frozenset().union(*(m.complete for m in manifests)),
        files=tuple(claim for m in manifests for claim in m.files),
        registry=tuple(claim for m in manifests for claim in m.registry),
        objects=tuple(claim for m in manifests for claim in m.objects),
        aside=tuple(row for m in manifests for row in m.aside),
    )
    # What one list declares outweighs that another is silent about it.
    sides: list[tuple[int, ...]] = []
    told: set[int] = set()
    for side in ("could", "differs", "could_not", "silent"):
        numbers = {n for account in group for n in getattr(account, side)} - told
        told |= numbers
        sides.append(tuple(sorted(numbers)))
    return Account(manifest, *sides)
