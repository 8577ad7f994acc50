"""From the controllers outwards through passive DNS: name -> address -> name, and where to stop.

Each arrow is one hop; two by default. A hop is not taken from what strangers share, for all their
names would come in with it:

    shared      an address with more than `most_names` names
    cdn         a name or an address (by its AS) of a content network
    parking     a name whose name servers all park names, or an address where parked names lie
    dynamic     a name below a dynamic-DNS parent: its own addresses come in, nothing beyond them
    suffix      a name below which others register: nothing of it is followed
    sinkhole    defenders' machines: what else points there is other botnets'
    many        a name with more than `most_addresses` addresses: bots of a fast-flux net, not servers
    full        `most_nodes` are reached

Records that do not fall into the time of the botnet, give or take `slack_days`, are not followed:
addresses change hands. Each stop is a note with its reason. Names found on the way are related by
a shared address, not accused.

Source: the two-hop expansion of Nadji et al., "Beheading Hydras", CCS 2013, section 3.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Protocol

from sakimori.takedown import known as public
from sakimori.takedown.map._draft import Draft, Seen
from sakimori.takedown.map.model import CONTROLLERS, value_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from datetime import datetime

    from sakimori.takedown.known import Known
    from sakimori.takedown.map.model import PdnsRecord

ADDRESSES = ("A", "AAAA")


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How far to go. Defaults: an address with over 20 names is a hoster's, over 32 addresses flux."""

    hops: int = 2
    most_names: int = 20
    most_addresses: int = 32
    most_nodes: int = 20_000
    slack_days: int = 30


class Lookup(Protocol):
    """Who answers questions about passive DNS; a list in memory, or a database."""

    def of_names(self, names: Sequence[str]) -> Iterable[PdnsRecord]:
        """Give every record of these names."""

    def at_values(self, values: Sequence[str]) -> Iterable[PdnsRecord]:
        """Give every record whose answer is one of these addresses or names."""

    def counts(self, values: Sequence[str]) -> Mapping[str, int]:
        """Return how many different names have each of these as an answer."""


