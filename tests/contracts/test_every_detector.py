"""Rules that every detector keeps; a new one is checked without a new test."""

from __future__ import annotations

import dataclasses
import importlib.util
import inspect
import keyword
import re
import string
import sys
from importlib.resources import files
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import ibis
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sakimori import detectors
from sakimori.app.detecting import run_detectors
from sakimori.detectors import beacon
from sakimori.engine.duck import Duck
from sakimori.tables import ALL, CONN, CORE, FINDING, INDICATOR
from sakimori.verdicts import evidence, explain

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sakimori.detectors import Detector

HOME = Path(detectors.__file__).parent
TESTS = Path(__file__).parents[1]
SECTIONS = ("Also finds:", "Misses:", "Source:")
SENTENCES = ("SAYS", "INNOCENT", "ASIDE", "NEXT")
TOLD = {"host", "peer", "peer_port", "count"}  # what a sentence may say of every finding

every_detector = pytest.mark.parametrize("detector", detectors.BUILTIN, ids=lambda d: d.NAME)


def test_every_file_is_listed_under_its_name() -> None:
    found = {path.stem for path in HOME.glob("*.py") if not path.stem.startswith("_")}
    assert found == {d.NAME for d in detectors.BUILTIN}
    assert len({d.NAME for d in detectors.BUILTIN}) == len(detectors.BUILTIN)


def test_the_registry_gives_them_by_name() -> None:
    loaded = detectors.load_all()
    assert {d.NAME for d in detectors.BUILTIN} <= set(loaded)
    assert all(name == detector.NAME for name, detector in loaded.items())


@every_detector
def test_its_docstring_states_its_limits_and_source(detector: Detector) -> None:
    text = detector.__doc__ or ""
    assert [s for s in SECTIONS if not re.search(rf"^{s} \S", text, re.MULTILINE)] == []


@every_detector
def test_it_reads_columns_of_the_vocabulary(detector: Detector) -> None:
    known = {name: set(table.types) for name, table in ALL.items()}
    assert set(detector.READS) <= set(known) - {"finding", "rejects"}
    for table, columns in detector.READS.items():
        assert set(columns) <= known[table]
        assert len(set(columns)) == len(columns)


@every_detector
def test_it_takes_the_tables_it_reads_and_its_settings(detector: Detector) -> None:
    assert list(inspect.signature(detector.detect).parameters) == [*detector.READS, "config"]


@every_detector
def test_it_returns_what_it_declares_without_running_anything(detector: Detector) -> None:
    tables = {
        name: ibis.table({c: ALL[name].types[c] for c in columns}, name=name)
        for name, columns in detector.READS.items()
    }
    findings = detector.detect(**tables, config=detector.Config())
    assert findings.schema() == ibis.schema({**CORE, **detector.DETAILS})


@every_detector
def test_its_own_fields_are_told_from_those_of_every_finding(detector: Detector) -> None:
    taken = {*FINDING.types, "self", "message"}
    assert not taken & set(detector.DETAILS)
    assert all(n.isidentifier() and not keyword.iskeyword(n) for n in detector.DETAILS)


@every_detector
def test_further_peers_it_accuses_are_texts(detector: Detector) -> None:
    """The judge reads `addresses` as more peers, `hosts` as a number of users."""
    assert detector.DETAILS.get("addresses", "array<string>") == "array<string>"
    assert detector.DETAILS.get("hosts", "int64") == "int64"


@every_detector
def test_it_needs_only_what_it_reads(detector: Detector) -> None:
    read = {f"{table}.{column}" for table, columns in detector.READS.items() for column in columns}
    assert detector.NEEDS
    assert all(detector.NEEDS)
    assert {column for choice in detector.NEEDS for column in choice} <= read


@every_detector
def test_its_settings_are_a_frozen_dataclass_with_defaults(detector: Detector) -> None:
    config = detector.Config()
    fields = dataclasses.fields(config)
    assert fields
    assert all(f.default is not dataclasses.MISSING and f.kw_only for f in fields)
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(config, fields[0].name, None)
    assert config == detector.Config()


@every_detector
def test_its_technique_is_one_of_attack(detector: Detector) -> None:
    assert re.fullmatch(r"T\d{4}(\.\d{3})?", detector.TECHNIQUE)


