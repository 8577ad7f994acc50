"""Machines of a study, and what is said of each exposure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date

    from sakimori.endpoint.study.tables import Ratio, Table

KINDS = ("update", "family", "other")
VERDICTS = ("tied", "not tied", "cannot tell")


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """One machine. `symptom` None: nobody knows. `stratum` is its operating system, "" where unknown.

    `exposed` maps an exposure, as (kind, name), to yes or no; one that is missing is not known. `since`
    maps exposures to the day they began, `symptom_since` is the symptom's.
    """

    name: str
    stratum: str
    symptom: bool | None
    exposed: Mapping[tuple[str, str], bool]
    since: Mapping[tuple[str, str], date] = field(default_factory=dict)
    symptom_since: date | None = None


@dataclass(frozen=True, slots=True)
class Note:
    """One remark: a key of words.NOTES with values for its places."""

    code: str
    values: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Collected:
    """All machines of a file, and what was assumed or left out in reading it."""

    machines: tuple[Machine, ...]
    exposures: tuple[tuple[str, str], ...]
    notes: tuple[Note, ...] = ()


@dataclass(frozen=True, slots=True)
class Adjusted:
    """The ratio of one exposure within strata of another as well, and its exact p value."""

    by: tuple[str, ...]
    ratio: Ratio | None
    p_value: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Exposure:
    """What was counted and measured of one exposure, and what is concluded.

    `p_value` is exact, within strata; `p_holm` the same adjusted for the number of exposures. `missing`
    are machines left out because exposure or symptom is unknown. `late` are machines whose symptom is older
    than the exposure: for them it counts as not there.
    """

    kind: str
    name: str
    overall: Table
    strata: tuple[tuple[str, Table], ...]
    ratio: Ratio | None
    pooled: Ratio | None
    fisher_p: float
    p_value: float
    p_holm: float
    homogeneity_p: float | None
    adjusted: tuple[Adjusted, ...]
    missing: int
    late: int
    verdict: str
    notes: tuple[Note, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Study:
    """The answer. `answer` is update, family, other, several, neither or cannot tell."""

    machines: int
    with_symptom: int
    without_symptom: int
    unknown_symptom: int
    strata: tuple[tuple[str, int], ...]
    exposures: tuple[Exposure, ...]
    answer: str
    notes: tuple[Note, ...]
