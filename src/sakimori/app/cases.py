"""A takedown as a case: opened on what a hunt found, planned, approved, carried out, measured.

Every step is a record in the case's chain of evidence. Nothing is carried out that is not approved,
covered by an authority and in force.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sakimori.app import contract, mapping
from sakimori.app.evidencing import Evidence, folder_of, user
from sakimori.app.files import read_json, write_whole
from sakimori.errors import ConfigError, RefusedError, SourceError
from sakimori.state import Approval, Authority, CaseRecord, Cases, Proposal
from sakimori.takedown import acting
from sakimori.takedown.evidence.custody import TLP
from sakimori.takedown.map.model import value_of as in_id
from sakimori.takedown.plan import Limits, Lists, Plan, as_object, graph_of, make_plan

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from sakimori.app.workspace import Workspace
    from sakimori.takedown.acting import Standing

BLOCKABLE = {
    "name": "name", "controller_name": "name", "address": "address", "peer": "address",
    "controller_address": "address", "url": "url",
}  # fmt: skip
DAYS = 30  # a block ends after this many days unless said otherwise
MOST_APPROVALS = 9


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """How a case is opened. `botnets` empty: all of the last hunt. `files`: what an analyst adds."""

    botnets: tuple[str, ...] = ()
    tlp: str = "AMBER"
    approvals: int = 1
    files: mapping.Files = field(default_factory=mapping.Files)


@dataclass(frozen=True, slots=True)
class Shown:
    """A proposal and where it stands."""

    proposal: Proposal
    standing: Standing


class Case:
    """An open case and who works on it."""

    def __init__(self, ws: Workspace, name: str, actor: str = "") -> None:
        """Use a case that was opened. Raises SourceError when there is none of that name."""
        self.ws = ws
        self.cases = Cases(ws.store)
        self.record: CaseRecord = self.cases.get(name)
        self.actor = actor or user()
        self.folder = ws.folder / "cases" / name
        self.evidence = Evidence.of(name, ws.folder, actor=self.actor)

    @property
    def name(self) -> str:
        """The case's name."""
        return self.record.name

    def check_open(self) -> None:
        """Raise RefusedError when the case is closed: nothing is changed in it any more."""
        if self.record.closed is not None:
            raise RefusedError(f"the case {self.name} was closed at {self.record.closed:%Y-%m-%d}",
                               hint="open another one")  # fmt: skip

    # Authority

    def authorise(
        self,
        kind: str,
        covers: Sequence[str],
        reference: str,
        *,
        file: Path | None = None,
        expires: datetime | None = None,
    ) -> Authority:
        """Put on record why we may act. A court order needs its file.

        Raises ConfigError for an unknown kind, no scope or no reference.
        """
        self.check_open()
        if kind not in acting.AUTHORITIES:
            raise ConfigError(f"no authority is named {kind!r}", hint=", ".join(acting.AUTHORITIES))
        if not [c for c in covers if c.strip()]:
            raise ConfigError("an authority covers something", hint="--covers NAME, CIDR or '*'")
        if not reference.strip():
            raise ConfigError("an authority needs a reference", hint="--reference 'order 12/2026'")
        if kind == "court-order" and file is None:
            raise ConfigError("a court order needs its file", hint="--file order.pdf")
        made = self.evidence.record(
            "approval",
            {"what": "authority", "kind": kind, "covers": list(covers), "reference": reference,
             "expires": expires},
            [file] if file else (),
        )  # fmt: skip
        authority = Authority(
            case=self.name, kind=kind, covers=[c.strip() for c in covers], reference=reference,
            file_sha256=next((o.sha256 for o in made.objects if o), ""),
            added=_now(), added_by=self.actor, expires=expires,
        )  # fmt: skip
        self.cases.authorise(authority)
        return authority

    def authorities(self) -> list[Authority]:
        """Return every authority of the case, expired ones too."""
        return self.cases.authorities(self.name)

    # Plan

    def graph(self) -> dict[str, Any]:
        """Return the case's graph, each resource with the authority that covers it."""
        graph: dict[str, Any] = read_json(self.folder / "graph.json")
        authorities, now = self.authorities(), _now()
        for resource in graph.get("resources", ()):
            found = acting.covering(value_of(resource), authorities, now)
            if found is not None and not resource.get("authority"):
                resource["authority"] = f"{found.kind}: {found.reference}"
        return graph

    def plan(self, limits: Limits, lists: Lists, days: int = DAYS) -> tuple[Plan, list[Proposal]]:
        """Plan the cuts, record the plan, and propose each cut that is not proposed already."""
        self.check_open()
        graph = self.graph()
        where = str(self.folder / "graph.json")
        lists = replace(lists, sinkholes=frozenset(lists.sinkholes) | _sinkholes(self.ws))
        made = make_plan(graph_of(graph, where, limits), lists)
        written = self.folder / "plan.json"
        write_whole(written, json.dumps(as_object(made), indent=1, ensure_ascii=False) + "\n")
        limited = {k: v for k, v in asdict(limits).items() if k != "seconds"}
        self.evidence.record(
            "plan",
            {"what": "plan of cuts", "limits": limited, "cuts": list(made.cuts),
             "bots": made.bots, "all_bots": made.all_bots, "optimal": made.optimal},
            [self.folder / "graph.json", written],
        )  # fmt: skip
        resources = {str(r["id"]): r for r in graph["resources"]}
        wanted = [_cut(resources[cut]) for cut in made.cuts]
        return made, self.propose(wanted, f"plan: isolates {made.bots:g} bots", days)

    # Proposals

    def propose(
        self, acts: Iterable[tuple[str, Mapping[str, Any]]], why: str, days: int = DAYS
    ) -> list[Proposal]:
        """Propose acts (kind, what), without those that stand already; recorded as evidence."""
        self.check_open()
        now = _now()
        standing = [
            (s.proposal.kind, s.proposal.what) for s in self.proposals()
            if s.standing.state in ("proposed", "approved", "done")
        ]  # fmt: skip
        new = [
            Proposal(
                case=self.name, kind=kind, what=dict(what), why=why, created=now,
                created_by=self.actor, expires=now + timedelta(days=days) if days else None,
            )
            for kind, what in acts
            if (kind, dict(what)) not in standing
        ]  # fmt: skip
        if not new:
            return []
        kept = self.cases.propose(new)
        self.evidence.record(
            "plan",
            {"what": "proposals", "proposals": [
                {"id": p.id, "kind": p.kind, "what": p.what, "why": p.why, "expires": p.expires}
                for p in kept
            ]},
        )  # fmt: skip
        return kept

    def proposals(self) -> list[Shown]:
        """Return every proposal with where it stands now."""
        approvals, authorities = self.cases.approvals(self.name), self.authorities()
        now = _now()
        return [
            Shown(p, acting.standing(p, approvals, authorities, self.record.approvals, now))
            for p in self.cases.proposals(self.name)
        ]

    def approve(self, ids: Sequence[int], by: str, note: str = "") -> list[Shown]:
        """Record a person's yes to proposals; all of them, or none.

        Raises RefusedError for one without authority, expired, done or refused, or approved by the
        same person before; SourceError for an unknown id.
        """
        self.check_open()
        if not by.strip():
            raise ConfigError("an approval needs a name", hint="--by NAME")
        chosen = self._chosen(ids)
        for shown in chosen:
            _check_open(shown, by)
        now = _now()
        self.evidence.record(
            "approval", {"what": "proposals", "ids": [s.proposal.id for s in chosen], "by": by,
                         "note": note},
        )  # fmt: skip
        self.cases.approve(
            [Approval(proposal=s.proposal.id, by=by, at=now, note=note) for s in chosen]
        )
        return self._chosen(ids)

    def reject(self, ids: Sequence[int], reason: str) -> None:
        """Turn proposals down for good, with the reason."""
        self.check_open()
        chosen = self._chosen(ids)
        self.evidence.record("approval", {"what": "rejected", "ids": list(ids), "reason": reason})
        self.cases.mark([s.proposal.id for s in chosen], "rejected")

    def undo(self, ids: Sequence[int], reason: str) -> None:
        """Take acts back: the next block file leaves their entries out, and its changes remove them."""
        self.check_open()
        chosen = self._chosen(ids)
        wrong = next((s for s in chosen if s.standing.state not in ("approved", "done")), None)
        if wrong is not None:
            raise RefusedError(f"proposal {wrong.proposal.id} is {wrong.standing.state}, so there is"
                               " nothing to undo")  # fmt: skip
        self.evidence.record("act", {"what": "undo", "ids": list(ids), "reason": reason})
        self.cases.mark([s.proposal.id for s in chosen], "undone")

    def ready(self, kind: str) -> list[Shown]:
        """Return the proposals of a kind that may be carried out now."""
        return [s for s in self.proposals() if s.proposal.kind == kind and s.standing.may_act]

    def done(self, ids: Sequence[int]) -> None:
        """Mark proposals as carried out."""
        self.cases.mark(ids, "done")

    def close(self, reason: str) -> None:
        """Close the case; it can still be read, measured and exported."""
        self.check_open()
        self.evidence.record("note", {"what": "closed", "reason": reason})
        self.cases.close(self.name, _now())

    def _chosen(self, ids: Sequence[int]) -> list[Shown]:
        known = {s.proposal.id: s for s in self.proposals()}
        missing = next((i for i in ids if i not in known), None)
        if missing is not None:
            raise SourceError(f"there is no proposal {missing} in this case", where=self.name,
                              hint=f"see `sakimori case proposals {self.name}`")  # fmt: skip
        if not ids:
            raise ConfigError("no proposal is named", hint="give ids, or --all")
        return [known[i] for i in dict.fromkeys(ids)]


