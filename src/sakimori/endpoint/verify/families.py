"""Changes against what known families leave on a machine.

Facts come from recipes (`app.family_facts`). A fact is a matter of the bad content: a value merely of the
same name proves nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from sakimori.endpoint.verify.model import Note

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sakimori.endpoint.verify.subject import Subject


class FamilyFacts(Protocol):
    """What is known of one trace of one family."""

    @property
    def family(self) -> str:
        """Its name."""

    @property
    def source(self) -> str:
        """Where it is published."""

    def is_in(self, subject: Subject, state: Mapping[str, Any] | None) -> bool:
        """Whether this state of the changed object (before or after) is the family's doing."""


def blamed(subject: Subject, facts: Sequence[FamilyFacts]) -> tuple[str, Note] | None:
    """Return the family whose doing a change is, with the note that says so.

    The state after must be the family's and the state before not.
    """
    before = subject.change.before
    for fact in facts:
        if fact.is_in(subject, subject.there) and not fact.is_in(subject, before):
            return fact.family, Note("family", {"by": fact.family, "source": fact.source})
    return None


def undone(subject: Subject, facts: Sequence[FamilyFacts]) -> Note | None:
    """Return a note where a family's value was there before and is not any more."""
    for fact in facts if subject.change.before is not None else ():
        if fact.is_in(subject, subject.change.before) and not fact.is_in(subject, subject.there):
            return Note("family-gone", {"by": fact.family})
    return None
