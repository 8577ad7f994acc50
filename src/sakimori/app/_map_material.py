"""A hunt's report, intelligence, the lake and an analyst's files -> the material of a map."""

from __future__ import annotations

import gzip
from collections import defaultdict
from typing import TYPE_CHECKING, Any

from sakimori.app import _map_rows as rows
from sakimori.errors import SourceError
from sakimori.takedown import known as public
from sakimori.takedown import map as mapper
from sakimori.takedown.map import facts, fallback, model
from sakimori.verdicts.company import peers_of
from sakimori.verdicts.judge import JOINS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import datetime
    from pathlib import Path

    from sakimori.app.mapping import Files
    from sakimori.app.results import Answers, Report
    from sakimori.takedown.map.model import Note, PdnsRecord
    from sakimori.verdicts.model import Botnet, Finding, Host

_P2P_SHARE = 0.5  # of a botnet's bots must talk to strangers as peers


def material_of(
    lake: Answers, report: Report, intel: list[dict[str, Any]], files: Files
) -> tuple[mapper.Material, list[Note]]:
    warnings: list[Note] = []
    hosts = {h.host: h for h in report.hosts}
    said = _said_by(intel)
    contacts = tuple(_contacts(report, hosts))
    controllers = sorted({c.controller for c in contacts if c.controller})
    crowds, resolvers = rows.sinkhole_of(lake)
    if resolvers:
        warnings.append(model.Note("", "resolvers", {"count": resolvers}))
    registrations, holdings = _facts(files.registration)
    material = mapper.Material(
        contacts=contacts,
        crowds=(*crowds, *rows.events_of(lake, controllers)),
        suspects=tuple(_suspects(report, controllers, said)),
        pdns=_pdns(files.pdns, warnings),
        traits=(*rows.traits_of(lake, controllers), *_habits(hosts)),
        registrations=tuple(registrations),
        holdings=tuple(holdings),
        ways=tuple(_ways(files.fallback)),
        sinkholes=frozenset(row["value"] for row in intel if row["sinkhole"]),
        lore=tuple(_lore(report.botnets, intel, set(controllers))),
        peer_to_peer=frozenset(b.botnet for b in report.botnets if _is_p2p(b, hosts)),
        generators=frozenset(b.botnet for b in report.botnets if _makes_names(b, hosts)),
    )
    return material, warnings


def _said_by(intel: Iterable[Mapping[str, Any]]) -> dict[str, tuple[str, ...]]:
    said: defaultdict[str, set[str]] = defaultdict(set)
    for row in intel:
        said[row["value"]].add(f"intel:{row['source']}")
    return {value: tuple(sorted(sources)) for value, sources in said.items()}


def _contacts(report: Report, hosts: Mapping[str, Host]) -> Iterator[model.Contact]:
    """Give what each bot of each botnet calls; a bot that calls nothing known, once, with nothing."""
    for botnet in report.botnets:
        of_bot: defaultdict[str, list[str]] = defaultdict(list)
        for controller in report.controllers:
            if controller.score >= JOINS or controller.sinkhole:
                for bot in set(botnet.bots).intersection(controller.bots):
                    of_bot[bot].append(controller.controller)
        for bot in botnet.bots:
            yield from _of_bot(botnet.botnet, hosts[bot], of_bot[bot])


def _of_bot(botnet: str, host: Host, controllers: Sequence[str]) -> Iterator[model.Contact]:
    peers = _peers(host)
    for controller in controllers:
        if controller not in peers:
            yield _contact(botnet, host, controller, "server")
    for peer in sorted(peers):
        yield _contact(botnet, host, peer, "peer")
    if not controllers and not peers:
        yield model.Contact(host.host, "", botnet)


def _contact(botnet: str, host: Host, controller: str, kind: str) -> model.Contact:
    about = [f for f in host.findings if controller in peers_of(f)]
    ports = sorted({f.peer_port for f in about if f.peer_port is not None})
    return model.Contact(
        host.host, controller, botnet, kind, ports[0] if ports else None,
        min((f.first_seen for f in about), default=None),
        max((f.last_seen for f in about), default=None),
        max((f.count for f in about), default=1),
    )  # fmt: skip


def _peers(host: Host) -> set[str]:
    """Return the peers of a host that talks to strangers on one port of theirs."""
    ports = {
        f.details.get("port") for f in host.findings
        if f.detector == "p2p" and not f.details.get("sharing")
    } - {None}  # fmt: skip
    return {
        f.peer for f in host.findings
        if f.peer and f.peer_port in ports and public.is_address(f.peer) and _commands(f)
    }  # fmt: skip


