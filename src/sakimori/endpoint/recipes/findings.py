"""What was found on a machine, and what could not be looked at: plain values, nothing done yet."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sakimori.endpoint.recipes.model import digest, kind_of

if TYPE_CHECKING:
    from sakimori.endpoint.recipes.acts import Act
    from sakimori.endpoint.recipes.model import Item, Recipe
    from sakimori.endpoint.recipes.system import System

DEEDS = (
    "quarantine", "stop", "disable", "remove line", "change line", "remove job", "put back",
    "delete value", "delete key", "report",
)  # fmt: skip
UNDOS = ("exact", "values only", "start it again", "nothing to undo")


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing of a family that is there.

    `where` is a path, key, unit or process; `found` what is there, raw; `deed` one of DEEDS; `good`
    what is put back, "" for nothing; `undo` one of UNDOS; `source` is who says that it is bad. `acts` are
    done in order. `id` is the same in every run that finds the same.
    """

    recipe: str
    family: str
    version: int
    kind: str
    line: int
    where: str
    found: str
    deed: str
    acts: tuple[Act, ...]
    source: str
    undo: str = "exact"
    good: str = ""
    note: str = ""

    @property
    def id(self) -> str:
        """Twelve characters that name this finding."""
        parts = f"{self.recipe}\0{self.kind}\0{self.where}\0{self.found}"
        return digest(parts.encode("utf-8", "surrogatepass"))[:12]


@dataclass(frozen=True, slots=True)
class Unseen:
    """What a recipe asks for and could not be looked at, and why. `line` 0: no single item."""

    recipe: str
    line: int
    reason: str


@dataclass(slots=True)
class Search:
    """One recipe's search on one machine: gathers findings and what was not seen."""

    recipe: Recipe
    system: System
    findings: list[Finding] = field(default_factory=list)
    unseen: list[Unseen] = field(default_factory=list)

    def add(  # noqa: PLR0913 - the columns of a finding
        self,
        item: Item,
        where: str,
        found: str,
        deed: str,
        acts: tuple[Act, ...],
        *,
        undo: str = "exact",
        good: str = "",
    ) -> None:
        """Add a finding; one that is only to be reported loses its acts."""
        report = item.action == "report" or deed == "report"
        source = self.recipe.source(item.source)
        self.findings.append(
            Finding(
                recipe=self.recipe.name,
                family=self.recipe.family,
                version=self.recipe.version,
                kind=kind_of(item),
                line=item.line,
                where=where,
                found=found,
                deed="report" if report else deed,
                acts=() if report else acts,
                source=f"{source.organisation}: {source.title}",
                undo="nothing to undo" if report else undo,
                good="" if report else good,
                note=item.note,
            )
        )

    def missed(self, item: Item, reason: str) -> None:
        """Note what could not be looked at."""
        told = Unseen(self.recipe.name, item.line, reason)
        if told not in self.unseen:
            self.unseen.append(told)

    def holds(self, path: str, markers: tuple[bytes, ...]) -> bool:
        """Whether a file holds all markers, as UTF-8 or UTF-16. False where it cannot be read."""
        try:
            data = self.system.files.read(path)
        except OSError:
            return False
        return all(m in data or m.decode().encode("utf-16-le") in data for m in markers)


def encoded(texts: tuple[str, ...]) -> tuple[bytes, ...]:
    """Return markers as bytes."""
    return tuple(text.encode() for text in texts)
