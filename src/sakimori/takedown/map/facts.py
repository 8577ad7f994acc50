"""Facts that an analyst brings in files: registrations and holdings (JSON, RDAP too), passive DNS.

Registrations: a JSON list of objects, or one; each is either

    {"name", "registrar", "registry", "name_servers", "registrant", "created", "country"}
    {"network" (CIDR), "hosting", "asn", "as_name", "country", "upstreams"}
    an RDAP answer ("objectClassName": "domain" or "ip network"; RFC 9083)

Passive DNS: one JSON object a line in the Common Output Format (draft-dulaunoy-dnsop-passive-dns-
cof: rrname, rrtype, rdata, time_first, time_last, count), or CSV with these columns. Its bad lines
are counted and the first is told; a bad object of the short lists is an error.
"""

from __future__ import annotations

import csv
import json
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from ipaddress import ip_address, ip_network, summarize_address_range
from itertools import chain
from typing import TYPE_CHECKING, Any

from sakimori.errors import SourceError
from sakimori.takedown.map.model import Holding, PdnsRecord, Registration

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

_OF_NAME = {"name", "registrar", "registry", "name_servers", "registrant", "created", "country"}
_LINE = (
    'a line such as {"rrname": "c2.example", "rrtype": "A", "rdata": "192.0.2.1",'
    ' "time_last": 1772000000}, or CSV with these columns'
)
_MALFORMED = (ValueError, TypeError, KeyError, AttributeError, IndexError, RecursionError,
              OverflowError)  # fmt: skip
_OF_NETWORK = {"network", "hosting", "asn", "as_name", "country", "upstreams"}


@dataclass(frozen=True, slots=True)
class Rejected:
    """How many lines were no records, and the first of them with its reason."""

    count: int
    line: int
    reason: str


# Registrations


def parse_facts(text: str, where: str) -> tuple[list[Registration], list[Holding]]:
    """Return what a file says of names and of networks. Raises SourceError naming the object."""
    try:
        value = json.loads(text)
    except (json.JSONDecodeError, RecursionError) as error:
        line = getattr(error, "lineno", 1)
        raise SourceError(f"is no JSON: {error}", where=f"{where}:{line}") from error
    objects = value if isinstance(value, list) else [value]
    names: list[Registration] = []
    networks: list[Holding] = []
    for number, one in enumerate(objects, 1):
        place = f"{where}: object {number}"
        try:
            for fact in _fact(one, place, f"analyst:{where}"):
                (names if isinstance(fact, Registration) else networks).append(fact)  # type: ignore[arg-type]
        except _MALFORMED as error:
            raise SourceError(f"is malformed: {error}", where=place) from error
    return names, networks


def _fact(one: Any, where: str, source: str) -> Iterable[Registration | Holding]:
    if not isinstance(one, dict):
        raise SourceError("is no object", where=where, hint="keys: name, registrar, ...")
    match one.get("objectClassName"):
        case "domain":
            return (_rdap_domain(one, source),)
        case "ip network":
            return _rdap_network(one, source)
    if "network" in one:
        _only(one, _OF_NETWORK, where)
        return (_holding(one, source),)
    _only(one, _OF_NAME, where)
    if not _name(one.get("name")):
        raise SourceError("names neither a name nor a network", where=where)
    return (_registration(one, source),)


def _only(one: Mapping[str, Any], known: set[str], where: str) -> None:
    if strange := sorted(set(one) - known):
        raise SourceError(
            f"unknown key {strange[0]!r}", where=where, hint="known: " + ", ".join(sorted(known))
        )


def _registration(one: Mapping[str, Any], source: str) -> Registration:
    return Registration(
        name=_name(one["name"]), registrar=_text(one.get("registrar")),
        registry=_text(one.get("registry")), name_servers=_names(one.get("name_servers")),
        registrant=_text(one.get("registrant")), created=_time(one.get("created")),
        country=_country(one.get("country")), source=source,
    )  # fmt: skip


def _holding(one: Mapping[str, Any], source: str) -> Holding:
    asn = _text(one.get("asn"))
    return Holding(
        network=str(ip_network(str(one["network"]), strict=False)),
        hosting=_text(one.get("hosting")), asn=asn.upper().removeprefix("AS") if asn else None,
        as_name=_text(one.get("as_name")), country=_country(one.get("country")),
        upstreams=tuple(str(u).strip() for u in one.get("upstreams") or ()), source=source,
    )  # fmt: skip


def _rdap_domain(one: Mapping[str, Any], source: str) -> Registration:
    parties = dict(_parties(one))
    events = {e.get("eventAction"): e.get("eventDate") for e in one.get("events") or ()}
    registrant = parties.get("registrant", {})
    return Registration(
        name=_name(one.get("ldhName") or one["unicodeName"]),
        registrar=parties.get("registrar", {}).get("name"),
        name_servers=_names([s.get("ldhName") for s in one.get("nameservers") or ()]),
        registrant=registrant.get("handle"), created=_time(events.get("registration")),
        country=_country(registrant.get("country")), source=source,
    )  # fmt: skip


