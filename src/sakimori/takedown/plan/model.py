"""What the planner reads and gives."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

NAMES = ("name", "domain", "controller_name", "hostname", "fqdn", "zone", "url")
ADDRESSES = ("address", "ip", "controller_address", "host", "server")
MOST_SHARED = 10  # other names on an address that may be cut, unless said otherwise
PEERS = ("peer", "peers", "p2p")


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """Something that can be cut: a name, an address, a name server, an account, a peer.

    `cost` and `collateral` are in the user's own units, not negative: an hour of work, a bystander.
    `hours` is how long the cut takes from the decision; `shared_names` counts other names on an
    address; None means not known, which no gate takes as evidence.
    """

    id: str
    kind: str = ""
    value: str = ""
    cost: float = 1.0
    collateral: float = 0.0
    partner: str = ""
    jurisdiction: str = ""
    hours: float | None = None
    authority: str = ""
    shared_names: int | None = None
    rank: int | None = None
    marks: frozenset[str] = frozenset()  # sinkhole, public_suffix, dynamic_dns, top_list


@dataclass(frozen=True, slots=True)
class Later:
    """A path that comes up only some hours after the cut: the next days of a DGA, a dead drop."""

    after_hours: float
    path: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Bots that can take the same paths. Each path is the resources that it needs, all of them.

    A path without a resource cannot be cut, and neither can a group without a known path.
    """

    id: str
    bots: float
    paths: tuple[tuple[str, ...], ...]
    later: tuple[Later, ...] = ()


@dataclass(frozen=True, slots=True)
class Graph:
    """The problem: resources by id, and groups."""

    resources: Mapping[str, Resource]
    groups: tuple[Group, ...]
    limits: Limits


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a plan may cost: in all, by partner, by jurisdiction; and the one window of time.

    None and a name that is missing mean: no limit. `seconds` bounds the search for the optimum.
    `collateral_weight` says how many bots one unit of collateral outweighs; with 0 the most bots
    count first and collateral only chooses between equals.
    """

    budget: float | None = None
    partners: Mapping[str, float] = field(default_factory=dict)
    jurisdictions: Mapping[str, float] = field(default_factory=dict)
    window_hours: float | None = None
    max_collateral: float | None = None
    collateral_weight: float = 0.0
    most_shared: int | None = None  # None: MOST_SHARED
    seconds: float = 7.0


@dataclass(frozen=True, slots=True)
class Refusal:
    """A resource that no plan may cut, and why."""

    id: str
    why: str


@dataclass(frozen=True, slots=True)
class Remains:
    """A group that the plan leaves alive, the paths still open, and why."""

    group: str
    bots: float
    why: str
    paths: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class Note:
    """What cutting cannot do: a message with places for `groups` and `bots`."""

    message: str
    groups: int
    bots: float

    @property
    def text(self) -> str:
        """The message in English."""
        return self.message.format(groups=f"{self.groups:,}", bots=f"{self.bots:,.0f}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What to cut and what it does.

    `bound` is the most bots that any plan within the limits could isolate, as proven; the plan is
    `optimal` when it reaches the bound.
    """

    cuts: tuple[str, ...]
    isolated: tuple[str, ...]
    bots: float
    all_bots: float
    cost: float
    collateral: float
    optimal: bool
    bound: float
    greedy_bots: float
    refused: tuple[Refusal, ...]
    needs_authority: tuple[str, ...]
    remaining: tuple[Remains, ...]
    robustness: Mapping[str, Any]
    notes: tuple[Note, ...]