@every_detector
def test_it_has_a_weight_and_its_kind_a_word(detector: Detector) -> None:
    assert evidence.BASE[detector.NAME] > 0
    assert detector.KIND in explain.KINDS


@every_detector
def test_its_sentences_use_only_fields_that_exist(detector: Detector) -> None:
    own = {name for name, kind in detector.DETAILS.items() if not kind.startswith("array")}
    numbers = {name for name in own if detector.DETAILS[name] == "float64"}
    derived = {n.removesuffix("_s") for n in numbers if n.endswith("_s")}
    derived |= {f"{n}_pct" for n in numbers if not n.endswith("_s")}
    for text in sentences(detector):
        used = {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}
        assert used <= TOLD | own | derived
        assert text == text.strip()
        assert text


@every_detector
def test_its_other_sentences_depend_on_its_own_fields(detector: Detector) -> None:
    for part in SENTENCES:
        for condition in getattr(detector, f"{part}_IF", {}):
            field, equals, value = condition.partition("=")
            assert detector.DETAILS.get(field) == "string"
            assert equals
            assert value


def sentences(detector: Detector) -> Iterator[str]:
    for part in SENTENCES:
        yield getattr(detector, part)
        yield from getattr(detector, f"{part}_IF", {}).values()


@every_detector
def test_it_has_a_test_file(detector: Detector) -> None:
    assert (TESTS / "detectors" / f"test_{detector.NAME}.py").is_file()


@pytest.fixture
def register(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """`register(detector, ...)`: these are the detectors for the length of a test."""

    def only(*given: Any) -> None:
        monkeypatch.setattr(detectors, "BUILTIN", given)
        detectors.load_all.cache_clear()

    yield only
    detectors.load_all.cache_clear()


def test_two_detectors_of_one_name_are_refused(register: Any) -> None:
    register(beacon, beacon)
    with pytest.raises(ValueError, match="two detectors are named 'beacon'"):
        detectors.load_all()


def test_a_plugin_comes_after_our_own(register: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    theirs = SimpleNamespace(NAME="theirs")
    points = [SimpleNamespace(load=lambda: theirs)]
    monkeypatch.setattr(
        detectors, "entry_points", lambda group: points * (group == "sakimori.detectors")
    )
    register(beacon)
    assert list(detectors.load_all().values()) == [beacon, theirs]


@pytest.fixture
def duck(tmp_path: Path) -> Iterator[Duck]:
    """A host that calls home each minute."""
    rows = [
        {"ts": 1_750_000_000_000_000 + n * 60_000_000, "uid": f"B{n}", "src_ip": "10.0.0.5",
         "dst_ip": "203.0.113.9", "dst_port": 4444, "proto": "tcp"}
        for n in range(60)
    ]  # fmt: skip
    pq.write_table(pa.Table.from_pylist(rows, schema=CONN.arrow()), tmp_path / "conn.parquet")
    engine = Duck("500MB", 1, None)
    engine.open_lake({"conn": [str(tmp_path / "conn.parquet")]})
    engine.mark_inside(["10.0.0.0/8"])
    engine.give("indicator", INDICATOR.arrow().empty_table())
    yield engine
    engine.close()


def test_a_copy_of_one_file_and_a_line_in_the_registry_make_a_detector(
    duck: Duck, register: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = files("sakimori.detectors").joinpath("beacon.py").read_text(encoding="utf-8")
    copy = tmp_path / "metronome.py"
    copy.write_text(text.replace('NAME = "beacon"', 'NAME = "metronome"'), encoding="utf-8")
    spec = importlib.util.spec_from_file_location("sakimori.detectors.metronome", copy)
    assert spec
    assert spec.loader
    metronome = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, spec.name, metronome)
    spec.loader.exec_module(metronome)

    register(*detectors.BUILTIN, metronome)
    filled = {"conn": {"dst_ip"}}
    findings, coverage = run_detectors(duck, filled, {"metronome": {"min_calls": 10}})
    assert {"beacon", "metronome"} <= {c.detector for c in coverage if c.ran}
    rows = findings.to_pylist()
    one = [row | {"detector": ""} for row in rows if row["detector"] == "beacon"]
    other = [row | {"detector": ""} for row in rows if row["detector"] == "metronome"]
    assert len(one) == 1
    assert one == other
    assert evidence.weigh(SimpleNamespace(detector="metronome", details={}, score=1.0)).nats > 0
