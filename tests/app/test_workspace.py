from __future__ import annotations

import subprocess  # noqa: TID251 - a second process is what is tested
import sys
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

import sakimori
from sakimori import detectors
from sakimori.app.results import NO_HOST, Progress
from sakimori.app.workspace import check_parts
from sakimori.errors import (
    ConfigError,
    EngineError,
    PartFailedError,
    SourceError,
    StateError,
)
from sakimori.i18n import Translator

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sakimori.app.results import Report
    from sakimori.app.workspace import Workspace


@pytest.fixture
def open_hunted(hunted: Path) -> Iterator[Workspace]:
    with sakimori.open(hunted) as workspace:
        yield workspace


def found(report: Report) -> set[tuple[str, str]]:
    return {(h.host, f.detector) for h in report.hosts for f in h.findings}


# Opening


def test_a_temporary_workspace_is_gone_when_closed() -> None:
    with sakimori.open() as workspace:
        folder = workspace.folder
        assert workspace.sources() == []
        assert folder.is_dir()
    assert not folder.exists()


def test_a_workspace_of_ones_own_stays(tmp_path: Path) -> None:
    with sakimori.open(tmp_path / "deep" / "ws"):
        pass
    assert (tmp_path / "deep" / "ws").is_dir()


def test_a_workspace_that_cannot_be_made_is_a_state_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(StateError, match="cannot be made") as raised:
        sakimori.open(tmp_path / "file" / "ws")
    assert raised.value.hint


def test_options_are_checked() -> None:
    with pytest.raises(ConfigError, match="did you mean 'lang'"):
        sakimori.open(lnag="ja")


# Hunting


def test_a_hunt_finds_the_beacon_and_the_scanner(ws: Workspace, network: Path) -> None:
    ws.import_([str(network)])
    report = ws.hunt()
    assert {("10.0.0.5", "beacon"), ("10.0.0.6", "scan")} <= found(report)
    assert {h.host for h in report.hosts} == {"10.0.0.5", "10.0.0.6"}
    assert report.clean == 25
    assert "203.0.113.9" in {c.controller for c in report.controllers}
    assert {c.detector for c in report.coverage} == set(detectors.load_all())
    assert {(s.table, s.rows) for s in report.sources} == {("conn", 799), ("http", 100)}
    assert report.failed == []
    check_parts(report)


def test_a_detector_that_lacks_its_columns_says_which(open_hunted: Workspace) -> None:
    (flux,) = [c for c in open_hunted.report().coverage if c.detector == "fast_flux"]
    assert not flux.ran
    assert not flux.failed
    assert "dns.query" in flux.reason


def test_a_report_can_be_seen_again_and_is_the_same(hunted: Path) -> None:
    with sakimori.open(hunted) as one, sakimori.open(hunted) as two:
        assert one.report() == two.report()


def test_another_hunt_gives_the_same_findings_once_and_in_the_same_order(
    open_hunted: Workspace,
) -> None:
    hosts, findings = open_hunted.report().hosts, open_hunted.findings()
    assert open_hunted.hunt().hosts == hosts
    assert open_hunted.findings() == findings


@pytest.mark.parametrize("view", ["report", "findings"])
def test_a_view_before_any_hunt_is_a_source_error_with_a_hint(ws: Workspace, view: str) -> None:
    with pytest.raises(SourceError, match="no hunt was run") as raised:
        getattr(ws, view)()
    assert "sakimori hunt" in raised.value.hint


def test_a_hunt_in_an_empty_workspace_runs_nothing_and_says_so(ws: Workspace) -> None:
    report = ws.hunt()
    assert (report.hosts, report.clean, report.sources) == ([], 0, [])
    assert [c.detector for c in report.coverage if c.ran] == []
    assert all(c.reason.startswith("needs ") for c in report.coverage)
    assert [w.message for w in report.warnings] == [NO_HOST]


def test_a_hunt_with_nobody_inside_warns(ws: Workspace, zeek: Any, tmp_path: Path) -> None:
    (tmp_path / "conn.log").write_text(zeek.text([zeek.conn(1, orig_h="192.0.2.1")]))
    ws.import_([str(tmp_path / "conn.log")])
    (warning,) = ws.hunt().warnings
    assert "no host inside 10.0.0.0/8, " in warning.told(Translator("en"))
    assert "--internal" in warning.told(Translator("en"))


def test_networks_of_the_settings_decide_who_is_inside(network: Path) -> None:
    with sakimori.open(internal=["10.0.0.6/32"]) as only:
        only.import_([str(network)])
        report = only.hunt()
    assert {h.host for h in report.hosts} <= {"10.0.0.6"}
    assert report.internal == ["10.0.0.6/32"]


