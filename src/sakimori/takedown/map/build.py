"""Bots and what they call -> groups and controllers. Pure; linear in the rows given.

Bots of one botnet that call the same set of controllers become one group, so that a map has as
many nodes as there are different habits, not bots. Until an analyst's list says otherwise
(`fallback`), a group tries its controllers from the likeliest down; each is a way of its own.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from sakimori.takedown.map._draft import Draft, Seen
from sakimori.takedown.map.model import Group, Material, Step, node_id

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from sakimori.takedown.map.model import Contact, Crowd, Lore, Suspect

EXAMPLES = 20  # hosts named per group
MOST_LORE = 50  # controllers of a family that others report
PEERS, GENERATOR, NOTHING_KNOWN = "peer-to-peer", "generated names", "nothing known"
_LONG_AGO = datetime.min.replace(tzinfo=UTC)
_Key = tuple[str, tuple[str, ...]]  # botnet, controllers
UNASSIGNED = "unassigned"  # the botnet of bots that call what no botnet is known for


@dataclass(slots=True)
class _Habit:
    """The bots of one group while they are counted."""

    bots: int = 0
    hosts: list[str] = field(default_factory=list)


def begin(material: Material) -> Draft:
    """Return a draft with groups, controllers and the edges between them."""
    draft = Draft()
    scores = {s.controller: s.score for s in material.suspects}
    _suspects(draft, material.suspects, material.sinkholes)
    for peer in {c.controller for c in material.contacts if c.kind == "peer"}:
        draft.node(node_id(peer), "peer")
    sets = _sets(material.contacts)
    homes = _homes(material.contacts)
    for (botnet, controllers), habit in _habits(sets).items():
        _group(draft, (botnet, controllers, ""), habit, scores)
    _lines(draft, material.contacts, sets)
    for crowd in material.crowds:
        _crowd(draft, crowd, homes, scores)
    draft.groups = _merged(draft.groups, material)
    _lore(draft, material.lore)
    for group in draft.groups:
        draft.node(group.id, "group", _label(group), bots=group.bots, botnet=group.botnet)
    if material.crowds and material.contacts:
        draft.warn("counted_twice")
    return draft


def of_botnet(material: Material, botnet: str) -> Material:
    """Return the material of one botnet: its contacts, and crowds and suspects about them."""
    contacts = tuple(c for c in material.contacts if c.botnet == botnet)
    named = {c.controller for c in contacts}
    named |= {w.value for w in material.ways if w.botnet in ("", "*", botnet)}
    named |= {one.controller for one in material.lore if one.botnet == botnet}
    crowds = tuple(
        replace(c, botnet=botnet)
        for c in material.crowds
        if c.botnet == botnet or not named.isdisjoint(c.controllers)
    )
    named |= {one for c in crowds for one in c.controllers}
    return replace(
        material,
        contacts=contacts,
        crowds=crowds,
        suspects=tuple(s for s in material.suspects if s.controller in named),
        traits=tuple(t for t in material.traits if t.controller in named),
        ways=tuple(w for w in material.ways if w.botnet in ("", "*", botnet)),
        lore=tuple(one for one in material.lore if one.botnet == botnet),
    )


def _suspects(draft: Draft, suspects: Iterable[Suspect], sinkholes: frozenset[str]) -> None:
    for one in suspects:
        sinkhole = one.sinkhole or one.controller in sinkholes
        draft.node(
            node_id(one.controller), controller_kind(one.controller), score=one.score,
            port=one.port, families=one.families or None, sinkhole=sinkhole or None,
            said_by=one.said_by or None,
        )  # fmt: skip


def controller_kind(value: str) -> str:
    """Return the kind of a controller by its form."""
    space = node_id(value).partition(":")[0]
    return {"url": "url", "address": "controller_address"}.get(space, "controller_name")


def _sets(contacts: Iterable[Contact]) -> dict[tuple[str, str], set[str]]:
    """Return what each bot (botnet, address) calls."""
    calls: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
    for contact in contacts:
        its = calls[contact.botnet or UNASSIGNED, contact.bot]
        if contact.controller:
            its.add(contact.controller)
    return calls


def _habits(sets: Mapping[tuple[str, str], set[str]]) -> dict[_Key, _Habit]:
    habits: defaultdict[_Key, _Habit] = defaultdict(_Habit)
    for (botnet, bot), controllers in sets.items():
        habit = habits[botnet, tuple(sorted(controllers))]
        habit.bots += 1
        if len(habit.hosts) < EXAMPLES:
            habit.hosts.append(bot)
    return habits


def _homes(contacts: Iterable[Contact]) -> dict[str, str]:
    """Return the botnet of each controller; of the one that is first by name where several use it."""
    homes: dict[str, str] = {}
    for contact in contacts:
        if contact.botnet:
            before = homes.get(contact.controller, contact.botnet)
            homes[contact.controller] = min(before, contact.botnet)
    return homes


def _group(
    draft: Draft,
    key: tuple[str, tuple[str, ...], str],
    habit: _Habit,
    scores: Mapping[str, float],
) -> None:
    botnet, controllers, source = key
    ranked = sorted(controllers, key=lambda c: (-scores.get(c, 0.0), c))
    steps = []
    for controller in ranked:
        name = node_id(controller)
        draft.node(name, controller_kind(controller))
        kind = "peer" if draft.kinds[name] == "peer" else "server"
        steps.append(Step(kind, (name,), None, source or "finding"))
    draft.groups.append(
        Group(
            group_id(botnet, controllers, source), botnet, habit.bots, tuple(steps),
            tuple(sorted(habit.hosts)),
        )
    )  # fmt: skip


def group_id(botnet: str, controllers: tuple[str, ...], source: str = "") -> str:
    """Return an id that stays while bots come and go: of the botnet and its controllers."""
    text = "\0".join((source, *sorted(controllers)))
    return f"group:{botnet}/{hashlib.blake2b(text.encode(), digest_size=4).hexdigest()}"


def _label(group: Group) -> str:
    return f"{group.botnet}/{group.id.rpartition('/')[2][:4]} ({group.bots:,})"


def _lines(
    draft: Draft, contacts: Iterable[Contact], sets: Mapping[tuple[str, str], set[str]]
) -> None:
    """Add the edges from groups to controllers; a contact's group is found by its bot's set."""
    ids: dict[_Key, str] = {}
    of_bot: dict[tuple[str, str], str] = {}
    for (botnet, bot), its in sets.items():
        key = (botnet, tuple(sorted(its)))
        if key not in ids:
            ids[key] = group_id(*key)
        of_bot[botnet, bot] = ids[key]
    for row in contacts:
        if row.controller:
            group = of_bot[row.botnet or UNASSIGNED, row.bot]
            seen = Seen(row.first_seen, row.last_seen, row.count)
            draft.edge((group, node_id(row.controller), "calls"), row.source, seen)


def _crowd(
    draft: Draft, crowd: Crowd, homes: Mapping[str, str], scores: Mapping[str, float]
) -> None:
    controllers = tuple(sorted(set(crowd.controllers)))
    home = crowd.botnet or min((homes[c] for c in controllers if c in homes), default=UNASSIGNED)
    _group(draft, (home, controllers, crowd.source), _Habit(crowd.bots), scores)
    group = draft.groups[-1].id
    for controller in controllers:
        seen = Seen(crowd.first_seen, crowd.last_seen, crowd.count)
        draft.edge((group, node_id(controller), "calls"), crowd.source, seen)


def _merged(groups: Iterable[Group], material: Material) -> list[Group]:
    """Return the groups, those of one id as one; who has ways that are not known is marked so."""
    of_id: dict[str, Group] = {}
    for group in groups:
        before = of_id.get(group.id)
        bots = group.bots + (before.bots if before else 0)
        of_id[group.id] = replace(group, bots=bots)
    return [_with_unknown(group, material) for group in of_id.values()]


def _with_unknown(group: Group, material: Material) -> Group:
    """A list of peers is never whole, made-up names go on, and nobody hangs on nothing."""
    peers = group.botnet in material.peer_to_peer or any(s.kind == "peer" for s in group.order)
    if peers:
        source = PEERS
    elif group.botnet in material.generators:
        source = GENERATOR
    elif not group.order:
        source = NOTHING_KNOWN
    else:
        return group
    return replace(
        group, order=(*group.order, Step("unknown", (), None, source)), peer_to_peer=peers
    )


def _lore(draft: Draft, lore: Iterable[Lore]) -> None:
    """Add what others report for a family; of many the newest, and how many are left out."""
    of_botnet: defaultdict[tuple[str, str], list[Lore]] = defaultdict(list)
    for one in lore:
        of_botnet[one.botnet, one.family].append(one)
    for (botnet, family), its in of_botnet.items():
        name = f"family:{family.lower()}"
        draft.node(name, "family", family)
        for group in draft.groups:
            if group.botnet == botnet:
                draft.edge((group.id, name, "is of"), "finding")
        if len(its) > MOST_LORE:
            draft.warn("lore", count=len(its), family=family, shown=MOST_LORE)
        newest = sorted(its, key=lambda one: one.first_seen or _LONG_AGO, reverse=True)
        for one in newest[:MOST_LORE]:
            draft.node(node_id(one.controller), controller_kind(one.controller))
            seen = Seen(one.first_seen, None, 1)
            draft.edge((name, node_id(one.controller), "is said to use"), one.source, seen)


def seen_span(material: Material) -> tuple[datetime | None, datetime | None]:
    """Return when the bots were first and last seen at work."""
    rows: list[Contact | Crowd] = [*material.contacts, *material.crowds]
    firsts = [t for row in rows if (t := row.first_seen)]
    lasts = [t for row in rows if (t := row.last_seen)]
    return min(firsts, default=None), max(lasts, default=None)
