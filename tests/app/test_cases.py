from __future__ import annotations

import json
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import sakimori
from sakimori.app import case_blocks, case_sinkhole, evidencing
from sakimori.app.cases import Case, Opening, open_case
from sakimori.errors import ConfigError, RefusedError, SourceError
from sakimori.takedown.blocks import Options
from sakimori.takedown.plan import Limits, Lists

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sakimori.app.workspace import Workspace

CONTROLLER = "203.0.113.9"


@pytest.fixture
def found(hunted: Path) -> Iterator[Workspace]:
    """Give a workspace in which 10.0.0.5 was found to call 203.0.113.9."""
    with sakimori.open(hunted) as ws:
        yield ws


@pytest.fixture(scope="module")
def _opened_once(_hunted_once: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("case") / "ws"
    shutil.copytree(_hunted_once / "ws", folder)
    with sakimori.open(folder) as ws:
        open_case(ws, "op", Opening(), "analyst")
        open_case(ws, "two", Opening(approvals=2), "analyst")
    return folder


@pytest.fixture
def cases(_opened_once: Path, tmp_path: Path) -> Iterator[Workspace]:
    """Give a workspace with the open cases op, and two, in which two people must approve."""
    with sakimori.open(shutil.copytree(_opened_once, tmp_path / "cases")) as ws:
        yield ws


@pytest.fixture
def case(cases: Workspace) -> Case:
    """Give an open case."""
    return Case(cases, "op", "analyst")


def planned(case: Case) -> list[int]:
    """Plan, and return the blocks' ids."""
    return [p.id for p in case.plan(Limits(), Lists())[1] if p.kind == "block"]


def approved(case: Case) -> list[int]:
    """Plan, authorise and approve; return the blocks' ids."""
    ids = planned(case)
    case.authorise("own-network", ["*"], "our own resolvers")
    case.approve(ids, "A. Tanaka")
    return ids


def wanted(out: Path | None = None, to: str = "rpz", **more: bool) -> case_blocks.Wanted:
    return case_blocks.Wanted(to=to, options=Options(now=datetime.now(UTC)), out=out, **more)


def kinds(case: Case) -> list[str]:
    return [r.kind for r in case.evidence.records()]


def test_a_case_opens_with_its_inputs_findings_and_map_on_record(case: Case) -> None:
    records = case.evidence.records()
    inputs = [r for r in records if r.kind == "input"]
    assert {Path(r.body["path"]).name for r in inputs} == {"conn.log", "http.log"}
    assert [r.body["what"] for r in records if r.kind == "finding"] == ["hunt report", "map"]
    graph = case.graph()
    assert any(r["id"].endswith(CONTROLLER) for r in graph["resources"])


def test_a_name_is_taken_once(case: Case) -> None:
    with pytest.raises(SourceError, match="of this name"):
        open_case(case.ws, "op", Opening())


@pytest.mark.parametrize(
    ("name", "opening", "message"),
    [
        ("../op", Opening(), "no name of a case"),
        ("op", Opening(tlp="PINK"), "no TLP label"),
        ("op", Opening(approvals=0), "0 approvals"),
        ("op", Opening(botnets=("nothing",)), "no botnet"),
    ],
)
def test_a_case_that_cannot_be_opened_leaves_nothing(
    found: Workspace, name: str, opening: Opening, message: str
) -> None:
    with pytest.raises((ConfigError, SourceError), match=message):
        open_case(found, name, opening)
    assert not (found.folder / "cases").exists()
    with pytest.raises(SourceError):
        Case(found, "op")


def test_a_plan_proposes_each_cut_once(case: Case) -> None:
    first = planned(case)
    assert first
    assert planned(case) == []
    assert json.loads((case.folder / "plan.json").read_text("utf-8"))["optimal"]


def test_what_intelligence_calls_a_sinkhole_is_not_cut(case: Case, tmp_path: Path) -> None:
    listed = tmp_path / "sinkholes.txt"
    listed.write_text(f"{CONTROLLER}\n")
    case.ws.intel_import(listed, sinkhole=True)
    made, _ = case.plan(Limits(), Lists())
    assert [r.id for r in made.refused if "sinkhole" in r.why] == [f"address:{CONTROLLER}"]
    assert not any(CONTROLLER in cut for cut in made.cuts)


def test_nothing_is_approved_without_an_authority(case: Case) -> None:
    ids = planned(case)
    with pytest.raises(RefusedError, match="no authority"):
        case.approve(ids, "A. Tanaka")


def test_a_court_order_needs_its_file_and_the_file_is_kept(case: Case, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="needs its file"):
        case.authorise("court-order", ["*"], "12/2026")
    order = tmp_path / "order.pdf"
    order.write_bytes(b"%PDF order")
    made = case.authorise("court-order", ["*"], "12/2026", file=order)
    kept = case.evidence.folder / "objects" / made.file_sha256
    assert kept.read_bytes() == b"%PDF order"


@pytest.mark.parametrize(
    ("kind", "covers", "reference"),
    [("gut feeling", ["*"], "r"), ("agreement", [" "], "r"), ("agreement", ["*"], " ")],
)
def test_an_authority_says_what_it_is(
    case: Case, kind: str, covers: list[str], reference: str
) -> None:
    with pytest.raises(ConfigError):
        case.authorise(kind, covers, reference)
    assert case.authorities() == []


def test_where_two_must_approve_one_person_is_not_enough(cases: Workspace) -> None:
    case = Case(cases, "two", "analyst")
    ids = approved(case)
    with pytest.raises(RefusedError, match="approved proposal"):
        case.approve(ids, "a. tanaka")
    with pytest.raises(RefusedError, match="nothing may be blocked yet"):
        case_blocks.block(case, wanted())
    case.approve(ids, "B. Suzuki")
    assert case_blocks.block(case, wanted()).written.count == len(ids)


def test_without_a_file_a_block_is_a_dry_run(case: Case) -> None:
    ids = approved(case)
    before = kinds(case)
    cut = case_blocks.block(case, wanted())
    assert "9.113.0.203.rpz-ip" in cut.written.text
    assert kinds(case) == before
    assert {s.standing.state for s in case.proposals() if s.proposal.id in ids} == {"approved"}


def test_a_block_file_is_written_with_its_undo_and_recorded(case: Case, tmp_path: Path) -> None:
    ids = approved(case)
    file = tmp_path / "rpz.zone"
    cut = case_blocks.block(case, wanted(file))
    assert file.read_text("utf-8") == cut.written.text
    assert CONTROLLER not in (tmp_path / "rpz.zone.undo").read_text("utf-8")
    act = case.evidence.records()[-1]
    assert (act.kind, act.body["proposals"]) == ("act", ids)
    assert {s.standing.state for s in case.proposals() if s.proposal.id in ids} == {"done"}


def test_the_same_block_twice_changes_nothing(case: Case, tmp_path: Path) -> None:
    approved(case)
    file = tmp_path / "rpz.zone"
    case_blocks.block(case, wanted(file))
    first = file.read_bytes()
    assert case_blocks.block(case, wanted(file, changes=True)).written.text == ""
    assert file.read_bytes() == first


def test_what_is_undone_leaves_the_file(case: Case, tmp_path: Path) -> None:
    ids = approved(case)
    file = tmp_path / "block.hosts"
    case_blocks.block(case, wanted(file, to="nftables"))
    assert CONTROLLER in file.read_text("utf-8")
    case.undo(ids, "a mistake")
    case_blocks.block(case, wanted(file, to="nftables"))
    assert CONTROLLER not in file.read_text("utf-8")
    with pytest.raises(RefusedError, match="nothing to undo"):
        case.undo(ids, "again")


def test_what_was_rejected_is_not_approved(case: Case) -> None:
    ids = planned(case)
    case.authorise("own-network", ["*"], "ours")
    case.reject(ids, "a hospital")
    with pytest.raises(RefusedError, match="rejected"):
        case.approve(ids, "A. Tanaka")


def test_an_expired_authority_stops_the_next_block(case: Case) -> None:
    ids = planned(case)
    soon = datetime.now(UTC) + timedelta(seconds=0.5)
    case.authorise("agreement", ["*"], "for a moment", expires=soon)
    case.approve(ids, "A. Tanaka")
    while datetime.now(UTC) < soon:
        pass
    with pytest.raises(RefusedError, match="nothing may be blocked yet"):
        case_blocks.block(case, wanted())


def test_an_unknown_proposal_is_named(case: Case) -> None:
    with pytest.raises(SourceError, match="no proposal 99"):
        case.approve([99], "A. Tanaka")


def test_a_sinkhole_holds_no_name_that_strangers_own(case: Case) -> None:
    with pytest.raises(RefusedError, match="public suffix"):
        case_sinkhole.propose(case, ["co.jp"], 30)


def test_a_sinkhole_has_settings_once_it_is_approved(case: Case, tmp_path: Path) -> None:
    site = case_sinkhole.Site(
        operator='The "CSIRT"', contact="abuse@csirt.example", addresses=("127.0.0.1",), http=0
    )
    (number,) = case_sinkhole.propose(case, ["evil.example"], 30)
    file = tmp_path / "sinkhole.toml"
    with pytest.raises(RefusedError, match="no sinkhole may be run yet"):
        case_sinkhole.settings(case, site, file)
    case.authorise("court-order", ["evil.example"], "12/2026", file=Path(__file__))
    case.approve([number], "A. Tanaka")
    _, names = case_sinkhole.settings(case, site, file)
    from sakimori.app import sinkholing  # noqa: PLC0415

    loaded = sinkholing.load(file)
    assert names == ["evil.example"]
    assert loaded.sinkhole.zones == ("evil.example",)
    assert loaded.sinkhole.operator == 'The "CSIRT"'
    assert loaded.sinkhole.authority == "court-order: 12/2026"
    assert loaded.sinkhole.approved_by == "A. Tanaka"


def test_nothing_is_changed_in_a_closed_case(case: Case) -> None:
    ids = approved(case)
    case.close("handed over")
    closed = Case(case.ws, "op")
    for change in (
        lambda: closed.authorise("agreement", ["*"], "r"),
        lambda: closed.plan(Limits(), Lists()),
        lambda: closed.approve(ids, "B. Suzuki"),
        lambda: closed.reject(ids, "no"),
        lambda: closed.undo(ids, "no"),
        lambda: closed.close("again"),
        lambda: case_blocks.block(closed, wanted()),
        lambda: case_sinkhole.propose(closed, ["evil.example"], 1),
    ):
        with pytest.raises(RefusedError, match="was closed"):
            change()
    assert closed.evidence.records()[-1].body["what"] == "closed"


def test_the_whole_case_exports_and_verifies(case: Case, tmp_path: Path) -> None:
    approved(case)
    case_blocks.block(case, wanted(tmp_path / "rpz.zone"))
    case.close("done")
    assert case.cases.get("op").closed is not None
    case.evidence.export(tmp_path / "op.zip")
    report = evidencing.verify(tmp_path / "op.zip")
    assert report.problems == ()
    assert {"note", "input", "finding", "plan", "approval", "act", "seal"} <= set(kinds(case))
