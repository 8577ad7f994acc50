r"""What known families change on a machine, as facts that changes are compared with.

`facts.json` beside this file holds the few that ship with the verifier; recipes add theirs (`app` turns
them into these). A fact is a matter of the bad content: a value merely of the same name proves nothing.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Protocol

from sakimori.endpoint.verify.model import Note
from sakimori.endpoint.verify.names import file_key
from sakimori.endpoint.verify.registry_names import registry_key

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


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistryFact:
    r"""A value that a family sets. `name` may hold * and ?.

    `bad` is a regular expression that the whole text must match, case ignored; `good` are texts that are
    never the family's. Text is the value's, up to its terminator.
    """

    family: str
    source: str
    key: str
    name: str
    bad: str = ".*"
    good: tuple[str, ...] = ()

    def is_in(self, subject: Subject, state: Mapping[str, Any] | None) -> bool:
        """Whether the value's text is bad."""
        name = subject.change.name
        if state is None or name is None or not subject.is_registry:
            return False
        if subject.key != registry_key(self.key) or not fnmatchcase(
            name.lower(), self.name.lower()
        ):
            return False
        text = _text(state)
        if text.lower() in (one.lower() for one in self.good):
            return False
        return re.fullmatch(self.bad, text, re.IGNORECASE | re.DOTALL) is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class FileFact:
    """A file that a family leaves: by path (with * and ?), SHA-256, or both."""

    family: str
    source: str
    path: str = ""
    sha256: frozenset[str] = field(default_factory=frozenset)

    def is_in(self, subject: Subject, state: Mapping[str, Any] | None) -> bool:
        """Whether the path, and the hash where hashes are known, are the family's."""
        if state is None or not subject.is_file:
            return False
        if self.path:
            glob = file_key(self.path)
            if not (fnmatchcase(subject.folded, glob.lower()) or fnmatchcase(subject.key, glob)):
                return False
        if not self.sha256:
            return bool(self.path)
        return str(state.get("sha256", "")).lower() in self.sha256


def _text(state: Mapping[str, Any]) -> str:
    text = state.get("text")
    if isinstance(text, str):
        return text
    try:
        raw = bytes.fromhex(str(state.get("data", "")))
    except ValueError:
        return ""
    return raw[: len(raw) & ~1].decode("utf-16-le", "replace").split("\0", 1)[0]


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
    for fact in facts:
        if fact.is_in(subject, subject.change.before) and not fact.is_in(subject, subject.there):
            return Note("family-gone", {"by": fact.family})
    return None


@cache
def shipped() -> tuple[RegistryFact, ...]:
    """Return the facts that ship with the verifier."""
    text = files("sakimori.endpoint.verify").joinpath("facts.json").read_text("utf-8")
    return tuple(
        RegistryFact(family=f["family"], source=f["source"], key=v["key"], name=v["name"],
                     bad=v["bad"], good=tuple(v.get("good", ())))
        for f in json.loads(text)["families"]
        for v in f["registry"]
    )  # fmt: skip
