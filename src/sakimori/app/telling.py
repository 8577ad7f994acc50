"""A report in words and tables, for people, in their language."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sakimori.i18n import Translator
from sakimori.verdicts.explain import sentence

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sakimori.app.detecting import Coverage
    from sakimori.app.results import Report
    from sakimori.verdicts.model import Host

VERDICT_WORDS = {"infected": "infected", "suspected": "suspected", "clean": "clean"}
KIND_WORDS = {"address": "address", "name": "name"}


@dataclass(frozen=True, slots=True)
class Block:
    """A titled table, lines of text, or both."""

    title: str = ""
    columns: tuple[str, ...] = ()
    rows: tuple[dict[str, Any], ...] = ()
    styles: Mapping[str, str] = field(default_factory=dict)
    lines: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Told:
    """What to print, in order."""

    blocks: tuple[Block, ...]


def tell(report: Report, lang: str, workspace: str) -> Told:
    """Return a report as blocks to print. Values in rows are raw: the printer escapes them."""
    say = Translator(lang)
    blocks = (
        _summary(report, say),
        _hosts(report, say, lang),
        _controllers(report, say),
        _botnets(report, say),
        _not_run(report, say),
        Block(lines=_next(report, say, workspace)),
    )
    return Told(tuple(b for b in blocks if b.rows or b.lines))


def _summary(report: Report, say: Translator) -> Block:
    infected = sum(h.verdict == "infected" for h in report.hosts)
    rows = sum(s.rows for s in report.sources)
    times = [s.first for s in report.sources if s.first] + [
        s.last for s in report.sources if s.last
    ]
    span = f"{min(times):%Y-%m-%d %H:%M} - {max(times):%Y-%m-%d %H:%M} UTC" if times else "-"
    lines = [
        say.tr("{infected} infected, {suspected} suspected, {clean} clean hosts",
               infected=infected, suspected=len(report.hosts) - infected, clean=report.clean),
        say.tr("from {rows} records, {span}", rows=rows, span=span),
        *(say.tr("Warning: {warning}", warning=w.told(say)) for w in report.warnings),
    ]  # fmt: skip
    if report.hidden:
        lines.append(
            say.tr("{hidden} findings are set aside by the allow list", hidden=report.hidden)
        )
    return Block(lines=tuple(lines))


def _hosts(report: Report, say: Translator, lang: str) -> Block:
    host, verdict, score, does, why = (
        say.tr(t) for t in ("host", "verdict", "score", "does", "why")
    )
    return Block(
        title=say.tr("Hosts"),
        styles={say.tr("infected"): "bold red", say.tr("suspected"): "yellow"},
        columns=(host, verdict, score, does, why),
        rows=tuple(
            {
                host: h.host,
                verdict: say.tr(VERDICT_WORDS[h.verdict]),
                score: h.score,
                does: [say.tr(d) for d in h.does],
                why: _why(h, lang),
            }
            for h in report.hosts
        ),
    )


def _why(host: Host, lang: str) -> str:
    family = f"[{', '.join(host.families)}] " if host.families else ""
    return family + "; ".join(sentence(w.finding, lang) for w in host.counted[:3])


def _controllers(report: Report, say: Translator) -> Block:
    columns = tuple(say.tr(t) for t in ("controller", "kind", "port", "score", "bots"))
    return Block(
        title=say.tr("Controllers"),
        columns=columns,
        rows=tuple(
            dict(zip(columns, (
                c.controller + (say.tr(" (sinkhole)") if c.sinkhole else ""),
                say.tr(KIND_WORDS[c.kind]), c.port, c.score, c.bots[:6]
            ), strict=True))
            for c in report.controllers[:15]
        ),
    )  # fmt: skip


def _botnets(report: Report, say: Translator) -> Block:
    columns = tuple(say.tr(t) for t in ("botnet", "bots", "controllers", "does", "why"))
    return Block(
        title=say.tr("Botnets"),
        columns=columns,
        rows=tuple(
            dict(zip(columns, (b.botnet, len(b.bots), b.controllers[:3], [say.tr(d) for d in b.does],
                               say.tr(b.why)), strict=True))
            for b in report.botnets
        ),
    )  # fmt: skip


def _reason(coverage: Coverage, say: Translator) -> str:
    if not coverage.lacking:
        return coverage.reason
    if coverage.ran:
        return say.tr("without {columns}", columns=coverage.lacking)
    return say.tr("needs {columns}", columns=coverage.lacking)


def _not_run(report: Report, say: Translator) -> Block:
    """Say what did not look, so that silence is not taken for safety."""
    lines = [
        say.tr("not run: {detector}: {reason}", detector=c.detector, reason=_reason(c, say))
        for c in report.coverage
        if not c.ran
    ]
    lines += [
        say.tr("run in part: {detector}: {reason}", detector=c.detector, reason=_reason(c, say))
        for c in report.coverage
        if c.ran and c.reason
    ]
    return Block(lines=tuple(lines))


def _next(report: Report, say: Translator, workspace: str) -> tuple[str, ...]:
    if not report.hosts:
        return (say.tr("No host stands out. That is what these detectors can say, no more."),)
    first = report.hosts[0].host
    if not workspace:
        return (say.tr("Keep the results to look closer: add --workspace DIR to this command."),)
    return (
        say.tr(
            "Next: sakimori explain {host} --workspace {workspace}", host=first, workspace=workspace
        ),
    )