def test_bounds_leave_out_what_lies_beyond(open_hunted: Workspace, zeek: Any) -> None:
    begin = datetime.fromtimestamp(zeek.begin, UTC)
    early = open_hunted.hunt(until=begin + timedelta(seconds=210))
    assert ("10.0.0.6", "scan") in found(early)
    assert ("10.0.0.5", "beacon") not in found(early)
    late = open_hunted.hunt(since=begin + timedelta(seconds=210))
    assert ("10.0.0.6", "scan") not in found(late)
    assert ("10.0.0.5", "beacon") in found(late)
    with pytest.raises(ConfigError, match="since"):
        open_hunted.hunt(since=begin, until=begin)


def test_bounds_beyond_all_days_leave_nothing(open_hunted: Workspace) -> None:
    report = open_hunted.hunt(since=datetime(2030, 1, 1, tzinfo=UTC))
    assert (report.hosts, report.clean) == ([], 0)


def test_progress_names_files_bytes_and_detectors(ws: Workspace, network: Path) -> None:
    files: list[str] = []
    sizes: list[int] = []
    names: list[str] = []
    progress = Progress(files.append, sizes.append, names.append)
    ws.import_([str(network)], progress)
    ws.hunt(progress=progress)
    assert files == sorted(str(path) for path in network.iterdir())
    assert sum(sizes) == sum(path.stat().st_size for path in network.iterdir())
    assert names == list(detectors.load_all())


def test_settings_of_a_detector_that_does_not_exist_are_an_error(ws: Workspace) -> None:
    ws.settings = replace(ws.settings, detector={"beacn": {}})
    with pytest.raises(ConfigError, match="did you mean 'beacon'"):
        ws.hunt()


@pytest.mark.parametrize(
    ("values", "said"),
    [({"min_cals": 3}, "min_calls"), ({"min_calls": "x"}, "min_calls"), ({"min_calls": 0}, "need")],
    ids=["unknown key", "wrong kind", "senseless"],
)
def test_settings_of_a_detector_are_checked(
    ws: Workspace, values: dict[str, Any], said: str
) -> None:
    ws.settings = replace(ws.settings, detector={"beacon": values})
    with pytest.raises(ConfigError, match=said) as raised:
        ws.hunt()
    assert "[detector.beacon]" in str(raised.value)


