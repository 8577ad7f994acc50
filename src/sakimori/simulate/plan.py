"""What to make up, and what is true of it afterwards."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from sakimori.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

FEWEST_HOSTS = 20
MOST_HOSTS = 10_000
MOST_DAYS = 31
CHANNELS = ("held", "long-poll", "poll", "timed")


def _small_zoo() -> dict[str, int]:
    return {
        "spam": 2,
        "banker": 3,
        "p2p-clickfraud": 2,
        "irc-scanner": 3,
        "dns-tunnel": 1,
        "dga": 2,
        "beacon": 2,
        "orders": 3,
        "rat": 1,
        "stealer": 1,
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """One simulation. The same plan gives the same bytes.

    `start` is midnight in the offices, so it also says which days are weekends. `botnets` maps
    a botnet's name to how many hosts it infects. Memory grows with hosts times days: about
    600 MB for 200 hosts and a day, 4 GB for a week of them.

    Raises:
        ConfigError: a number is out of bounds or `start` has no time zone.
    """

    seed: int = 1
    hosts: int = 80
    days: int = 1
    start: datetime = datetime(2026, 3, 2, tzinfo=UTC)  # a Monday
    botnets: Mapping[str, int] = field(default_factory=_small_zoo)
    patch_weekday: int = 0  # when all computers update and start anew: 0 Monday to 6, -1 never
    beacon_period: float = 60.0  # s, of the "beacon" botnet
    beacon_jitter: float = 0.2  # share of the period a gap may be longer or shorter by
    orders_by: str = "held"  # the "orders" botnet's channel, one of CHANNELS
    orders_a_day: int = 3
    obey_within: float = 10.0  # s after hearing an order until a bot of "orders" acts

    def __post_init__(self) -> None:
        """Refuse what cannot be simulated."""
        _within("seed", self.seed, 0, 2**63 - 1)
        _within("hosts", self.hosts, FEWEST_HOSTS, MOST_HOSTS)
        _within("days", self.days, 1, MOST_DAYS)
        _within("patch_weekday", self.patch_weekday, -1, 6)
        _within("beacon_period", self.beacon_period, 1, 86_400)
        _within("beacon_jitter", self.beacon_jitter, 0, 0.9)
        _within("orders_a_day", self.orders_a_day, 1, 20)
        _within("obey_within", self.obey_within, 0.5, 600)
        if self.orders_by not in CHANNELS:
            raise ConfigError(
                f"orders_by is {self.orders_by!r}", hint=f"one of {', '.join(CHANNELS)}"
            )
        if self.start.tzinfo is None:
            raise ConfigError("start has no time zone", hint="give 2026-03-02T00:00Z")
        for name, count in self.botnets.items():
            _within(f"botnets[{name!r}]", count, 0, self.hosts)


def _within(name: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        raise ConfigError(f"{name} is {value}, not {low} to {high}")


@dataclass(frozen=True, slots=True)
class Bot:
    """One infected host: its address, the botnet's name, what it does, whom it obeys.

    `controllers` holds addresses and names; it is empty for a peer-to-peer botnet. `technique` is
    the ATT&CK id of its most telling behaviour.
    """

    host: str
    family: str
    does: str
    controllers: tuple[str, ...]
    technique: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """One command that several bots obeyed together. Times are seconds since 1970.

    `at`: the controller gives it; `acts`: the first bot begins. `hosts` obeyed; `heard` and `started`
    say when each of them heard of it and began. `act`: scans, floods, spams, asks (for names) or
    fetches; `seconds`: how long each bot acts at most; `target`: an address or a name, empty when
    there are many. `controller` is an address, `name` its name, `channel` one of CHANNELS.
    """

    family: str
    channel: str
    controller: str
    name: str
    act: str
    proto: str
    port: int
    target: str
    seconds: float
    at: float
    acts: float
    hosts: tuple[str, ...]
    heard: tuple[float, ...]
    started: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Truth:
    """What a perfect hunt would find. Addresses are canonical text, lists are sorted."""

    internal: tuple[str, ...]
    infected: tuple[str, ...]
    controllers: tuple[str, ...]
    clean: tuple[str, ...]
    bots: tuple[Bot, ...]
    orders: tuple[Order, ...]

    def write(self, path: Path) -> None:
        """Write the truth as JSON."""
        path.write_text(json.dumps(asdict(self), indent=1) + "\n", encoding="utf-8")
