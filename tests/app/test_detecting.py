from __future__ import annotations

import json
import math
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sakimori import detectors
from sakimori.app.detecting import Coverage, missing, run_detectors
from sakimori.detectors import beacon, intelligence, long_connection, scan
from sakimori.engine.duck import Duck
from sakimori.errors import ConfigError
from sakimori.tables import CONN, FINDING, INDICATOR

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

START_US = 1_750_000_000_000_000
FILLED = {"conn": set(CONN.types)}


def network() -> list[dict[str, Any]]:
    """A host that calls home each minute and one that scans."""
    place = {"proto": "tcp", "state": "SF", "dst_pkts": 5, "duration": 1.0}
    home = [
        {"ts": START_US + n * 60_000_000, "uid": f"B{n}", "src_ip": "10.0.0.5",
         "dst_ip": "203.0.113.9", "dst_port": 4444, **place}
        for n in range(60)
    ]  # fmt: skip
    tries = [
        {"ts": START_US + n * 1_000_000, "uid": f"S{n}", "src_ip": "10.0.0.6",
         "dst_ip": f"198.51.{n}.1", "dst_port": 23, **place, "state": "S0", "dst_pkts": 0}
        for n in range(60)
    ]  # fmt: skip
    return home + tries


@pytest.fixture(scope="module")
def duck(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Duck]:
    file: Path = tmp_path_factory.mktemp("lake") / "conn.parquet"
    pq.write_table(pa.Table.from_pylist(network(), schema=CONN.arrow()), file)
    engine = Duck("500MB", 2, None)
    engine.open_lake({"conn": [str(file)]})
    engine.mark_inside(["10.0.0.0/8"])
    engine.give("indicator", INDICATOR.arrow().empty_table())
    yield engine
    engine.close()


@pytest.fixture
def register(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """`register(scan, beacon)`: these are the detectors for the length of a test."""

    def only(*given: Any) -> None:
        monkeypatch.setattr(detectors, "BUILTIN", given)
        detectors.load_all.cache_clear()

    yield only
    detectors.load_all.cache_clear()


def like(detector: Any, **changes: Any) -> Any:
    """A detector with some of its parts changed."""
    kept = {k: v for k, v in vars(detector).items() if k.isupper() or k in ("Config", "detect")}
    return SimpleNamespace(**{**kept, **changes})


def raising(error: Exception) -> Any:
    def detect(**_tables: Any) -> Any:
        raise error

    return detect


@pytest.fixture(scope="module")
def ran(duck: Duck) -> tuple[list[dict[str, Any]], list[Coverage]]:
    """All detectors over the network."""
    findings, coverage = run_detectors(duck, FILLED, {})
    assert findings.schema == FINDING.arrow()
    return findings.to_pylist(), coverage


def test_findings_are_rows_of_the_table_finding(ran: Any) -> None:
    found = {(f["detector"], f["technique"], f["host"], f["peer_port"]) for f in ran[0]}
    assert found == {
        ("beacon", beacon.TECHNIQUE, "10.0.0.5", 4444),
        ("scan", scan.TECHNIQUE, "10.0.0.6", 23),
    }


def test_details_are_the_declared_fields_as_json(ran: Any) -> None:
    known = detectors.load_all()
    for finding in ran[0]:
        assert set(json.loads(finding["details"])) == set(known[finding["detector"]].DETAILS)


def test_every_detector_is_accounted_for_in_order(ran: Any) -> None:
    assert [c.detector for c in ran[1]] == [d.NAME for d in detectors.BUILTIN]
    assert all(c.reason for c in ran[1] if not c.ran)


def test_without_indicators_the_run_says_that_it_needs_them(ran: Any) -> None:
    (told,) = [c for c in ran[1] if c.detector == "intelligence"]
    assert (told.ran, told.failed, told.reason) == (False, False, "needs indicator.value")


def test_a_detector_that_lacks_a_part_runs_and_says_without_what(ran: Any) -> None:
    (told,) = [c for c in ran[1] if c.detector == "beacon"]
    assert told.ran
    assert told.reason == "without dns.query, http.host, tls.server_name"


def test_where_nothing_is_filled_nothing_is_found_and_nothing_runs(duck: Duck) -> None:
    findings, coverage = run_detectors(duck, {}, {})
    assert findings.num_rows == 0
    assert not any(c.ran for c in coverage)
    assert all(c.reason.startswith("needs ") for c in coverage)


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (KeyError("peer"), "failed: KeyError: 'peer'"),
        (ValueError("one line\nand another"), "failed: ValueError: one line"),
        (ValueError(), "failed: ValueError: "),
        (RuntimeError("x" * 1000), "failed: RuntimeError: " + "x" * 200),
    ],
    ids=["key", "two-lines", "no-words", "long"],
)
def test_a_detector_that_fails_is_named_and_the_others_run(
    duck: Duck, register: Any, error: Exception, reason: str
) -> None:
    register(like(long_connection, NAME="broken", detect=raising(error)), scan)
    findings, (broken, sound) = run_detectors(duck, FILLED, {})
    assert (broken.detector, broken.ran, broken.failed) == ("broken", False, True)
    assert broken.reason == reason
    assert (sound.ran, sound.failed) == (True, False)
    assert findings["detector"].to_pylist() == ["scan"]