@pytest.mark.parametrize(
    "error",
    [
        pytest.param(RuntimeError("it broke\nand more"), id="with words"),
        pytest.param(AssertionError(), id="without words"),
    ],
)
def test_a_detector_that_breaks_is_named_and_the_others_run(
    open_hunted: Workspace, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def broken(**_: Any) -> None:
        raise error

    monkeypatch.setattr("sakimori.detectors.scan.detect", broken)
    report = open_hunted.hunt()
    (failed,) = report.failed
    assert (failed.detector, failed.ran, failed.failed) == ("scan", False, True)
    assert type(error).__name__ in failed.reason
    assert "\n" not in failed.reason
    assert ("10.0.0.5", "beacon") in found(report)
    assert "scan" not in {detector for _, detector in found(report)}
    with pytest.raises(PartFailedError, match="scan") as raised:
        check_parts(report)
    assert raised.value.exit_code == 6


def test_a_stop_in_a_detector_is_no_failure_of_it(
    open_hunted: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = open_hunted.report()

    def stopped(**_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("sakimori.detectors.scan.detect", stopped)
    with pytest.raises(KeyboardInterrupt):
        open_hunted.hunt()
    assert open_hunted.report() == before
    assert not list(open_hunted.folder.glob(".spill-*"))


def test_findings_that_are_gone_are_a_state_error_that_says_what_to_do(
    open_hunted: Workspace,
) -> None:
    for file in (open_hunted.folder / "findings").glob("*"):
        file.write_bytes(b"PAR1")
    with pytest.raises(StateError) as raised:
        open_hunted.report()
    assert "hunt" in raised.value.hint


# One host


def test_a_host_that_was_not_found_is_a_source_error(open_hunted: Workspace) -> None:
    assert open_hunted.host("10.0.0.6").verdict != "clean"
    with pytest.raises(SourceError, match=r"10\.0\.0\.77") as raised:
        open_hunted.host("10.0.0.77")
    assert raised.value.hint


def test_the_evidence_of_a_finding_are_its_rows(open_hunted: Workspace) -> None:
    (finding,) = [f for f in open_hunted.findings() if f.peer == "203.0.113.9"]
    rows = open_hunted.evidence(finding)
    assert {row["uid"] for row in rows} == set(finding.evidence)
    assert {(row["src_ip"], row["dst_ip"]) for row in rows} == {("10.0.0.5", "203.0.113.9")}


@pytest.mark.parametrize("lang", ["en", "ja"])
def test_a_host_is_explained_in_a_language(open_hunted: Workspace, lang: str) -> None:
    told = open_hunted.explain("10.0.0.5", lang)
    assert told.host == "10.0.0.5"
    assert told.sentence
    assert len(told.points) == len(open_hunted.host("10.0.0.5").findings)


def test_findings_come_strongest_first(open_hunted: Workspace) -> None:
    scores = [f.score for f in open_hunted.findings()]
    assert scores == sorted(scores, reverse=True)
    assert len(scores) >= 3


# The allow list


@pytest.mark.parametrize(
    ("value", "kind", "gone"),
    [
        ("10.0.0.6", "address", {"10.0.0.6"}),
        ("10.0.0.0/28", "cidr", {"10.0.0.5", "10.0.0.6"}),
        ("scan", "detector", {"10.0.0.6"}),
    ],
)
def test_what_is_allowed_is_hidden_in_every_view_and_comes_back(
    open_hunted: Workspace, value: str, kind: str, gone: set[str]
) -> None:
    before = open_hunted.report()
    entry = open_hunted.allow_add(value, "ours")
    assert (entry.kind, entry.value, entry.reason) == (kind, value, "ours")
    assert open_hunted.allow_list() == [entry]
    after = open_hunted.report()
    assert {h.host for h in after.hosts} == {h.host for h in before.hosts} - gone
    assert after.clean == before.clean + len(gone)
    hidden = len([f for h in before.hosts for f in h.findings]) - len(open_hunted.findings())
    assert after.hidden == hidden > 0
    open_hunted.allow_remove(entry.id)
    assert open_hunted.report() == before


def test_an_allowed_peer_takes_only_its_own_findings(open_hunted: Workspace) -> None:
    open_hunted.allow_add("10.0.0.5,203.0.113.9", "our monitor")
    left = {(f.host, f.peer) for f in open_hunted.findings()}
    assert ("10.0.0.5", "203.0.113.9") not in left
    assert "10.0.0.5" in {host for host, _ in left}
    assert "203.0.113.9" not in {c.controller for c in open_hunted.report().controllers}


def test_an_entry_that_expired_hides_nothing_and_stays_on_the_list(open_hunted: Workspace) -> None:
    now = datetime.now(UTC)
    open_hunted.allow_add("10.0.0.6", "for a day", expires=now - timedelta(seconds=1))
    assert open_hunted.report().hidden == 0
    assert len(open_hunted.allow_list()) == 1
    open_hunted.allow_add("10.0.0.6", "for a day", expires=now + timedelta(days=1))
    assert open_hunted.report().hidden > 0


def test_the_allow_list_outlives_a_hunt(open_hunted: Workspace) -> None:
    open_hunted.allow_add("10.0.0.6", "our scanner")
    assert "10.0.0.6" not in {h.host for h in open_hunted.hunt().hosts}


@pytest.mark.parametrize(
    ("value", "kind", "reason", "said"),
    [
        ("10.0.0.6", "", "  ", "needs a reason"),
        ("10.0.0/99", "", "x", "is no cidr"),
        ("office", "address", "x", "is no address"),
        ("10.0.0.6,", "", "x", "is no pair"),
        ("nobody", "detector", "x", "no detector is named"),
        ("x", "colour", "x", "no kind is named"),
    ],
)
def test_a_malformed_entry_is_an_error(
    ws: Workspace, value: str, kind: str, reason: str, said: str
) -> None:
    with pytest.raises(ConfigError, match=said) as raised:
        ws.allow_add(value, reason, kind=kind)
    assert raised.value.hint
    assert ws.allow_list() == []


def test_removing_an_entry_that_is_not_there_is_an_error(ws: Workspace) -> None:
    with pytest.raises(SourceError, match="no allow entry 7"):
        ws.allow_remove(7)


# Questions and care


def test_a_question_sees_telemetry_findings_indicators_and_rejects(open_hunted: Workspace) -> None:
    answer = open_hunted.sql(
        "SELECT (SELECT count(*) FROM conn WHERE src_inside) AS conn,"
        " (SELECT count(*) FROM finding) AS finding,"
        " (SELECT count(*) FROM indicator) AS indicator,"
        " (SELECT count(*) FROM rejects) AS rejects"
    )
    (row,) = answer.to_pylist()
    assert row["conn"] == 799
    assert row["finding"] == len(open_hunted.findings())
    assert (row["indicator"], row["rejects"]) == (0, 0)


def test_days_of_spam_are_counted_without_a_hunt(ws: Workspace, zeek: Any, tmp_path: Path) -> None:
    rows = [
        zeek.conn(n, ts=1_750_000_000 + n, orig_h="10.0.0.7", resp_h=f"198.51.{n}.25", resp_p=25)
        for n in range(30)
    ]
    (tmp_path / "conn.log").write_text(zeek.text(rows))
    assert ws.spam_days() == []
    ws.import_([str(tmp_path / "conn.log")])
    assert ws.spam_days() == [{
        "day": date(2025, 6, 15), "messages": 30, "refused": 0, "sources": 1, "inside_sources": 1,
        "outside_sources": 0, "spam_messages": 30, "spam_sources": 1, "spam_inside": 1,
        "spam_outside": 0,
    }]  # fmt: skip


def test_a_question_before_any_hunt_is_answered(ws: Workspace) -> None:
    assert ws.sql("SELECT count(*) AS n FROM finding").to_pylist() == [{"n": 0}]


def test_a_question_changes_nothing(open_hunted: Workspace, tmp_path: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in open_hunted.lake.root.rglob("*.parquet")}
    part = open_hunted.lake.root / open_hunted.lake.files()[0]
    for question in (
        f"COPY (SELECT 1) TO '{part}'",
        f"EXPLAIN ANALYZE COPY (SELECT 1 AS x) TO '{part}' (FORMAT csv)",
        f"SELECT * FROM read_text('{open_hunted.folder}/state.sqlite')",
    ):
        with pytest.raises(EngineError):
            open_hunted.sql(question)
    after = {path: path.stat().st_mtime_ns for path in open_hunted.lake.root.rglob("*.parquet")}
    assert after == before
    assert open_hunted.verify() == []


def test_indicators_are_kept_and_replaced_by_source(ws: Workspace, tmp_path: Path) -> None:
    feed = tmp_path / "feed.txt"
    feed.write_text("203.0.113.9\nbad.example\n")
    count, refused = ws.intel_import(feed, source="csirt")
    assert (count, refused) == (2, [])
    feed.write_text("203.0.113.8\n")
    ws.intel_import(feed, source="csirt")
    ws.intel_import(feed, source="other")
    assert sorted(zip(*ws.intel().select(["value", "source"]).to_pydict().values(), strict=True)) == [
        ("203.0.113.8", "csirt"), ("203.0.113.8", "other"),
    ]  # fmt: skip


def test_an_indicator_is_found_in_the_traffic(open_hunted: Workspace, tmp_path: Path) -> None:
    (tmp_path / "feed.txt").write_text("203.0.113.9\n")
    open_hunted.intel_import(tmp_path / "feed.txt", source="csirt")
    assert ("10.0.0.5", "intelligence") in found(open_hunted.hunt())


def test_retaining_less_than_a_day_is_an_error(ws: Workspace) -> None:
    with pytest.raises(ConfigError, match="--days is 0"):
        ws.retain(0)


# One at a time


@pytest.mark.parametrize("change", ["import_", "compact", "retain", "intel_import"])
def test_while_one_imports_another_may_not_change_the_lake(
    ws: Workspace, network: Path, change: str
) -> None:
    tried: list[str] = []

    def meanwhile(_name: str) -> None:
        given = {"import_": [[str(network)]], "retain": [1], "intel_import": [network / "conn.log"]}
        with (
            sakimori.open(ws.folder) as other,
            pytest.raises(StateError, match="at work") as raised,
        ):
            getattr(other, change)(*given.get(change, []))
        assert raised.value.hint
        tried.append(change)

    ws.import_([str(network)], Progress(on_file=meanwhile))
    assert len(tried) == 2
    assert ws.verify() == []
    with sakimori.open(ws.folder) as other:
        other.import_([str(network)])


def test_two_processes_cannot_import_at_once(ws: Workspace, network: Path) -> None:
    code = (
        "import sys, sakimori\n"
        "from sakimori.errors import StateError\n"
        "try:\n"
        "    sakimori.open(sys.argv[1]).import_([sys.argv[2]])\n"
        "except StateError as error:\n"
        "    print(error)\n"
    )
    command = [sys.executable, "-c", code, str(ws.folder), str(network)]
    answers = []

    def meanwhile(_name: str) -> None:
        if not answers:
            ended = subprocess.run(  # noqa: S603 - our own code in our own Python
                command, capture_output=True, text=True, timeout=60, check=True
            )
            answers.append(ended.stdout)

    ws.import_([str(network)], Progress(on_file=meanwhile))
    assert "another import is at work" in answers[0]


def test_views_may_be_seen_while_another_imports(open_hunted: Workspace, network: Path) -> None:
    seen: list[int] = []

    def meanwhile(_name: str) -> None:
        with sakimori.open(open_hunted.folder) as other:
            seen.append(len(other.findings()))

    open_hunted.import_([str(network)], Progress(on_file=meanwhile))
    assert seen == [len(open_hunted.findings())] * 2
