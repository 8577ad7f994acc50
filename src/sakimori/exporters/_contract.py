"""What an exporter is given: bots and controllers as plain values, and the TLP they go under."""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol

from sakimori.errors import ConfigError, RefusedError, SourceError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

TLP = (
    "clear",
    "green",
    "amber",
    "amber+strict",
    "red",
)  # TLP 2.0, each stricter than the one before
# Ids that stay the same whenever the same thing is exported: a receiver updates instead of doubling.
NAMESPACE = uuid.UUID("5a6b1c0e-4f1d-5f0a-9d0e-7b1f3d2c4a90")
ROLES = ("controller", "bot")


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One controller or bot. `tlp` None: nobody said; such a thing does not leave.

    `findings` are those of the JSON contract; `score` is 0..1. Text is raw: an attacker chose it.
    """

    role: str
    kind: str  # address, name or url
    value: str
    tlp: str | None = None
    port: int | None = None
    score: float = 0.5
    families: tuple[str, ...] = ()
    botnet: str = ""
    first_seen: datetime | None = None
    last_seen: datetime | None = None
    peers: tuple[str, ...] = ()  # a controller's bots, a bot's controllers
    does: tuple[str, ...] = ()
    findings: tuple[Mapping[str, Any], ...] = field(default=())


@dataclass(frozen=True, slots=True, kw_only=True)
class Sharing:
    """What is shared, by whom, as of when. `made` is aware."""

    title: str
    producer: str
    tlp: str
    made: datetime
    items: tuple[Item, ...]

    def of(self, role: str) -> tuple[Item, ...]:
        """Return the items of a role."""
        return tuple(i for i in self.items if i.role == role)


class Exporter(Protocol):
    """One format. `export` gives a whole file; the same input gives the same text."""

    NAME: str
    TITLE: str

    @property
    def export(self) -> Callable[[Sharing], str]:
        """Return the file's text. No items is a valid, empty file."""


@dataclass(frozen=True, slots=True)
class Gate:
    """What passed the exit, and how many items did not, by reason."""

    sharing: Sharing
    kept_back: Mapping[str, int]


def check_tlp(label: str) -> str:
    """Return a TLP 2.0 label in lower case, without `TLP:`. Raises ConfigError."""
    plain = label.strip().lower().removeprefix("tlp:")
    if plain not in TLP:
        raise ConfigError(f"{label!r} is no TLP label", hint=", ".join(TLP))
    return plain


def gate(sharing: Sharing, most: str) -> Gate:
    """Return what may leave under `most`, the strictest label that the receiver may have.

    Source: FIRST, Traffic Light Protocol 2.0. Raises RefusedError when the whole is above `most`, or
    nothing is left of what there was.
    """
    limit = TLP.index(check_tlp(most))
    if TLP.index(sharing.tlp) > limit:
        raise RefusedError(
            f"this is TLP:{sharing.tlp.upper()} and may not leave as TLP:{most.upper()} or below",
            hint="the producer can lower it with --tlp; a receiver never can",
        )
    kept: list[Item] = []
    back: dict[str, int] = {}
    for item in sharing.items:
        why = _kept_back(item, limit)
        if why:
            back[why] = back.get(why, 0) + 1
        else:
            kept.append(item)
    if back and not kept:
        raise RefusedError(
            "nothing may leave: " + "; ".join(f"{n} {why}" for why, n in back.items())
        )
    from dataclasses import replace  # noqa: PLC0415

    return Gate(replace(sharing, items=tuple(kept)), back)


def _kept_back(item: Item, limit: int) -> str:
    if item.tlp is None:
        return "without a TLP label"
    if item.tlp not in TLP:
        return "with an unknown TLP label"
    return f"above TLP:{TLP[limit].upper()}" if TLP.index(item.tlp) > limit else ""


def strictest(*labels: str | None) -> str | None:
    """Return the strictest label, None when none is said."""
    said = [label for label in labels if label in TLP]
    return max(said, key=TLP.index) if said else None


def of_report(report: Mapping[str, Any], tlp: str | None, where: str = "") -> tuple[Item, ...]:
    """Return the bots and controllers of `hunt --format json`, all under one label.

    Controllers that are sinkholes are left out: they command nobody. Raises SourceError for an
    object that is no report.
    """
    try:
        botnets = [(b["botnet"], set(b["bots"]) | set(b["controllers"])) for b in report["botnets"]]
        seen = _peers_seen(report)
        controllers = [
            Item(
                role="controller",
                kind=c["kind"],
                value=c["controller"],
                port=c["port"],
                score=float(c["score"]),
                families=tuple(c["families"]),
                peers=tuple(c["bots"]),
                botnet=_botnet(botnets, c["controller"]),
                tlp=tlp,
                first_seen=seen.get(c["controller"], (None, None))[0],
                last_seen=seen.get(c["controller"], (None, None))[1],
            )
            for c in report["controllers"]
            if not c["sinkhole"]
        ]
        bots = [_bot(h, tlp, botnets) for h in report["hosts"]]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise SourceError(
            f"not a report of a hunt: {error!r}",
            where=where,
            hint="sakimori hunt LOGS --format json writes one",
        ) from error
    return (*controllers, *bots)


def _bot(host: Mapping[str, Any], tlp: str | None, botnets: Iterable[tuple[str, set[str]]]) -> Item:
    findings = tuple(host["findings"])
    times = [_time(f[key]) for f in findings for key in ("first_seen", "last_seen")]
    known = [t for t in times if t is not None]
    return Item(
        role="bot", kind="address", value=host["host"], score=float(host["score"]),
        families=tuple(host["families"]), does=tuple(host["does"]), findings=findings,
        botnet=_botnet(botnets, host["host"]), tlp=tlp,
        first_seen=min(known, default=None), last_seen=max(known, default=None),
        peers=tuple(dict.fromkeys(f["peer"] for f in findings if f["peer"])),
    )  # fmt: skip


def _botnet(botnets: Iterable[tuple[str, set[str]]], value: str) -> str:
    return next((name for name, members in botnets if value in members), "")


def _peers_seen(report: Mapping[str, Any]) -> dict[str, tuple[datetime | None, datetime | None]]:
    seen: dict[str, list[datetime]] = {}
    for host in report["hosts"]:
        for finding in host["findings"]:
            times = [_time(finding[key]) for key in ("first_seen", "last_seen")]
            seen.setdefault(str(finding["peer"]), []).extend(t for t in times if t)
    return {peer: (min(times), max(times)) for peer, times in seen.items() if times}


def _time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def stamp(time: datetime | None) -> str | None:
    """Return a time as ISO 8601 in UTC with `Z`, to the millisecond."""
    return time.isoformat(timespec="milliseconds").replace("+00:00", "Z") if time else None


def lines(rows: Iterable[Mapping[str, Any]]) -> str:
    """Return rows as JSON lines; members without a value are left out. ASCII, so nothing acts."""
    return "".join(
        json.dumps({k: v for k, v in row.items() if v not in (None, [], {}, "")}) + "\n"
        for row in rows
    )


def ident(*parts: str) -> uuid.UUID:
    """Return the id of a thing: the same for the same parts."""
    return uuid.uuid5(NAMESPACE, "\x1f".join(parts))
