"""The map's words in the reader's language: kinds, relations, why it ends where it ends."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sakimori.i18n import Translator
    from sakimori.takedown.map.model import Node, Note

_MARKS = ("cert", "ja3s", "ja4s", "ja4", "uri")
# Where expansion stopped (`Note.reason` of notes) and what makes a map less than it seems (warnings).
REASONS: dict[str, Callable[[Translator, Mapping[str, Any]], str]] = {
    "shared": lambda say, v: say.tr(
        "shared hosting: {names} names are on this address, so its other names were not followed", **v
    ),
    "cdn": lambda say, v: say.tr("a content network serves it: nothing beyond it was followed", **v),
    "parking": lambda say, v: say.tr("parked at {server}: nothing beyond it was followed", **v),
    "dynamic": lambda say, v: say.tr(
        "a host below the dynamic DNS service {parent}: its own addresses only, and the service is"
        " never to be cut", **v
    ),
    "suffix": lambda say, v: say.tr("others register names below it: not followed", **v),
    "sinkhole": lambda say, v: say.tr(
        "a sinkhole: it is cut already, and other botnets end there, too", **v
    ),
    "claims_sinkhole": lambda say, v: say.tr(
        "its name server {server} calls itself a sinkhole: ask who runs it before anything is cut", **v
    ),
    "many": lambda say, v: say.tr(
        "{addresses} addresses: a fast-flux name, whose addresses are bots and not servers", **v
    ),
    "other_time": lambda say, v: say.tr(
        "records over {days} days before or after the botnet was seen were not followed", **v
    ),
    "full": lambda say, v: say.tr("the map was not expanded beyond {nodes} nodes", **v),
    "counted_twice": lambda say, _v: say.tr(
        "bots that several sources saw are counted once for each: the sum of the groups is too high"
    ),
    "beyond": lambda say, v: say.tr(
        "left out: {count} lines of {source} for days later than {days} days from {today}", **v
    ),
    "past": lambda say, v: say.tr(
        "left out: {count} lines of {source} for days before {today}", **v
    ),
    "no_such_botnet": lambda say, v: say.tr("{source} names {botnet}, which is not on this map", **v),
    "lore": lambda say, v: say.tr(
        "of {count} controllers reported for the family {family} the newest {shown} are shown", **v
    ),
    "generator": lambda say, v: say.tr(
        "bots of {botnet} make up names: give those of the days ahead with --fallback, or their way"
        " stays open", **v
    ),
    "no_pdns": lambda say, _v: say.tr(
        "no passive DNS is at hand: related names are missing, and collateral is not known"
    ),
    "refused": lambda say, v: say.tr(
        "refused lines of {source}: {count}, the first at line {line}: {reason}", **v
    ),
    "resolvers": lambda say, v: say.tr(
        "left out: {count} sources that only asked the sinkhole's DNS. They are resolvers, not bots",
        **v,
    ),
}  # fmt: skip


def told(note: Note, say: Translator) -> str:
    """Return a note in the reader's language."""
    return REASONS[note.reason](say, note.values)


def label_of(node: Node) -> str:
    """Return what to call a node where its kind is not beside it: a bare hash tells nothing."""
    return f"{node.kind.upper()} {node.label}" if node.kind in _MARKS else node.label


def kinds(say: Translator) -> dict[str, str]:
    """Return what each kind of node is called."""
    return {
        "group": say.tr("bot groups"),
        "family": say.tr("families"),
        "controller_name": say.tr("controllers: names"),
        "controller_address": say.tr("controllers: addresses"),
        "peer": say.tr("known peers"),
        "url": say.tr("URLs"),
        "dead_drop": say.tr("dead drops"),
        "dga_day": say.tr("generated names by day"),
        "name": say.tr("related names"),
        "address": say.tr("related addresses"),
        "cert": say.tr("certificates"),
        "ja3s": say.tr("JA3S"),
        "ja4s": say.tr("JA4S"),
        "ja4": say.tr("JA4"),
        "uri": say.tr("URI patterns"),
        "name_server": say.tr("name servers"),
        "registrar": say.tr("registrars"),
        "registrant": say.tr("registrants"),
        "registry": say.tr("registries"),
        "hosting": say.tr("hosting"),
        "asn": say.tr("networks (AS)"),
        "upstream": say.tr("upstreams"),
        "country": say.tr("countries"),
    }


def relations(say: Translator) -> dict[str, str]:
    """Return what each relation is called."""
    return {
        "calls": say.tr("calls"),
        "is of": say.tr("is of"),
        "is said to use": say.tr("is said to use"),
        "falls back to": say.tr("falls back to"),
        "resolves to": say.tr("resolves to"),
        "is an alias of": say.tr("is an alias of"),
        "is served by": say.tr("is served by"),
        "is in the zone of": say.tr("is in the zone of"),
        "is registered through": say.tr("is registered through"),
        "is registered by": say.tr("is registered by"),
        "is hosted by": say.tr("is hosted by"),
        "is announced by": say.tr("is announced by"),
        "is reached through": say.tr("is reached through"),
        "is in": say.tr("is in"),
        "is at": say.tr("is at"),
        "shows": say.tr("shows"),
    }
