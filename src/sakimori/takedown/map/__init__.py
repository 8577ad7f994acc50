"""The map of a botnet: groups of bots, their controllers, and what those hang on.

    make        material -> BotnetMap
    to_plan     BotnetMap -> the graph that `plan` solves
    propose     marks of several botnets -> which may have one operator
    next_steps  BotnetMap -> whom to ask next, and what it costs

Pure: rows in, values out. `app.mapping` brings the rows from a workspace.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sakimori.takedown import known as public
from sakimori.takedown.map.build import begin, of_botnet, seen_span
from sakimori.takedown.map.expand import Index, Limits, Lookup, Setting, expand
from sakimori.takedown.map.fallback import with_orders
from sakimori.takedown.map.hang import AsRow, Ground, hang, join_urls
from sakimori.takedown.map.model import BotnetMap, Material
from sakimori.takedown.map.pivots import marks_of, propose, unrelated
from sakimori.takedown.map.plan import already_cut, to_plan
from sakimori.takedown.map.sunk import mark_led, mark_listed
from sakimori.takedown.map.tracing import next_steps

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import date

__all__ = [
    "BotnetMap", "Index", "Limits", "Lookup", "Material", "Options", "already_cut", "make", "marks_of",
    "next_steps", "of_botnet", "propose", "to_plan", "unrelated",
]  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How a map is made. `today` and `days`: which days of a generator are ahead.

    `lookup` answers about passive DNS besides the material's own rows; `asn` about addresses.
    """

    today: date
    days: int = 30
    limits: Limits = field(default_factory=Limits)
    known: public.Known = public.BUILTIN
    lookup: Lookup | None = None
    asn: Callable[[str], AsRow | None] = lambda _address: None


def make(material: Material, options: Options) -> BotnetMap:
    """Return the map of everything in the material; `of_botnet` narrows it to one first."""
    draft = begin(material)
    with_orders(draft, material.ways, options.today, options.days)
    join_urls(draft)
    mark_listed(draft, material.sinkholes, options.known)
    lookup = options.lookup or Index(material.pdns)
    if options.lookup is None and not material.pdns:
        draft.warn("no_pdns")

    def asn_of(address: str) -> str | None:
        row = options.asn(address)
        return row.asn if row else None

    expand(
        draft,
        Setting(
            lookup=lookup, limits=options.limits, known=options.known, span=seen_span(material),
            sinkholes=material.sinkholes, asn_of=asn_of,
        ),
    )  # fmt: skip
    mark_led(draft, material.sinkholes, options.known)
    ground = Ground(
        registrations=material.registrations, holdings=material.holdings, asn=options.asn
    )
    hang(draft, ground, material.traits)
    return draft.finished()