def _commands(finding: Finding) -> bool:
    return finding.detector in ("beacon", "long_connection", "synchrony", "intelligence")


def _is_p2p(botnet: Botnet, hosts: Mapping[str, Host]) -> bool:
    """Whether at least half of the bots talk to strangers as peers, and do not share files."""
    talking = sum(
        any(f.detector == "p2p" and not f.details.get("sharing") for f in hosts[bot].findings)
        for bot in botnet.bots
    )
    return talking >= max(1.0, _P2P_SHARE * len(botnet.bots))


def _makes_names(botnet: Botnet, hosts: Mapping[str, Host]) -> bool:
    return any(
        f.detector == "dga" and f.details.get("basis") == "names" and f.score >= 0.5
        for bot in botnet.bots
        for f in hosts[bot].findings
    )


def _suspects(
    report: Report, controllers: Sequence[str], said: Mapping[str, tuple[str, ...]]
) -> Iterator[model.Suspect]:
    wanted = set(controllers)
    for one in report.controllers:
        if one.controller in wanted:
            yield model.Suspect(
                one.controller, one.score, one.port, one.families, one.sinkhole,
                said.get(one.controller, ()),
            )  # fmt: skip


def _lore(
    botnets: Iterable[Botnet], intel: Iterable[Mapping[str, Any]], called: set[str]
) -> Iterator[model.Lore]:
    """Give what intelligence reports for the family of each botnet."""
    of_family: defaultdict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for row in intel:
        if row["family"] and row["kind"] in ("address", "name", "url") and not row["sinkhole"]:
            of_family[row["family"].lower()].append(row)
    for botnet in botnets:
        for row in of_family.get((botnet.family or "").lower(), ()):
            if row["value"] not in called:
                yield model.Lore(
                    botnet.botnet, str(botnet.family), row["value"], f"intel:{row['source']}",
                    row["first_seen"],
                )  # fmt: skip


def _habits(hosts: Mapping[str, Host]) -> Iterator[model.Trait]:
    """Give when controllers are obeyed: order times, intervals, the day they were first seen."""
    begin = min((f.first_seen for h in hosts.values() for f in h.findings), default=None)
    for host in hosts.values():
        for finding in host.findings:
            for kind, value in _timing(finding, begin):
                for peer in peers_of(finding):
                    yield model.Trait(peer, kind, value, finding.first_seen, finding.last_seen)


def _timing(finding: Finding, begin: datetime | None) -> Iterator[tuple[str, str]]:
    details = finding.details
    if finding.detector == "synchrony" and details.get("ordered_at"):
        yield "schedule", f"{str(details['ordered_at'])[11:16]} {details.get('act')}"
    if finding.detector == "beacon" and details.get("period_s"):
        yield "period", _period(float(details["period_s"]))
    if begin is not None and finding.first_seen.date() > begin.date():
        yield "first_day", f"{finding.first_seen:%Y-%m-%d}"


def _period(seconds: float) -> str:
    """Return an interval to two figures: what two builds of one bot may share."""
    return f"{float(f'{seconds:.2g}'):g} s"


def beats_elsewhere(
    findings: Sequence[Finding], material: mapper.Material
) -> dict[tuple[str, str], int]:
    """Return how many peers that are no controllers are called at each interval, or from each day."""
    ours = {c.controller for c in material.contacts}
    begin = min((f.first_seen for f in findings), default=None)
    peers: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
    for finding in findings:
        for key in _timing(finding, begin):
            peers[key].update(p for p in peers_of(finding) if p not in ours)
    return {key: len(its) for key, its in peers.items()}


# Files


def text_of(path: Path) -> str:
    """Return a file's text, gzip unpacked. Raises SourceError when it cannot be read."""
    try:
        data = path.read_bytes()
        return (gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data).decode("utf-8-sig")
    except (OSError, EOFError, ValueError) as error:
        raise SourceError(
            getattr(error, "strerror", None) or f"cannot be read: {error}", where=str(path)
        ) from error


def _facts(path: Path | None) -> tuple[list[model.Registration], list[model.Holding]]:
    return facts.parse_facts(text_of(path), path.name) if path else ([], [])


def _ways(path: Path | None) -> list[model.Way]:
    return fallback.parse_ways(text_of(path), path.name) if path else []


def _pdns(path: Path | None, warnings: list[Note]) -> tuple[PdnsRecord, ...]:
    if path is None:
        return ()
    records, refused = facts.parse_pdns(text_of(path).splitlines(), path.name)
    if refused:
        told = {"count": refused.count, "source": path.name, "line": refused.line,
                "reason": refused.reason}  # fmt: skip
        warnings.append(model.Note("", "refused", told))
    return tuple(records)