def open_case(ws: Workspace, name: str, opening: Opening, actor: str = "") -> Case:
    """Open a case on the last hunt: its findings, its map, and where every row came from.

    Raises SourceError when there was no hunt, a botnet is unknown or the name is taken, ConfigError
    for a malformed name, TLP or number of approvals. Nothing is left behind by a failure.
    """
    folder_of(ws.folder, name)  # refuses a malformed name
    if opening.tlp not in TLP:
        raise ConfigError(f"{opening.tlp!r} is no TLP label", hint=", ".join(TLP))
    if not 1 <= opening.approvals <= MOST_APPROVALS:
        raise ConfigError(f"{opening.approvals} approvals are not possible",
                          hint=f"1 to {MOST_APPROVALS}")  # fmt: skip
    graph = _graph(ws, opening)
    who = actor or user()
    report = ws.report()
    Cases(ws.store).add(
        CaseRecord(
            name=name, botnets=list(opening.botnets), opened=_now(), opened_by=who, closed=None,
            tlp=opening.tlp, approvals=opening.approvals,
        )
    )  # fmt: skip
    case = Case(ws, name, who)
    case.folder.mkdir(parents=True, exist_ok=True)
    write_whole(case.folder / "graph.json", json.dumps(graph, indent=1) + "\n")
    write_whole(case.folder / "report.json", json.dumps(contract.as_object(report)) + "\n")
    case.evidence.begin()
    case.evidence.record(
        "note", {"what": "case opened", "botnets": list(opening.botnets), "tlp": opening.tlp,
                 "approvals": opening.approvals},
    )  # fmt: skip
    _record_inputs(case)
    bots = sorted({b for n in report.botnets if _chosen(n.botnet, opening) for b in n.bots})
    case.evidence.record(
        "finding", {"what": "hunt report", "bots": len(bots)}, [case.folder / "report.json"]
    )
    case.evidence.record("finding", {"what": "map"}, [case.folder / "graph.json"])
    return case


