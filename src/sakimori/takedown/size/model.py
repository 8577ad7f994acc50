"""Hits in, quantities out: the plain values of this part."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    Numbers = NDArray[Any]

DEFINITIONS: Mapping[str, str] = {
    "footprint": "distinct bots that were active at any time in the window",
    "daily_active": "distinct bots active in a UTC day, mean of the days that the window covers whole",
    "peak_at_once": "the largest number of bots on line in the same clock hour",
}


@dataclass(frozen=True, slots=True)
class Hits:
    """Completed calls of bots, arrays of one length. `time` is s since 1970 (UTC).

    `ip`, `asn` and `bot` are codes from 0; `bot` is -1 where none was sent. `mark` tells clients at one
    address apart (user agent, JA4), -1 where unknown. `asns` names the codes of `asn`.
    """

    time: Numbers
    ip: Numbers
    asn: Numbers
    bot: Numbers
    mark: Numbers
    asns: tuple[str, ...]

    def of(self, keep: Numbers) -> Hits:
        """Return the hits where `keep` holds."""
        return Hits(
            self.time[keep], self.ip[keep], self.asn[keep], self.bot[keep], self.mark[keep],
            self.asns,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Quantity:
    """One number is never enough: an estimate, its 95 % interval, and how it was made.

    `lower_bound`: the data allow more than `high`, which could not be bounded.
    """

    estimate: int
    low: int
    high: int
    method: str
    lower_bound: bool = False


@dataclass(frozen=True, slots=True)
class Churn:
    """One ASN: what was counted, and how long an address stays with a bot (h; None: outlasts the window)."""

    asn: str
    hits: int
    addresses: int
    shared_addresses: int
    shared_hits: float  # share of its hits
    daily_addresses: float
    lease_hours: float | None
    lease_low: float | None
    lease_high: float | None


@dataclass(frozen=True, slots=True)
class Note:
    """A sentence with {named} places, and their values."""

    message: str
    values: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        """Return the English sentence."""
        return self.message.format_map(self.values)


@dataclass(frozen=True, slots=True)
class Sizing:
    """The size of a botnet, with everything that a reader needs to doubt it."""

    footprint: Quantity
    daily_active: Quantity
    peak_at_once: Quantity
    daily_range: tuple[int, int]
    first: float  # s since 1970
    last: float
    hits: int
    addresses: int
    identifiers: int
    per_asn: tuple[Churn, ...]
    notes: tuple[Note, ...]


def quantity(
    draws: Numbers, method: str, *, floor: float = 0.0, lower_bound: bool = False
) -> Quantity:
    """Return the median and the central 95 % of draws, none of it below `floor`."""
    low, middle, high = np.maximum(np.quantile(draws, [0.025, 0.5, 0.975]), floor).tolist()
    return Quantity(round(middle), int(low), int(np.ceil(high)), method, lower_bound)