class Index:
    """A `Lookup` over rows in memory."""

    def __init__(self, records: Iterable[PdnsRecord]) -> None:
        """Sort the rows by name and by answer."""
        self._forward: defaultdict[str, list[PdnsRecord]] = defaultdict(list)
        self._back: defaultdict[str, list[PdnsRecord]] = defaultdict(list)
        for record in records:
            self._forward[record.rrname].append(record)
            self._back[record.rdata].append(record)

    def of_names(self, names: Sequence[str]) -> Iterable[PdnsRecord]:
        """Give every record of these names."""
        return [record for name in names for record in self._forward.get(name, ())]

    def at_values(self, values: Sequence[str]) -> Iterable[PdnsRecord]:
        """Give every record whose answer is one of these."""
        return [record for value in values for record in self._back.get(value, ())]

    def counts(self, values: Sequence[str]) -> Mapping[str, int]:
        """Return how many different names have each of these as an answer."""
        return {v: len({r.rrname for r in self._back.get(v, ())}) for v in values}


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What an expansion needs besides the draft. `asn_of` gives the AS number of an address."""

    lookup: Lookup
    limits: Limits
    known: Known = public.BUILTIN
    sinkholes: frozenset[str] = frozenset()
    span: tuple[datetime | None, datetime | None] = (None, None)
    asn_of: Callable[[str], str | None] = lambda _address: None


def expand(draft: Draft, setting: Setting) -> None:
    """Add names, addresses and name servers within reach to the draft, and say where it ends."""
    frontier = [n for n in draft.of_kind(*CONTROLLERS) if n.startswith(("name:", "address:"))]
    # The host of a controller's URL is followed, too; the site of a dead drop is not the botnet's.
    frontier += [
        host
        for url, host, relation in draft.lines
        if relation == "is at" and draft.kinds[url] == "url"
    ]
    reached = set(frontier)
    for hop in range(setting.limits.hops):
        if not frontier:
            break
        found = [
            *_from_names(draft, setting, frontier, hop),
            *_from_addresses(draft, setting, frontier),
        ]
        fresh = dict.fromkeys(n for n in found if n not in reached)
        room = setting.limits.most_nodes - len(draft.kinds)
        if room < 0:
            draft.warn("full", nodes=setting.limits.most_nodes)
            break
        reached.update(fresh)
        frontier = list(fresh)
    _close(draft, setting)


def _from_names(draft: Draft, setting: Setting, frontier: Iterable[str], hop: int) -> list[str]:
    """Take a hop from every name that may be followed; returns the nodes reached."""
    names = [n for n in frontier if n.startswith("name:") and _open_name(draft, setting, n, hop)]
    of_name: defaultdict[str, list[PdnsRecord]] = defaultdict(list)
    for record in setting.lookup.of_names([value_of(n) for n in names]):
        of_name[record.rrname].append(record)
    reached: list[str] = []
    for name in names:
        records = of_name[value_of(name)]
        if _parked(records, setting.known):
            draft.note(name, "parking", server=next(r.rdata for r in records if r.rrtype == "NS"))
            continue
        reached += _answers(draft, setting, name, records)
    return reached


def _open_name(draft: Draft, setting: Setting, node: str, hop: int) -> bool:
    name = value_of(node)
    if public.is_public_suffix(name):
        draft.note(node, "suffix")
    elif public.is_cdn(name, setting.known):
        draft.note(node, "cdn")
    elif public.is_sinkhole(name, setting.sinkholes, setting.known):
        draft.note(node, "sinkhole")
    elif (parent := public.dynamic_dns_parent(name, setting.known)) is not None:
        draft.note(node, "dynamic", parent=parent)
        return hop == 0
    else:
        return True
    return False


def _parked(records: Iterable[PdnsRecord], known: Known) -> bool:
    servers = [r.rdata for r in records if r.rrtype == "NS"]
    return bool(servers) and all(public.is_parking(s, known) for s in servers)


def _answers(draft: Draft, setting: Setting, name: str, records: Sequence[PdnsRecord]) -> list[str]:
    """Add what a name resolved to; returns the nodes to go on from."""
    addresses = {r.rdata for r in records if r.rrtype in ADDRESSES}
    dynamic = public.dynamic_dns_parent(value_of(name), setting.known) is not None
    many = len(addresses) > setting.limits.most_addresses
    if many:
        draft.note(name, "many", addresses=len(addresses))
    reached = []
    for record in records:
        if not _in_time(record, setting):
            draft.note(name, "other_time", days=setting.limits.slack_days)
        elif record.rrtype in ADDRESSES:
            target = f"address:{record.rdata}"
            if not many or target in draft.kinds:
                _add(draft, (name, target, "resolves to"), record)
                reached += [] if dynamic else [target]
        elif record.rrtype == "CNAME":
            _add(draft, (name, f"name:{record.rdata}", "is an alias of"), record)
            reached.append(f"name:{record.rdata}")
    return reached


def _from_addresses(draft: Draft, setting: Setting, frontier: Iterable[str]) -> list[str]:
    """Take a hop back from every address that is not shared; returns the names reached."""
    nodes = [n for n in frontier if n.startswith("address:") and _open_address(draft, setting, n)]
    counts = setting.lookup.counts([value_of(n) for n in nodes])
    own = []
    for node in nodes:
        names = counts.get(value_of(node), 0)
        if names > setting.limits.most_names:
            draft.note(node, "shared", names=names)
        else:
            own.append(value_of(node))
    reached = []
    for record in setting.lookup.at_values(own):
        target = f"name:{record.rrname}"
        if record.rrtype in ADDRESSES and _in_time(record, setting):
            _add(draft, (target, f"address:{record.rdata}", "resolves to"), record)
            reached.append(target)
    return reached


def _open_address(draft: Draft, setting: Setting, node: str) -> bool:
    address = value_of(node)
    if public.is_sinkhole(address, setting.sinkholes, setting.known):
        draft.note(node, "sinkhole")
    elif public.is_parking(address, setting.known):
        draft.note(node, "parking", server=address)
    elif public.is_cdn(address, setting.known, asn=setting.asn_of(address)):
        draft.note(node, "cdn")
    else:
        return True
    return False


def _in_time(record: PdnsRecord, setting: Setting) -> bool:
    """Whether a record can have held while the botnet was at work; unknown times can."""
    begin, end = setting.span
    slack = timedelta(days=setting.limits.slack_days)
    gone = begin is not None and record.last is not None and record.last < begin - slack
    later = end is not None and record.first is not None and record.first > end + slack
    return not gone and not later


def _add(draft: Draft, key: tuple[str, str, str], record: PdnsRecord) -> None:
    for end in key[:2]:
        draft.node(end, "name" if end.startswith("name:") else "address")
    if record not in draft.taken:
        draft.taken.add(record)
        draft.edge(key, _source(record), Seen(record.first, record.last, record.count))


def _source(record: PdnsRecord) -> str:
    return record.source if ":" in record.source else f"pdns:{record.source}"


def _close(draft: Draft, setting: Setting) -> None:
    """Add every name's servers, and to all addresses and servers how many names hang on them."""
    zones: defaultdict[str, set[str]] = defaultdict(set)
    for node in draft.kinds:
        if node.startswith("name:"):
            zones[value_of(node)].add(node)
            zones[public.registrable(value_of(node))].add(node)
    for record in setting.lookup.of_names(sorted(zones)):
        if record.rrtype == "NS":
            seen = Seen(record.first, record.last, record.count)
            for node in zones.get(record.rrname, ()):
                add_server(draft, node, record.rdata, _source(record), seen)
    addresses = [value_of(n) for n in draft.kinds if n.startswith("address:")]
    for address, count in setting.lookup.counts(addresses).items():
        draft.node(f"address:{address}", "address", names=count or None)
    _count_servers(draft, setting.lookup)


def add_server(draft: Draft, name: str, host: str, source: str, seen: Seen | None = None) -> None:
    """Add that a name hangs on the operator of a name server: one node for all of its hosts."""
    operator = public.registrable(host)
    node = f"name_server:{operator}"
    hosts = {*draft.facts.get(node, {}).get("hosts", ()), host}
    draft.node(node, "name_server", hosts=tuple(sorted(hosts)))
    draft.edge((name, node, "is served by"), source, seen)


def _count_servers(draft: Draft, lookup: Lookup) -> None:
    """Add to each operator of name servers how many names its best known host serves."""
    hosts = {
        host: node
        for node in draft.of_kind("name_server")
        for host in draft.facts[node].get("hosts", ())
    }
    most: Counter[str] = Counter()
    for host, count in lookup.counts(list(hosts)).items():
        most[hosts[host]] = max(most[hosts[host]], count)
    for node, count in most.items():
        draft.node(node, "name_server", names=count)
