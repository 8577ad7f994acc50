"""A hunt's report, as JSON, to what is shared."""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from sakimori.errors import SourceError
from sakimori.exporters._contract import Item, moment

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

_HINT = "sakimori hunt LOGS --format json writes one"
_Botnets = list[tuple[str, set[str]]]


def of_report(report: Any, tlp: str | None, where: str = "") -> tuple[Item, ...]:
    """Return the bots and controllers of `hunt --format json`, all under one label.

    Controllers that are sinkholes are left out: they command nobody. Raises SourceError for what is
    no report.
    """
    given = _checked(report, where)
    try:
        botnets = [(b["botnet"], set(b["bots"]) | set(b["controllers"])) for b in given["botnets"]]
        seen = _peers_seen(given["hosts"])
        controllers = [
            _controller(c, tlp, botnets, seen) for c in given["controllers"] if not c["sinkhole"]
        ]
        bots = [_bot(host, tlp, botnets) for host in given["hosts"]]
    except (ValueError, OverflowError) as error:
        raise _no_report(str(error), where) from error
    return (*controllers, *bots)


def _checked(report: Any, where: str) -> dict[str, Any]:
    """Return a report that fits its schema, in which all text can be written as UTF-8."""
    from jsonschema import Draft202012Validator  # noqa: PLC0415 - slow to import
    from jsonschema.exceptions import best_match  # noqa: PLC0415

    try:
        text = json.dumps(report, ensure_ascii=False).encode("utf-8", "replace")
        given = json.loads(text, parse_constant=lambda _: None)
        error = best_match(Draft202012Validator(_schema()).iter_errors(given))
    except (ValueError, TypeError, RecursionError) as wrong:
        raise _no_report(str(wrong), where) from wrong
    if error is not None:
        raise _no_report(f"{error.json_path[:80]}: {error.message[:120]}", where)
    checked: dict[str, Any] = given
    return checked


@cache
def _schema() -> dict[str, Any]:
    text = (files("sakimori") / "schemas" / "hunt.schema.json").read_text("utf-8")
    schema: dict[str, Any] = json.loads(text)
    return schema


def _no_report(why: str, where: str) -> SourceError:
    return SourceError(f"not a report of a hunt: {why}", where=where, hint=_HINT)


def _controller(
    found: Mapping[str, Any],
    tlp: str | None,
    botnets: _Botnets,
    seen: Mapping[str, tuple[datetime, datetime]],
) -> Item:
    first, last = seen.get(found["controller"], (None, None))
    return Item(
        role="controller", kind=found["kind"], value=found["controller"],
        port=_port(found["port"]), score=float(found["score"]), families=tuple(found["families"]),
        peers=tuple(found["bots"]), botnet=_botnet(botnets, found["controller"]), tlp=tlp,
        first_seen=first, last_seen=last,
    )  # fmt: skip


def _bot(host: Mapping[str, Any], tlp: str | None, botnets: _Botnets) -> Item:
    times = list(_times(host["findings"]))
    return Item(
        role="bot", kind="address", value=host["host"], score=float(host["score"]),
        families=tuple(host["families"]), does=tuple(host["does"]),
        findings=tuple(host["findings"]), botnet=_botnet(botnets, host["host"]), tlp=tlp,
        first_seen=min(times, default=None), last_seen=max(times, default=None),
        peers=tuple(dict.fromkeys(f["peer"] for f in host["findings"] if f["peer"])),
    )  # fmt: skip


def _port(number: float | None) -> int | None:
    """Return a port; 0 is no port, and JSON may write 80.0."""
    port = int(number or 0)
    return port if 0 < port <= 65535 else None


def _botnet(botnets: _Botnets, value: str) -> str:
    return next((name for name, members in botnets if value in members), "")


def _peers_seen(hosts: Iterable[Mapping[str, Any]]) -> dict[str, tuple[datetime, datetime]]:
    seen: dict[str, tuple[datetime, datetime]] = {}
    for host in hosts:
        for finding in host["findings"]:
            times = [*_times([finding]), *seen.get(finding["peer"] or "", ())]
            seen[finding["peer"] or ""] = min(times), max(times)
    return seen


def _times(findings: Iterable[Mapping[str, Any]]) -> Iterable[datetime]:
    return (moment(f[key]) for f in findings for key in ("first_seen", "last_seen"))
