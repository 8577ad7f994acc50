"""Which controllers are at a sinkhole already: listed, or now led there by their name.

A name counts as sunk when the addresses it had last are all sinkholes, or all its name servers
are. What only calls itself a sinkhole is told, for somebody should ask, and not believed.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from sakimori.takedown import known as public
from sakimori.takedown.map.model import CONTROLLERS, value_of

if TYPE_CHECKING:
    from datetime import datetime

    from sakimori.takedown.known import Known
    from sakimori.takedown.map._draft import Draft


def mark_listed(draft: Draft, sinkholes: frozenset[str], known: Known) -> None:
    """Mark the controllers that are listed as sinkholes; before expansion."""
    for node in draft.of_kind(*CONTROLLERS):
        if public.is_sinkhole(value_of(node), sinkholes, known):
            draft.node(node, draft.kinds[node], sinkhole=True)


def mark_led(draft: Draft, sinkholes: frozenset[str], known: Known) -> None:
    """Mark the controllers' names that now lead to a sinkhole; after expansion."""
    last: defaultdict[str, dict[str, datetime | None]] = defaultdict(dict)
    served: defaultdict[str, set[str]] = defaultdict(set)
    for (source, target, relation), line in draft.lines.items():
        if relation == "resolves to":
            last[source][target] = line.last
        elif relation == "is served by":
            served[source].add(target)
    for node in draft.of_kind("controller_name"):
        targets = _newest(last[node])
        hosts = [h for s in served[node] for h in draft.facts[s].get("hosts", ())]
        if _all_sunk([value_of(t) for t in targets], sinkholes, known) or _all_sunk(
            hosts, sinkholes, known
        ):
            draft.node(node, "controller_name", sinkhole=True)
            draft.note(node, "sinkhole")
        elif claims := [h for h in hosts if public.calls_itself_sinkhole(h)]:
            draft.note(node, "claims_sinkhole", server=claims[0])


def _all_sunk(values: list[str], sinkholes: frozenset[str], known: Known) -> bool:
    return bool(values) and all(public.is_sinkhole(v, sinkholes, known) for v in values)


def _newest(targets: dict[str, datetime | None]) -> list[str]:
    """Return the targets seen last; all of them where no times are known."""
    times = [time for time in targets.values() if time is not None]
    if not times:
        return list(targets)
    return [target for target, time in targets.items() if time == max(times)]
