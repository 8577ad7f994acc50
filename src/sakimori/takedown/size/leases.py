"""How long an address stays with a bot: every kind that is thought of, and how plausible it is beforehand.

An address that calls for six hours and then no more is as well explained by a lease of six hours as by a bot
that is on line for six hours and gets a new address with the next connection (dial-up, PPPoE). Both are here, so
that the estimate holds both until the data decide: by addresses that return, by the hours of the day, or by how
sharply the calls end.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Numbers = NDArray[Any]

_USUAL = (6.0, 8.0, 12.0, 24.0, 48.0, 72.0, 96.0, 168.0, 336.0)  # h, that providers choose
_RENEWED = (4.0, 6.0, 8.0, 12.0)  # h, of leases that begin when a bot comes on line
_MOVING = (6.0, 12.0, 24.0, 48.0, 96.0, 168.0, np.inf)  # h

# Prior mass of each kind. A new address with each connection has a third: common on home lines, and
# never to be ruled out without evidence.
_BY_CLOCK, _MOVES, _AGAIN, _RENEWS = 0.5, 0.08, 0.03, 0.05
_EVERY_TIME = {"even": 0.2, "usual": 0.06, "random": 0.08}


@dataclass(frozen=True, slots=True)
class Lease:
    """One kind: its length in h, the chance `kept` to outlast each lag, and its prior mass.

    `hours` is how bots are on line: "usual" (by habit; `value` is the chance that the address is still theirs
    the next time), "even" and "random" (lengths), "moving" (another hour each day), "renewed" (a lease of
    `value` h starts with each time on line). `spell`: the address is new with each time on line.
    """

    length: float
    kept: Numbers
    prior: float
    hours: str = "usual"
    value: float = 1.0
    spell: bool = False


def leases(lag: Numbers) -> list[Lease]:
    """Return every kind, for lags in h. The priors add up to 1."""
    lengths = np.unique(np.r_[np.geomspace(2.5, 1_000, 34), _USUAL, np.inf]).tolist()
    each = _BY_CLOCK / (2 * len(lengths))
    whole = np.ones(len(lag))
    return [
        *(Lease(length, _even(lag, length), each) for length in lengths),
        *(Lease(length, np.exp(-lag / length), each) for length in lengths),
        *(Lease(length, _even(lag, length), _MOVES / len(_MOVING), "moving") for length in _MOVING),
        *(Lease(np.inf, whole, _AGAIN / 2, "usual", again) for again in (0.3, 0.6)),
        *(Lease(np.inf, whole, prior, hours, 0.0, spell=True)
          for hours, prior in _EVERY_TIME.items()),
        *(Lease(length, whole, _RENEWS / len(_RENEWED), "renewed", length, spell=True)
          for length in _RENEWED),
    ]  # fmt: skip


def _even(lag: Numbers, length: float) -> Numbers:
    return np.maximum(0.0, 1.0 - lag / length)
