"""What a map is made of: nodes, edges, groups of bots with their fallback order, notes.

A node's id is `<space>:<value>`, such as `name:c2.example` or `address:192.0.2.1`. The space says
what the value is, the kind what part it plays: one address may be met as a controller or only on
the way. All text is raw: whoever shows it must escape it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from sakimori.takedown.known import is_address

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date, datetime

# From the bots outwards. The picture draws its columns, the tables their rows in this order.
KINDS = (
    "group", "family", "controller_name", "controller_address", "peer", "url", "dead_drop", "dga_day",
    "name", "address", "cert", "ja3s", "ja4s", "ja4", "uri", "name_server", "registrar", "registrant",
    "registry", "hosting", "asn", "upstream", "country",
)  # fmt: skip
CONTROLLERS = ("controller_name", "controller_address", "peer", "url", "dead_drop")
STEP_KINDS = ("server", "dga-day", "peer", "dead-drop", "unknown")


@dataclass(frozen=True, slots=True)
class Node:
    """One thing on the map. `kind` is one of KINDS; `label` is what to show, hostile text."""

    id: str
    kind: str
    label: str
    attributes: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True)
class Edge:
    """What joins two nodes, and who says so.

    `sources`: "finding", "pdns:SENSOR", "intel:NAME", "event:FEED", "sinkhole",
    "analyst:FILE", "asn:FILE", "sensor" (marks seen in the lake), "name" (what a name itself
    says); sorted. `count`: sightings, as the source counts them.
    """

    source: str
    target: str
    relation: str
    sources: tuple[str, ...]
    first_seen: datetime | None = None
    last_seen: datetime | None = None
    count: int = 0


@dataclass(frozen=True, slots=True)
class Step:
    """One alternative way a group can reach its master, in the order that bots try them.

    `kind`: one of STEP_KINDS. `targets`: node ids that stand or fall together, such as all names
    of one day and registry that a domain generator makes; one for the other kinds. A step of kind
    "unknown" has none: a way that is there, but not known. `date`: the day it is used on.
    """

    kind: str
    targets: tuple[str, ...] = ()
    date: date | None = None
    source: str = ""


@dataclass(frozen=True, slots=True)
class Group:
    """Bots that use the same controllers in the same order.

    `bots` is how many, never a list of nodes; `hosts` are up to 20 of them as examples.
    """

    id: str
    botnet: str
    bots: int
    order: tuple[Step, ...] = ()
    hosts: tuple[str, ...] = ()
    peer_to_peer: bool = False


@dataclass(frozen=True, slots=True)
class Note:
    """Where the map ends and why. `reason` is a word of `words.REASONS`, `values` fill it."""

    node: str
    reason: str
    values: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True)
class BotnetMap:
    """The whole map. `warnings`: what makes it less than it seems, as notes about no node."""

    groups: tuple[Group, ...]
    nodes: Mapping[str, Node]
    edges: tuple[Edge, ...]
    notes: tuple[Note, ...] = ()
    warnings: tuple[Note, ...] = ()


# What a map is built from: plain rows, aggregated where they come from.


@dataclass(frozen=True, slots=True)
class Contact:
    """A bot that called a controller, all its calls together.

    `controller`: address, name or URL, lower case; `kind`: "server" or "peer".
    """

    bot: str
    controller: str
    botnet: str = ""
    kind: str = "server"
    port: int | None = None
    first_seen: datetime | None = None
    last_seen: datetime | None = None
    count: int = 1
    source: str = "finding"


@dataclass(frozen=True, slots=True)
class Crowd:
    """Bots counted by a sinkhole or feed that called exactly these controllers, all in one row."""

    controllers: tuple[str, ...]
    bots: int
    botnet: str = ""
    first_seen: datetime | None = None
    last_seen: datetime | None = None
    count: int = 0
    source: str = "sinkhole"


@dataclass(frozen=True, slots=True)
class Suspect:
    """What is known of a controller as such: how sure, on which port, whether it is a sinkhole."""

    controller: str
    score: float = 1.0
    port: int | None = None
    families: tuple[str, ...] = ()
    sinkhole: bool = False
    said_by: tuple[str, ...] = ()  # "intel:NAME" of each source that lists it


@dataclass(frozen=True, slots=True)
class PdnsRecord:
    """One passive DNS record: names lower case without a final dot, rrtype upper case."""

    rrname: str
    rrtype: str
    rdata: str
    first: datetime | None = None
    last: datetime | None = None
    count: int = 1
    source: str = "pdns"


@dataclass(frozen=True, slots=True)
class Trait:
    """A mark of a controller that others may share: certificate, handshake, path, ...

    `kind`: cert, ja3s, ja4s, ja4, uri, schedule, ...; `value` is compared as it is.
    """

    controller: str
    kind: str
    value: str
    first: datetime | None = None
    last: datetime | None = None
    count: int = 1
    source: str = "finding"


@dataclass(frozen=True, slots=True)
class Registration:
    """Who registered a name, as RDAP or an analyst says. `registrant`: a handle, never a person."""

    name: str
    registrar: str | None = None
    registry: str | None = None
    name_servers: tuple[str, ...] = ()
    registrant: str | None = None
    created: datetime | None = None
    country: str | None = None
    source: str = "analyst"


@dataclass(frozen=True, slots=True)
class Holding:
    """Who hosts an address range. `network` is a CIDR; `upstreams` are AS numbers or names."""

    network: str
    hosting: str | None = None
    asn: str | None = None
    as_name: str | None = None
    country: str | None = None
    upstreams: tuple[str, ...] = ()
    source: str = "analyst"


@dataclass(frozen=True, slots=True)
class Way:
    """A line of an analyst's list of what the bots of a botnet try, and when."""

    botnet: str
    order: int
    kind: str
    value: str
    date: date | None = None
    source: str = "analyst"


@dataclass(frozen=True, slots=True)
class Lore:
    """A controller that others report for the family of a botnet; our bots may never call it."""

    botnet: str
    family: str
    controller: str
    source: str
    first_seen: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Material:
    """All that a map is built from. `sinkholes`: addresses and names known to be sinkholes."""

    contacts: tuple[Contact, ...] = ()
    crowds: tuple[Crowd, ...] = ()
    suspects: tuple[Suspect, ...] = ()
    pdns: tuple[PdnsRecord, ...] = ()
    traits: tuple[Trait, ...] = ()
    registrations: tuple[Registration, ...] = ()
    holdings: tuple[Holding, ...] = ()
    ways: tuple[Way, ...] = ()
    sinkholes: frozenset[str] = frozenset()
    lore: tuple[Lore, ...] = ()
    peer_to_peer: frozenset[str] = frozenset()  # names of botnets whose bots obey each other
    generators: frozenset[str] = frozenset()  # names of botnets whose bots make up names


@lru_cache(maxsize=1 << 17)
def node_id(value: str) -> str:
    """Return the id of an address, name or URL by its form."""
    if "://" in value or "/" in value:
        return f"url:{value}"
    return f"address:{value}" if is_address(value) else f"name:{value}"


def value_of(node: str) -> str:
    """Return what an id is about: `name:c2.example` gives `c2.example`."""
    return node.partition(":")[2]