def test_a_detector_whose_query_fails_is_named_too(duck: Duck, register: Any) -> None:
    def detect(conn: Any, config: Any) -> Any:
        return scan.detect(conn.mutate(state=conn.uid.cast("int64").cast("string")), config)

    register(like(scan, detect=detect))
    findings, (told,) = run_detectors(duck, FILLED, {})
    assert told.failed
    assert findings.num_rows == 0


def test_a_detector_gets_only_the_columns_it_declares(duck: Duck, register: Any) -> None:
    seen = {}

    def detect(conn: Any, config: Any) -> Any:
        seen["conn"] = conn.columns
        return scan.detect(conn, config)

    register(like(scan, detect=detect))
    run_detectors(duck, FILLED, {})
    assert seen["conn"] == scan.READS["conn"]


def test_settings_reach_their_detector(duck: Duck, register: Any) -> None:
    register(scan)
    assert run_detectors(duck, FILLED, {"scan": {"min_targets": 30}})[0].num_rows == 1
    assert run_detectors(duck, FILLED, {"scan": {"min_targets": 100}})[0].num_rows == 0


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"scna": {}}, "did you mean 'scan'"),
        ({"scan": {"min_target": 30}}, "did you mean 'min_targets'"),
        ({"scan": {"min_targets": "many"}}, "min_targets"),
        ({"scan": {"min_targets": 0}}, "need"),
    ],
    ids=["detector", "key", "type", "limit"],
)
def test_settings_that_cannot_be_are_refused(
    duck: Duck, settings: dict[str, Any], words: str
) -> None:
    with pytest.raises(ConfigError, match=words):
        run_detectors(duck, FILLED, settings)


def test_progress_names_each_detector(duck: Duck, register: Any) -> None:
    register(scan, beacon)
    named: list[str] = []
    run_detectors(duck, {}, {}, named.append)
    assert named == ["scan", "beacon"]


def test_numbers_that_are_none_become_null(duck: Duck, register: Any) -> None:
    def detect(conn: Any, config: Any) -> Any:
        return scan.detect(conn, config).mutate(
            failed=math.nan, per_minute=math.inf, walk=1.23456789
        )

    register(like(scan, detect=detect))
    (text,) = run_detectors(duck, FILLED, {})[0]["details"].to_pylist()
    details = json.loads(text, parse_constant=pytest.fail)
    assert (details["failed"], details["per_minute"], details["walk"]) == (None, None, 1.2346)


@pytest.mark.parametrize(
    ("needs", "filled", "stops", "words"),
    [
        pytest.param([["a.x"]], {}, True, "a.x", id="the-only-one"),
        pytest.param([["a.x"]], {"a": {"x"}}, False, "", id="nothing-missing"),
        pytest.param([["a.x"]], {"a": {"y"}, "b": {"x"}}, True, "a.x", id="other-table"),
        pytest.param([["a.x", "a.y"]], {"a": {"x"}}, True, "a.y", id="half"),
        pytest.param([["a.x", "a.y"]], {}, True, "a.x and a.y", id="both"),
        pytest.param([["a.x"], ["b.y"]], {}, True, "a.x or b.y", id="either"),
        pytest.param([["a.x"], ["b.y"]], {"b": {"y"}}, False, "a.x", id="one-of-two"),
        pytest.param([["a.x", "b.y"], ["a.x", "c.z"]], {"c": {"z"}}, True, "a.x", id="the-nearest"),
        pytest.param([["a.x"], ["a.x", "b.y"]], {}, True, "a.x", id="the-shortest"),
    ],
)
def test_what_is_missing_is_said_in_words(
    needs: list[list[str]], filled: dict[str, set[str]], stops: bool, words: str
) -> None:
    found = missing(like(scan, NEEDS=needs), filled)
    assert (found.stops, found.words) == (stops, words)


@pytest.mark.parametrize(
    ("detector", "without", "words"),
    [
        (long_connection, {"duration"}, "conn.duration"),
        (scan, {"state", "dst_pkts"}, "conn.state or conn.dst_pkts"),
        (intelligence, set(), "indicator.value"),
    ],
    ids=["long_connection", "scan", "intelligence"],
)
def test_detectors_name_the_column_that_a_source_lacks(
    detector: Any, without: set[str], words: str
) -> None:
    found = missing(detector, {"conn": set(CONN.types) - without})
    assert (found.stops, found.words) == (True, words)


def test_every_column_that_is_needed_is_counted_as_filled_when_it_is() -> None:
    for detector in detectors.BUILTIN:
        filled = {table: set(columns) for table, columns in detector.READS.items()}
        assert missing(detector, filled) == missing(like(scan, NEEDS=[[]]), {})