def _rdap_network(one: Mapping[str, Any], source: str) -> Iterable[Holding]:
    first, last = ip_address(one["startAddress"]), ip_address(one["endAddress"])
    parties = dict(_parties(one))
    holder = parties.get("registrant", {}).get("name") or one.get("name") or one.get("handle")
    return tuple(
        Holding(str(network), hosting=_text(holder), country=_country(one.get("country")),
                source=source)
        for network in summarize_address_range(first, last)
    )  # fmt: skip


def _parties(one: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, str | None]]]:
    """Give each role of an RDAP object with its handle, organisation and country (jCard, RFC 7095)."""
    for entity in one.get("entities") or ():
        card = {field[0]: field for field in (entity.get("vcardArray") or [0, []])[1]}
        named = card.get("org") or card.get("fn")
        address = card.get("adr")
        party = {
            "handle": _text(entity.get("handle")),
            "name": _text(named[3]) if named else _text(entity.get("handle")),
            "country": _text(address[1].get("cc")) if address else None,
        }
        for role in entity.get("roles") or ():
            yield str(role), party


# Passive DNS


def parse_pdns(lines: Iterable[str], where: str) -> tuple[list[PdnsRecord], Rejected | None]:
    """Return the records of Common Output Format lines or CSV, and what was refused.

    Raises SourceError when not one line is a record.
    """
    records: list[PdnsRecord] = []
    refused: Rejected | None = None
    columns, rows = _pdns_rows(lines)
    if columns and (missing := [c for c in ("rrname", "rrtype", "rdata") if c not in columns]):
        raise SourceError(f"lacks the columns {', '.join(missing)}", where=f"{where}:1", hint=_LINE)
    for line, text in rows:
        try:
            row = dict(zip(columns, next(csv.reader([text])), strict=False)) if columns else None
            records += _records(row if row is not None else json.loads(text), where)
        except (*_MALFORMED, csv.Error, StopIteration) as error:
            reason = f"{type(error).__name__}: {error}"
            before = refused or Rejected(0, line, reason)
            refused = Rejected(before.count + 1, before.line, before.reason)
    if not records:
        raise SourceError(
            refused.reason if refused else "holds no record",
            where=f"{where}:{refused.line}" if refused else where,
            hint=_LINE,
        )
    return records, refused


def _pdns_rows(lines: Iterable[str]) -> tuple[list[str], Iterator[tuple[int, str]]]:
    """Return the columns of CSV (none: JSON) and the lines that hold something, numbered."""
    rows = iter(lines)
    first = next(rows, "").lstrip("\ufeff")
    rest = ((at, line) for at, line in enumerate(rows, 2) if line.strip())
    if first.lstrip().startswith("{"):
        return [], chain([(1, first)], rest)
    try:
        columns = [c.strip().lower() for c in next(csv.reader([first]), [])]
    except csv.Error:
        columns = []
    return columns or ["?"], rest


def _records(row: Mapping[str, Any], where: str) -> Iterator[PdnsRecord]:
    rdata = row["rdata"]
    answers = rdata if isinstance(rdata, list) else [rdata]
    kind = str(row["rrtype"]).strip().upper()
    name = _name(row["rrname"])
    if not name or not kind.isalnum():
        raise ValueError(f"rrname {row['rrname']!r}, rrtype {row['rrtype']!r}")
    sensor = _text(row.get("sensor")) or _text(row.get("sensor_id"))
    first, last = (_time(row.get(k) or row.get(f"zone_{k}")) for k in ("time_first", "time_last"))
    for answer in answers:
        value = _name(answer)
        if kind in ("A", "AAAA"):
            value = str(ip_address(value))
        yield PdnsRecord(
            name, kind, value, first, last, int(row.get("count") or 1), f"pdns:{sensor or where}"
        )


# Values


def _name(value: Any) -> str:
    return str(value or "").strip().lower().rstrip(".")


def _names(value: Any) -> tuple[str, ...]:
    return tuple(sorted({n for one in value or () if (n := _name(one))}))


def _text(value: Any) -> str | None:
    text = str(value).strip() if value is not None and not isinstance(value, list) else ""
    return text or None


def _country(value: Any) -> str | None:
    text = _text(value)
    if text is None:
        return None
    if not (len(text) == 2 and text.isascii() and text.isalpha()):
        raise ValueError(f"country is {text!r}, not two letters such as JP")
    return text.upper()


def _time(value: Any) -> datetime | None:
    """Return a time: seconds since 1970, or ISO 8601 (UTC where no zone is named)."""
    text = _text(value)
    if text is None:
        return None
    with suppress(ValueError, OverflowError, OSError):
        return datetime.fromtimestamp(float(text), UTC)
    time = datetime.fromisoformat(text)
    return time if time.tzinfo else time.replace(tzinfo=UTC)
