from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np
import pytest

from sakimori.takedown.effect import Series, Unit

WEEK = np.array([0.1, 0.12, 0.1, 0.05, 0.0, -0.2, -0.25])


@dataclass(frozen=True)
class World:
    """A made-up series: log counts with drift, weekday and AR(1) errors."""

    level: float = 20_000.0
    rho: float = 0.7
    sd: float = 0.15
    drift: float = -0.004
    ratio: float = 1.0
    steps: int = 112
    cut: int = 56
    seed: int = 1
    unit: Unit = Unit.day
    name: str = "bots"
    start: datetime = datetime(2026, 1, 5)  # noqa: DTZ001 - series have no zone: UTC

    def __call__(self, **changes: object) -> Series:
        return replace(self, **changes).made() if changes else self.made()  # type: ignore[arg-type]

    def made(self) -> Series:
        dice = np.random.default_rng(self.seed)
        shocks = dice.normal(size=self.steps + 100) * self.sd * np.sqrt(1 - self.rho**2)
        for i in range(1, len(shocks)):
            shocks[i] += self.rho * shocks[i - 1]
        at = np.arange(self.steps)
        log = np.log(self.level) + self.drift * at + shocks[100:]
        if self.unit is Unit.day:
            log = log + WEEK[at % 7]
        log = log + np.log(self.ratio) * (at >= self.cut)
        counts = dice.poisson(np.exp(log)).astype(float)
        return Series(self.name, self.start, self.unit, counts)

    @property
    def day(self) -> datetime:
        """The day of the action."""
        return self.unit.after(self.start, self.cut)


@pytest.fixture
def world() -> World:
    return World()
