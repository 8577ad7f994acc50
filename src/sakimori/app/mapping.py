"""The map of a workspace's botnets: what the hunt, intelligence, the lake and the analyst know."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from sakimori.app._map_material import beats_elsewhere, material_of, text_of
from sakimori.app._map_rows import PdnsOf, elsewhere, events_of, pdns_of, sinkhole_of
from sakimori.app.files import write_whole
from sakimori.errors import ConfigError, SourceError
from sakimori.i18n import Translator
from sakimori.takedown import known as public
from sakimori.takedown import map as mapper

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    from sakimori.app.results import Answers, Report
    from sakimori.app.workspace import Workspace
    from sakimori.takedown.map.model import BotnetMap, Note, PdnsRecord
    from sakimori.takedown.map.pivots import Proposal

__all__ = [
    "EVERY", "Asked", "Files", "as_json", "events_of", "graph_of", "map_of", "pdns_of", "picture",
    "proposals_of", "sinkhole_of",
]  # fmt: skip
EVERY = "*"


@dataclass(frozen=True, slots=True, kw_only=True)
class Files:
    """What an analyst brings: paths, each may be missing."""

    pdns: Path | None = None
    registration: Path | None = None
    fallback: Path | None = None
    asn: Path | None = None
    known: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """How a map is wanted. `now` None: the day of the last finding, so that a map stays the same."""

    files: Files = field(default_factory=Files)
    limits: mapper.Limits = field(default_factory=mapper.Limits)
    days: int = 30
    now: datetime | None = None


def map_of(ws: Workspace, botnet: str = EVERY, asked: Asked | None = None) -> BotnetMap:
    """Return the map of a botnet, or of all. Raises SourceError for an unknown one or a bad file."""
    with ws.questions() as lake:
        return _made(ws, lake, botnet, asked or Asked())[0]


def proposals_of(ws: Workspace, asked: Asked | None = None, least: float = 0.05) -> list[Proposal]:
    """Return which of the workspace's botnets may have one operator, strongest first."""
    with ws.questions() as lake:
        drawn, material = _made(ws, lake, EVERY, asked or Asked())
        marks = mapper.marks_of(drawn, material)
        others = mapper.unrelated(drawn) | beats_elsewhere(ws.findings(), material)
        others |= elsewhere(lake, [t for its in marks.values() for t in its])
    return mapper.propose(marks, others, least)


def graph_of(ws: Workspace, botnet: str = EVERY, asked: Asked | None = None) -> dict[str, Any]:
    """Return the graph that `plan` solves."""
    asked = asked or Asked()
    known = _known(asked.files.known)
    return mapper.to_plan(map_of(ws, botnet, asked), known=known)


def _made(
    ws: Workspace, lake: Answers, botnet: str, asked: Asked
) -> tuple[BotnetMap, mapper.Material]:
    report = ws.report()
    _check(botnet, [b.botnet for b in report.botnets])
    material, warnings = material_of(lake, report, ws.intel().to_pylist(), asked.files)
    if botnet != EVERY:
        material = mapper.of_botnet(material, botnet)
    lookup = _Both(pdns_of(lake), mapper.Index(material.pdns), bool(material.pdns))
    options = mapper.Options(
        today=(asked.now or _last(report)).date(), days=asked.days, limits=asked.limits,
        known=_known(asked.files.known), lookup=None if lookup.is_empty else lookup,
        asn=_asn(asked.files.asn),
    )  # fmt: skip
    drawn = mapper.make(material, options)
    return _warned(drawn, warnings), material


def _warned(drawn: BotnetMap, more: Iterable[Note]) -> BotnetMap:
    from dataclasses import replace  # noqa: PLC0415

    return replace(drawn, warnings=(*more, *drawn.warnings))


def _check(botnet: str, known: Sequence[str]) -> None:
    if botnet == EVERY or botnet in known:
        return
    near = get_close_matches(botnet, known, 1)
    raise SourceError(
        "no botnet of the last hunt is named so", where=botnet,
        hint=f"did you mean {near[0]}?" if near else "see `sakimori botnets`",
    )  # fmt: skip


def _last(report: Report) -> datetime:
    times = [f.last_seen for h in report.hosts for f in h.findings]
    return max(times, default=datetime.now(UTC))


class _Both:
    """Two `Lookup`s as one: the lake's and a file's."""

    def __init__(self, lake: PdnsOf, file: mapper.Index, has_file: bool) -> None:
        """Take both; `has_file`: the file holds records."""
        self._parts: tuple[mapper.Lookup, mapper.Lookup] = (lake, file)
        self.is_empty = lake.is_empty and not has_file

    def of_names(self, names: Sequence[str]) -> Iterable[PdnsRecord]:
        """Give every record of these names."""
        return [record for part in self._parts for record in part.of_names(names)]

    def at_values(self, values: Sequence[str]) -> Iterable[PdnsRecord]:
        """Give every record whose answer is one of these."""
        return [record for part in self._parts for record in part.at_values(values)]

    def counts(self, values: Sequence[str]) -> Mapping[str, int]:
        """Return how many names have each as an answer: the larger number, for they overlap."""
        ours, theirs = (part.counts(values) for part in self._parts)
        return {v: max(ours.get(v, 0), theirs.get(v, 0)) for v in values}


def picture(drawn: BotnetMap, path: Path, botnet: str, home: str | None, lang: str) -> None:
    """Write the map as SVG or HTML, by the file's ending. Raises ConfigError for another one."""
    from sakimori.takedown.map.draw import svg  # noqa: PLC0415
    from sakimori.takedown.map.page import html  # noqa: PLC0415

    say, title = Translator(lang), "" if botnet == EVERY else botnet
    if path.suffix.lower() == ".svg":
        text = svg(drawn, say, title) + "\n"
    elif path.suffix.lower() in (".html", ".htm"):
        text = html(drawn, say, title, home)
    else:
        raise ConfigError(
            f"{path.name} is neither .svg nor .html", hint="such as --graph botnet.svg"
        )
    write_whole(path, text)


def as_json(graph: Mapping[str, Any]) -> str:
    """Return a graph as the text of a file."""
    return json.dumps(graph, indent=1, ensure_ascii=True) + "\n"


def _known(path: Path | None) -> public.Known:
    return public.parse(text_of(path).splitlines(), path.name) if path else public.BUILTIN


def _asn(path: Path | None) -> Callable[[str], Any]:
    if path is None:
        return lambda _address: None
    from sakimori.intel import asn  # noqa: PLC0415 - only when a table is given

    return asn.load(path).find
