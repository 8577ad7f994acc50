"""What must not matter to any detector: order, files, clock, names of hosts, strangers, gaps.

One simulated day with every botnet in it is hunted again and again, each time changed in a way that
says nothing about who is a bot.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest

import sakimori
from sakimori import detectors
from sakimori.app.detecting import run_detectors
from sakimori.engine.duck import Duck
from sakimori.simulate import BOTNETS, Plan, simulate
from sakimori.tables import INDICATOR, TELEMETRY

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

Tables = dict[str, list[pa.Table]]  # each as the files it lies in
Key = tuple[str, str, str | None, int | None]
INSIDE = "10.0.0.0/8"
FINDABLE = 0.5  # score from which a finding must survive strangers in the network


@dataclass(frozen=True, slots=True)
class Found:
    scores: dict[Key, float]
    failed: list[str]

    @property
    def hosts(self) -> set[tuple[str, str]]:
        return {(detector, host) for detector, host, _, _ in self.scores}


def day_of(folder: Path, plan: Plan) -> dict[str, pa.Table]:
    """Simulate and import a plan; return the telemetry."""
    simulate(folder / "logs", plan)
    with sakimori.open(folder / "ws") as workspace:
        workspace.import_([str(folder / "logs")])
        lake = workspace.lake.root
        return {
            name: ds.dataset(lake / name, format="parquet", schema=table.arrow()).to_table()
            for name, table in TELEMETRY.items()
            if (lake / name).is_dir()
        }


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> dict[str, pa.Table]:
    plan = Plan(seed=5, hosts=50, botnets=dict.fromkeys(BOTNETS, 1) | {"orders": 2, "dga": 2})
    return day_of(tmp_path_factory.mktemp("network"), plan)


@pytest.fixture(scope="module")
def strangers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, pa.Table]:
    """Another office, clean, with addresses of its own."""
    tables = day_of(tmp_path_factory.mktemp("strangers"), Plan(seed=6, hosts=20, botnets={}))
    return {
        name: elsewhere(renamed(table, lambda host: f"10.200.{host.split('.', 2)[2]}"))
        for name, table in tables.items()
    }


@pytest.fixture(scope="module")
def listed(network: dict[str, pa.Table]) -> pa.Table:
    """Indicators: the outside addresses that were called most, as if somebody had listed them."""
    called = network["conn"].group_by("dst_ip").aggregate([("dst_ip", "count")])
    called = called.filter(pc.invert(pc.starts_with(called["dst_ip"], "10.")))
    worst = called.sort_by([("dst_ip_count", "descending"), ("dst_ip", "ascending")])[:5]
    rows = [
        {"kind": "address", "value": value, "source": "list-a", "confidence": 0.8}
        for value in worst["dst_ip"].to_pylist()
    ]
    return pa.Table.from_pylist(rows, schema=INDICATOR.arrow())


@pytest.fixture(scope="module")
def hunted(tmp_path_factory: pytest.TempPathFactory, listed: pa.Table) -> Callable[..., Found]:
    """`hunted(tables)`: what all detectors find in these files."""

    folder = tmp_path_factory.mktemp("parts")
    written: dict[int, tuple[pa.Table, str]] = {}  # the table too, so that its id stays its own

    def file_of(part: pa.Table) -> str:
        if id(part) not in written:
            path = folder / f"{len(written)}.parquet"
            pq.write_table(part, path)
            written[id(part)] = (part, str(path))
        return written[id(part)][1]

    def hunt(tables: Tables) -> Found:
        files = {name: [file_of(part) for part in parts] for name, parts in tables.items()}
        filled = {
            name: {c for part in parts for c in part.column_names
                   if part[c].null_count < len(part)}
            for name, parts in tables.items()
        } | {"indicator": set(INDICATOR.types)}  # fmt: skip
        duck = Duck("1GB", 2, folder)
        try:
            duck.open_lake(files)
            duck.mark_inside([INSIDE])
            duck.give("indicator", listed)
            findings, coverage = run_detectors(duck, filled, {})
        finally:
            duck.close()
        scores = {
            (f["detector"], f["host"], f["peer"], f["peer_port"]): f["score"]
            for f in findings.to_pylist()
        }
        assert len(scores) == findings.num_rows, "one finding per host, behaviour and peer"
        return Found(scores, [c.detector for c in coverage if c.failed])

    return hunt


@pytest.fixture(scope="module")
def whole(hunted: Callable[..., Found], network: dict[str, pa.Table]) -> Found:
    return hunted({name: [table] for name, table in network.items()})


def renamed(table: pa.Table, name_of: Callable[[str], str]) -> pa.Table:
    """Give every inside host another address, wherever it stands as an address."""
    for column in ("src_ip", "dst_ip"):
        if column not in table.column_names:
            continue
        coded = table[column].combine_chunks().dictionary_encode()
        names = [
            name_of(n) if n and n.startswith("10.") else n for n in coded.dictionary.to_pylist()
        ]
        new = pa.DictionaryArray.from_arrays(coded.indices, pa.array(names, pa.string()))
        table = table.set_column(table.column_names.index(column), column, new.cast(pa.string()))
    return table


def elsewhere(table: pa.Table) -> pa.Table:
    """Give outside names another ending: two simulations draw from the same words."""
    for at, field in enumerate(table.schema):
        if pa.types.is_string(field.type):
            moved = pc.replace_substring(table[field.name], ".example", ".elsewhere.example")
            table = table.set_column(at, field.name, moved)
    return table


def shuffled(table: pa.Table, seed: int = 1) -> pa.Table:
    return table.take(np.random.default_rng(seed).permutation(len(table)))


def in_files(table: pa.Table, count: int = 4) -> list[pa.Table]:
    """Deal the rows out to files at random."""
    of = np.random.default_rng(2).integers(0, count, len(table))
    return [table.filter(pa.array(of == n)) for n in range(count)]


def later(table: pa.Table, days: int = 364) -> pa.Table:
    """Move every time by whole weeks."""
    for at, field in enumerate(table.schema):
        if pa.types.is_timestamp(field.type):
            moved = pc.add(table[field.name], pa.scalar(timedelta(days=days), pa.duration("us")))
            table = table.set_column(at, field, moved)
    return table


def same(found: Found, whole: Found) -> None:
    assert found.failed == []
    assert set(found.scores) == set(whole.scores)
    assert found.scores == pytest.approx(whole.scores, abs=1e-3)


@pytest.mark.parametrize("detector", [d.NAME for d in detectors.BUILTIN])
def test_each_detector_has_something_to_find(whole: Found, detector: str) -> None:
    assert whole.failed == []
    assert detector in {name for name, _, _, _ in whole.scores}


def test_the_order_of_rows_does_not_matter(hunted: Any, network: Any, whole: Found) -> None:
    same(hunted({name: [shuffled(table)] for name, table in network.items()}), whole)


def test_the_files_the_rows_lie_in_do_not_matter(hunted: Any, network: Any, whole: Found) -> None:
    same(hunted({name: in_files(table) for name, table in network.items()}), whole)


def test_the_date_does_not_matter(hunted: Any, network: Any, whole: Found) -> None:
    same(hunted({name: [later(table)] for name, table in network.items()}), whole)


def test_the_addresses_of_hosts_do_not_matter(hunted: Any, network: Any, whole: Found) -> None:
    def name_of(host: str) -> str:
        _, b, c, d = host.split(".")
        return f"10.{(int(b) * 37 + 5) % 256}.{(int(c) * 11 + 3) % 256}.{255 - int(d)}"

    found = hunted({name: [renamed(table, name_of)] for name, table in network.items()})
    known = {host for _, host, _, _ in whole.scores if host.startswith("10.")}
    new = {host: name_of(host) for host in known}
    expected = {
        (detector, new.get(host, host), new.get(peer or "", peer), port): score
        for (detector, host, peer, port), score in whole.scores.items()
    }
    same(found, Found(expected, []))


def test_strangers_change_nothing_that_is_plain(
    hunted: Any, network: Any, strangers: Any, whole: Found
) -> None:
    tables = {name: [table] for name, table in network.items()}
    for name, table in strangers.items():
        tables.setdefault(name, []).append(table)
    found = hunted(tables)
    ours = {key: score for key, score in found.scores.items() if not key[1].startswith("10.200.")}
    plain = {key for key, score in whole.scores.items() if score >= FINDABLE}
    assert {key for key in plain if key not in ours} == set()
    assert {key for key in plain if abs(ours[key] - whole.scores[key]) > 0.1} == set()
    assert {key for key, s in ours.items() if s >= FINDABLE and key not in whole.scores} == set()


COLUMNS = sorted(
    {
        (table, column)
        for detector in detectors.BUILTIN
        for table, columns in detector.READS.items()
        if table in TELEMETRY
        for column in columns
        if column in {c.name for c in TELEMETRY[table].stored} - {"uid", "ts"}
    }
)


@pytest.mark.parametrize(("table", "column"), COLUMNS, ids=[f"{t}.{c}" for t, c in COLUMNS])
def test_a_column_that_is_missing_accuses_nobody_new(
    hunted: Any, network: Any, whole: Found, table: str, column: str, monkeypatch: Any
) -> None:
    readers = tuple(d for d in detectors.BUILTIN if column in d.READS.get(table, ()))
    monkeypatch.setattr(detectors, "BUILTIN", readers)
    detectors.load_all.cache_clear()
    try:
        gap = network[table]
        at = gap.column_names.index(column)
        gap = gap.set_column(
            at, gap.schema.field(at), pa.nulls(len(gap), gap.schema.field(at).type)
        )
        found = hunted({name: [t] for name, t in {**network, table: gap}.items()})
    finally:
        detectors.load_all.cache_clear()
    assert found.failed == []
    assert found.hosts <= whole.hosts