def _chosen(botnet: str, opening: Opening) -> bool:
    return not opening.botnets or botnet in opening.botnets


def _graph(ws: Workspace, opening: Opening) -> dict[str, Any]:
    asked = mapping.Asked(files=opening.files)
    parts = [mapping.graph_of(ws, b, asked) for b in opening.botnets or (mapping.EVERY,)]
    resources = {r["id"]: r for part in parts for r in part["resources"]}
    groups = {g["id"]: g for part in parts for g in part["groups"]}
    return {"resources": list(resources.values()), "groups": list(groups.values())}


def _record_inputs(case: Case) -> None:
    """Record every imported file: by its hash when imported, and as it lies there today."""
    for source in case.ws.store.sources():
        path = Path(source.path)
        there = path.is_file()
        case.evidence.record(
            "input",
            {"path": source.path, "format": source.format, "source_id": source.id,
             "content_hash_at_import": source.total_hash, "imported": source.imported,
             "rejected": source.rejected, "still_there": there},
            [path] if there else (),
            copy=False,
        )  # fmt: skip


def _sinkholes(ws: Workspace) -> frozenset[str]:
    """Return the names and addresses that intelligence in force marks as sinkholes."""
    import pyarrow as pa  # noqa: PLC0415 - slow to import
    import pyarrow.compute as pc  # noqa: PLC0415

    known = ws.intel()
    in_force = pc.or_kleene(pc.is_null(known["expires"]), pc.greater(known["expires"], _now()))
    rows = known.filter(pc.and_kleene(pc.fill_null(known["sinkhole"], False), in_force))
    return frozenset(
        rows.filter(pc.is_in(rows["kind"], pa.array(["address", "name"])))["value"].to_pylist()
    )


def value_of(resource: Mapping[str, Any]) -> str:
    """Return the name, address or URL that a resource of a graph is about."""
    given = resource.get("value")
    ident = str(resource["id"])
    return str(given) if given else in_id(ident) or ident


def _cut(resource: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """Return the proposal for a cut: a block where a block list can say it, else a request."""
    kind = BLOCKABLE.get(str(resource.get("kind")))
    entry = {"kind": kind or str(resource.get("kind")), "value": value_of(resource)}
    what = {"entries": [entry], "partner": str(resource.get("partner") or "")}
    return ("block" if kind else "request"), what


def _check_open(shown: Shown, by: str) -> None:
    proposal, state = shown.proposal, shown.standing
    if state.lacking:
        raise RefusedError(
            f"proposal {proposal.id} has no authority for {state.lacking[0]}",
            hint="sakimori case authority CASE --kind court-order --covers ... --file ...",
        )
    if state.state not in ("proposed", "approved"):
        raise RefusedError(f"proposal {proposal.id} is {state.state}")
    if acting.person(by) in {acting.person(p) for p in state.by}:
        raise RefusedError(f"{by} approved proposal {proposal.id} before",
                           hint="where two people must approve, another one is needed")  # fmt: skip


def _now() -> datetime:
    return datetime.now(UTC)
