"""The exit: what may leave under a TLP label, and how much was kept back.

Source: FIRST, Traffic Light Protocol 2.0.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from sakimori.errors import RefusedError
from sakimori.exporters._contract import (
    ROLES,
    TLP,
    Item,
    Sharing,
    check_tlp,
    is_name,
    strictest,
    version_of,
)
from sakimori.hostile import is_unsafe

if TYPE_CHECKING:
    from collections.abc import Mapping

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]{1,15}://[^\s/]+(?:/\S*)?")
_LONGEST = 4096
_NO_VALUE = "items that name no address, domain or URL that others could use"


@dataclass(frozen=True, slots=True)
class Gate:
    """What passed the exit, and what did not: how many by reason."""

    sharing: Sharing
    kept_back: Mapping[str, int]


def gate(sharing: Sharing, most: str) -> Gate:
    """Return what may leave under `most`, the strictest label that the receiver may have.

    What its label keeps back is also taken out of what passes: the peers, findings and botnet names that
    tell of it. The whole gets the strictest label in it. Raises RefusedError when the whole is above
    `most`, or nothing is left of what there was; ConfigError for a label that is none.
    """
    limit = TLP.index(check_tlp(most))
    label = check_tlp(sharing.tlp)
    if TLP.index(label) > limit:
        raise RefusedError(
            f"this is TLP:{label.upper()} and may not leave as TLP:{TLP[limit].upper()} or below",
            hint="the producer can lower it with --tlp; a receiver never can",
        )
    kept: list[Item] = []
    hidden: set[str] = set()
    back: dict[str, int] = {}
    for item in sharing.items:
        why = _kept_back(item, limit)
        if why:
            back[why] = back.get(why, 0) + 1
            if why != _NO_VALUE:
                hidden.add(item.value)
        else:
            kept.append(item)
    if back and not kept:
        raise RefusedError(
            "nothing may leave: " + "; ".join(f"{why}: {n}" for why, n in back.items()),
            hint="--most-tlp names what the receiver may have",
        )
    hidden -= {item.value for item in kept}
    silent = [_silent(item, hidden) for item in kept]
    lost = sum(len(a.findings) - len(b.findings) for a, b in zip(kept, silent, strict=True))
    if lost:
        back["findings that tell of what was kept back"] = lost
    whole = strictest(label, *(item.tlp for item in silent)) or label
    return Gate(replace(sharing, tlp=whole, items=tuple(silent)), back)


def _kept_back(item: Item, limit: int) -> str:
    if item.tlp is None:
        return "items without a TLP label"
    if item.tlp not in TLP:
        return "items with an unknown TLP label"
    if TLP.index(item.tlp) > limit:
        return f"items above TLP:{TLP[limit].upper()}"
    return "" if item.role in ROLES and _usable(item) else _NO_VALUE


def _usable(item: Item) -> bool:
    """Whether a value is what it says it is; other tools would refuse it, or worse, use it."""
    if item.kind == "address":
        return version_of(item.value) != 0
    if item.kind == "name":
        return is_name(item.value)
    shown = len(item.value) <= _LONGEST and not any(is_unsafe(c) for c in item.value)
    return item.kind == "url" and shown and _URL.fullmatch(item.value) is not None


def _silent(item: Item, hidden: set[str]) -> Item:
    """Return an item that does not tell of what was kept back."""
    if not hidden:
        return item
    return replace(
        item,
        peers=tuple(peer for peer in item.peers if peer not in hidden),
        findings=tuple(f for f in item.findings if not _tells(f, hidden)),
        botnet="" if _tells(item.botnet, hidden) else item.botnet,
        families=tuple(f for f in item.families if not _tells(f, hidden)),
    )


def _tells(thing: Any, hidden: set[str]) -> bool:
    text = json.dumps(thing, ensure_ascii=False, default=str)
    return any(json.dumps(value, ensure_ascii=False)[1:-1] in text for value in hidden if value)
