"""One notice per provider with all of its events, and the order in which providers are told."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING

from sakimori.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from sakimori.takedown.notify.events import VictimEvent


@dataclass(frozen=True, slots=True)
class Group:
    """All events that one provider is told of, in the order of time."""

    provider: str
    events: tuple[VictimEvent, ...]
    repeated: int = 0  # rows that said the same again

    @property
    def ips(self) -> tuple[str, ...]:
        """Every address once, in the order first seen."""
        return tuple(dict.fromkeys(e.ip for e in self.events))


def group(told: Iterable[tuple[str, VictimEvent]]) -> tuple[Group, ...]:
    """Put (provider, event) pairs together: groups by provider, events by time and address.

    The result does not depend on the order of what is given. An event given twice counts once.
    """
    found: dict[str, dict[str, VictimEvent]] = {}
    repeated: dict[str, int] = {}
    for provider, event in told:
        events = found.setdefault(provider, {})
        repeated[provider] = repeated.get(provider, 0) + (event.id in events)
        events[event.id] = event
    return tuple(
        Group(
            provider,
            tuple(
                sorted(found[provider].values(), key=lambda e: (e.time, e.ip, e.port or 0, e.id))
            ),
            repeated[provider],
        )
        for provider in sorted(found)
    )


@dataclass(frozen=True, slots=True)
class Schedule:
    """Who is told in which wave. The seed is kept, so that anyone can draw the same order."""

    seed: str
    waves: tuple[tuple[str, ...], ...]

    def wave_of(self, provider: str) -> int:
        """Return the wave of a provider, from 1; 0 when it is in none."""
        return next((n for n, wave in enumerate(self.waves, 1) if provider in wave), 0)


def randomise(
    providers: Iterable[str],
    waves: int,
    seed: str,
    sizes: Mapping[str, int] | None = None,
    before: Schedule | None = None,
) -> Schedule:
    """Draw a stepped wedge: each provider into one of `waves` waves, told one wave after another.

    Providers not told yet are the comparison for those told already. With `sizes` (bots per
    provider) the draw is made inside blocks of providers of like size, so that every wave holds
    about as many bots. The draw is by SHA-256 of seed and name: no generator's version matters,
    and nobody can choose the order after seeing who is in it. Providers drawn `before` keep their
    wave; only new ones are drawn.

    Raises ConfigError for fewer than one wave, an empty seed, or a draw before with another seed or
    number of waves: an order is drawn once. Source of the design: Hussey and
    Hughes 2007, stepped wedge cluster randomised trials.
    """
    if waves < 1:
        raise ConfigError(f"{waves} waves are too few", hint="at least 1")
    if not seed:
        raise ConfigError("the order has no seed", hint="any text or number; it is recorded")
    if before is not None and (before.seed != seed or len(before.waves) != waves):
        raise ConfigError(
            f"the order was drawn already: {len(before.waves)} waves, seed {before.seed!r}",
            hint="use these again; who draws twice can choose the result",
        )
    drawn = [list(wave) for wave in before.waves] if before else [[] for _ in range(waves)]
    new = set(providers).difference(*drawn)
    by_lot = sorted(new, key=lambda p: (_lot(seed, p), p))
    if sizes:
        by_lot.sort(key=lambda p: -sizes.get(p, 0))
    for start in range(0, len(by_lot), waves):
        block = by_lot[start : start + waves]
        order = _permuted(waves, f"{seed}\x1f{start}")
        for place, provider in zip(order, sorted(block, key=lambda p: _lot(seed, p)), strict=False):
            drawn[place].append(provider)
    return Schedule(seed, tuple(tuple(wave) for wave in drawn))


def _permuted(count: int, seed: str) -> Sequence[int]:
    return sorted(range(count), key=lambda n: _lot(seed, str(n)))


def _lot(seed: str, name: str) -> bytes:
    return sha256(f"{seed}\x1f{name}".encode("utf-8", "surrogatepass")).digest()
