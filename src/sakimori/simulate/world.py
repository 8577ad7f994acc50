"""The world around the organisation: outside names with their addresses, and all hosts together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from sakimori.simulate import addresses
from sakimori.simulate.addresses import texts_of
from sakimori.simulate.organisation import DAY, hosts_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.random import Generator

    from sakimori.simulate.addresses import Column
    from sakimori.simulate.clock import Spans
    from sakimori.simulate.organisation import Host
    from sakimori.simulate.plan import Plan

_FIRST = [
    "amber",
    "arbor",
    "bamboo",
    "birch",
    "blue",
    "cedar",
    "cloud",
    "coral",
    "copper",
    "crane",
    "dawn",
    "delta",
    "early",
    "east",
    "fern",
    "field",
    "garden",
    "glass",
    "grand",
    "green",
    "harbor",
    "hill",
    "iron",
    "ivory",
    "juniper",
    "kite",
    "lake",
    "lantern",
    "linen",
    "maple",
    "marble",
    "meadow",
    "mint",
    "moon",
    "north",
    "ocean",
    "olive",
    "paper",
    "pearl",
    "pine",
    "plum",
    "quiet",
    "rain",
    "river",
]
_SECOND = [
    "arts",
    "atlas",
    "bank",
    "bazaar",
    "board",
    "books",
    "bridge",
    "cafe",
    "camera",
    "center",
    "clinic",
    "code",
    "craft",
    "crew",
    "daily",
    "desk",
    "farm",
    "fit",
    "forge",
    "forum",
    "gallery",
    "games",
    "guide",
    "home",
    "house",
    "journal",
    "kitchen",
    "lab",
    "ledger",
    "library",
    "market",
    "media",
    "motors",
    "music",
    "news",
    "parts",
    "photo",
    "post",
    "print",
    "school",
    "shop",
    "sport",
    "travel",
]
ADDRESSES_A_NAME = 4
SPARE_NAMES = 24  # for each botnet
SPARE_ADDRESSES = 24


@dataclass(frozen=True, slots=True)
class Group:
    """A kind of outside service: how many names, what they look like, how long they are cached."""

    count: int
    labels: tuple[str, ...]
    ttls: tuple[int, ...] = (300,)
    rare: bool = False  # lives at documentation addresses, one address a name
    rows: int = 1  # for each name: one of several has four addresses for every row
    under: bool = False  # all names lie below one domain and share a content network's addresses


GROUPS: Mapping[str, Group] = {
    "site": Group(420, ("www.", "", "shop.", "m."), (60, 300, 300, 3600)),
    "resource": Group(140, ("cdn.", "static.", "ads.", "img.", "stats.", "#.edge."), (60, 300)),
    "update": Group(5, ("update.", "download."), (300, 3600)),
    "fetch": Group(3, ("dl.", "cdn."), (20, 60), rows=16),
    "antivirus": Group(2, ("lookup.",), (60, 300), rows=12),
    "hash list": Group(1, ("hash.",), (300,)),
    "block list": Group(2, ("bl.",), (900,)),
    "push": Group(4, ("push.",), (300,), rows=4),
    "telemetry": Group(5, ("events.", "t."), (60, 300)),
    "calls": Group(6, ("relay.",), (300,), rows=3),
    "portal": Group(4, ("login.", "my."), (60, 300)),
    "advert": Group(8, ("ads.", "track."), (60, 300)),
    "tracker": Group(3, ("tracker.",), (1800,)),
    "edge": Group(60, ("#.",), (60,), under=True),
    "mx": Group(160, ("mx1.", "mail."), (3600,)),
    "cloud": Group(6, ("device.",), (300,)),
    "vendor": Group(16, ("agent.", "api.", "cloud."), (300, 3600), rare=True),
    "offsite": Group(1, ("vault.",), (300,), rare=True),
}
NTP_ROWS = 120  # the pool: few names, many addresses
# The share of a group's names whose addresses lie in the widest range, as the long tail's do.
_LONG_TAIL = 0.4
EDGE_ADDRESSES = 24  # of the content network whose customers share them


@dataclass(frozen=True, slots=True)
class Directory:
    """Outside names, one a row. `addresses` has 4 columns: what a question is answered with."""

    names: Column
    addresses: Column
    ttl: Column
    tls12: Column  # still shows its certificate
    groups: Mapping[str, Column]  # row numbers

    def answers(self, rows: Column) -> Column:
        """Return the addresses of rows as Zeek writes a vector."""
        return self._joined()[rows]

    def _joined(self) -> Column:
        return texts_of([",".join(dict.fromkeys(row)) for row in self.addresses.tolist()])


@dataclass(frozen=True, slots=True)
class Den:
    """What a botnet is given: hosts to live on, outside addresses and names nobody else uses."""

    hosts: tuple[Host, ...]
    addresses: tuple[str, ...]
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class World:
    """Everything that exists before anything happens. Times are seconds since 1970."""

    plan: Plan
    hosts: tuple[Host, ...]
    directory: Directory
    spare_addresses: tuple[str, ...]
    spare_names: tuple[str, ...]

    @property
    def start(self) -> float:
        """The first moment."""
        return self.plan.start.timestamp()

    @property
    def end(self) -> float:
        """The first moment after."""
        return self.start + self.plan.days * DAY

    @property
    def always(self) -> Spans:
        """The whole time."""
        return ((self.start, self.end),)

    def of(self, *kinds: str) -> tuple[Host, ...]:
        """Return the hosts of these kinds, in order of their making."""
        return tuple(host for host in self.hosts if host.kind in kinds)

    def server(self, kind: str) -> str:
        """Return the address of a server: "resolver", "mail", "files" or "web"."""
        return self.of(kind)[0].address

    def den(self, number: int, hosts: tuple[Host, ...]) -> Den:
        """Return what the botnet of this number in the registry is given."""
        names, places = number * SPARE_NAMES, number * SPARE_ADDRESSES
        return Den(
            hosts,
            self.spare_addresses[places : places + SPARE_ADDRESSES],
            self.spare_names[names : names + SPARE_NAMES],
        )


def build(plan: Plan, rng: Generator) -> World:
    """Return the world of a plan."""
    domains = [f"{a}{b}.example" for a in _FIRST for b in _SECOND]
    words = [domains[i] for i in rng.permutation(len(domains)).tolist()]
    places = addresses.documentation(rng)
    directory, used = _directory(words, places, rng)
    rare = sum(group.count for group in GROUPS.values() if group.rare)
    return World(
        plan,
        hosts_of(plan, rng),
        directory,
        tuple(places[rare:].tolist()),
        tuple(words[used:]),
    )


def _directory(words: list[str], places: Column, rng: Generator) -> tuple[Directory, int]:
    names: list[str] = []
    ttl: list[Column] = []
    rows: dict[str, Column] = {}
    used = 0
    for key, group in GROUPS.items():
        at, count = len(names), group.count * group.rows
        rows[key] = np.arange(at, at + count)
        labels = rng.choice(group.labels, group.count).tolist()
        domains = words[used : used + 1] * group.count if group.under else words[used:]
        own = [_label(x, rng) + domain for x, domain in zip(labels, domains, strict=False)]
        names += own * group.rows
        used += 1 if group.under else group.count
        ttl.append(np.tile(rng.choice(group.ttls, group.count), group.rows))
    rows["ntp"] = np.arange(len(names), len(names) + NTP_ROWS)
    names += [f"{i % 4}.pool.ntp.test" for i in range(NTP_ROWS)]
    where = _placed(len(names), rng)
    rare = np.concatenate([rows[key] for key, group in GROUPS.items() if group.rare])
    where[rare] = places[: len(rare), None]
    edge = addresses.reserved(rng, EDGE_ADDRESSES)
    where[rows["edge"]] = rng.choice(edge, (len(rows["edge"]), ADDRESSES_A_NAME))
    ttls = np.concatenate([*ttl, np.full(NTP_ROWS, 150)]).astype(float)
    return Directory(texts_of(names), where, ttls, rng.random(len(names)) < 0.25, rows), used


def _label(pattern: str, rng: Generator) -> str:
    """Return the pattern, "#" replaced by the random label a content network gives its customers."""
    letters = rng.choice(list("abcdefghijklmnopqrstuvwxyz0123456789"), 13)
    return pattern.replace("#", "d" + "".join(letters.tolist()))


def _placed(count: int, rng: Generator) -> Column:
    """Return four addresses for each name: distinct, often fewer, some in the widest range."""
    cells = count * ADDRESSES_A_NAME
    where = addresses.benchmark(rng, cells).reshape(count, ADDRESSES_A_NAME)
    tail = rng.random(count) < _LONG_TAIL
    where[tail] = addresses.reserved(rng, cells).reshape(where.shape)[tail]
    several = rng.integers(1, ADDRESSES_A_NAME + 1, count)
    first = np.arange(ADDRESSES_A_NAME)[None, :] % several[:, None]
    return np.take_along_axis(where, first, axis=1)
