from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import jsonschema
import pyarrow as pa
import pytest

import sakimori
from sakimori.app import _map_rows as rows
from sakimori.app import map_contract, mapping
from sakimori.app.results import Answers
from sakimori.engine.duck import Duck
from sakimori.takedown.map import propose
from sakimori.takedown.map.model import Trait

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

T = datetime(2026, 3, 2, 12, tzinfo=UTC)
EVIL = "it's; DROP TABLE dns; --.example"


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """`engine(pdns=[...])`: answers over such rows, as tables of the lake would give them."""
    duck = Duck("200MB", 1, None)

    def made(**tables: list[dict[str, Any]]) -> Answers:
        for name, its in tables.items():
            table = pa.Table.from_pylist(its)
            duck.raw.register("given", table)
            duck.raw.execute(f"CREATE TABLE {name} AS FROM given")
            duck.raw.unregister("given")
        monkeypatch.setattr(rows, "ALL", dict.fromkeys(tables))
        return Answers(duck.arrow_of, frozenset(tables))

    yield made
    duck.close()


def test_answers_of_the_sensors_and_passive_dns_are_one(engine: Any) -> None:
    asked = {"query": "c2.example", "qtype": "A", "answers": ["x.example", "192.0.2.1"], "ts": T}
    told = {"name": "C2.example.", "rrtype": "a", "rdata": "192.0.2.1", "first_seen": T,
            "ts": T, "count": 5, "sensor": "s1", "origin": "x"}  # fmt: skip
    pdns = rows.pdns_of(
        engine(dns=[asked, asked, {**asked, "query": EVIL, "answers": ["192.0.2.1"]}], pdns=[told])
    )
    found = sorted((r.rrtype, r.rdata, r.count, r.source) for r in pdns.of_names(["c2.example"]))
    assert found == [
        ("A", "192.0.2.1", 2, "pdns:sensor"), ("A", "192.0.2.1", 5, "pdns:s1"),
        ("CNAME", "x.example", 2, "pdns:sensor"),
    ]  # fmt: skip
    assert {r.rrname for r in pdns.at_values(["192.0.2.1"])} == {"c2.example", EVIL}
    assert pdns.counts(["192.0.2.1", EVIL]) == {"192.0.2.1": 2}
    assert [r.rdata for r in pdns.of_names([EVIL, "nobody's"])] == ["192.0.2.1"]
    assert not pdns.is_empty
    assert rows.pdns_of(Answers(lambda _: pa.table({}), frozenset())).is_empty


def test_only_a_completed_handshake_with_a_sinkhole_is_a_bot(engine: Any) -> None:
    def hit(source: str, name: str, established: bool | None) -> dict[str, Any]:
        return {"ts": T, "src_ip": source, "src_port": 1, "name": name, "established": established}

    crowds, resolvers = rows.sinkhole_of(
        engine(sinkhole=[
            hit("10.0.0.1", "A.example", True), hit("10.0.0.1", "b.example", True),
            hit("10.0.0.2", "b.example", True), hit("10.0.0.2", "a.example", True),
            hit("10.0.0.3", "a.example", True), hit("10.0.0.8", "a.example", None),
            hit("10.0.0.9", "a.example", False),
        ])
    )  # fmt: skip
    assert [(c.controllers, c.bots, c.count) for c in crowds] == [
        (("a.example", "b.example"), 2, 4), (("a.example",), 1, 1),
    ]  # fmt: skip
    assert resolvers == 2


def test_events_of_feeds_are_counted_by_feed_and_habit(engine: Any) -> None:
    def event(source: str, name: str | None, address: str | None, feed: str) -> dict[str, Any]:
        return {
            "ts": T,
            "src_ip": source,
            "dst_ip": address,
            "name": name,
            "feed": feed,
            "category": "bot",
        }

    lake = engine(event=[
        event("203.0.113.1", "C2.example", "192.0.2.1", "f1"),
        event("203.0.113.2", "c2.example", "192.0.2.1", "f1"),
        event("203.0.113.3", None, "192.0.2.1", "f2"),
        event("203.0.113.4", "other.example", "192.0.2.9", "f2"),
        {**event("203.0.113.53", "c2.example", None, "f1"), "category": "resolver"},
    ])  # fmt: skip
    found = rows.events_of(lake, ["c2.example", "192.0.2.1"])
    assert {(c.controllers, c.bots, c.source) for c in found} == {
        (("192.0.2.1", "c2.example"), 2, "event:f1"), (("192.0.2.1",), 1, "event:f2"),
    }  # fmt: skip


def test_tables_that_are_not_there_are_no_error(engine: Any) -> None:
    lake = engine()
    assert rows.sinkhole_of(lake) == ([], 0)
    assert rows.events_of(lake, ["c2.example"]) == []
    assert rows.traits_of(lake, ["c2.example"]) == []


def test_marks_of_servers_are_told_with_who_else_shows_them(engine: Any) -> None:
    def tls(name: str | None, ja3s: str) -> dict[str, Any]:
        return {"ts": T, "server_name": name, "dst_ip": "192.0.2.1", "cert_hashes": ["ff"],
                "ja3s": ja3s, "ja4": None}  # fmt: skip

    http = {"ts": T, "host": "c2.example", "dst_ip": "192.0.2.1"}
    lake = engine(
        tls=[tls("c2.example", "x"), tls(None, "x"), tls("inn.example", "x")],
        http=[{**http, "uri": "/a/12/deadbeef01/gate.php?id=7"}, {**http, "uri": "/"},
              {**http, "uri": "/a/99/cafebabe77/gate.php", "host": "d.example"}],
    )  # fmt: skip
    traits = rows.traits_of(lake, ["c2.example"])
    assert sorted((t.kind, t.value) for t in traits) == [
        ("cert", "ff"), ("ja3s", "x"), ("uri", "/a/N/H/gate.php"),
    ]  # fmt: skip
    assert rows.elsewhere(lake, traits) == {
        ("cert", "ff"): 2, ("ja3s", "x"): 2, ("uri", "/a/N/H/gate.php"): 1,
    }  # fmt: skip


def test_a_hunt_becomes_a_map(hunted: Path) -> None:
    with sakimori.open(hunted) as ws:
        drawn = mapping.map_of(ws)
        assert {g.botnet for g in drawn.groups} == {b.botnet for b in ws.report().botnets}
        (edge,) = [e for e in drawn.edges if e.target == "address:203.0.113.9"]
        assert (edge.relation, edge.sources, edge.count) == ("calls", ("finding",), 100)
        assert "no_pdns" in {w.reason for w in drawn.warnings}


def test_intelligence_names_its_source_and_the_familys_other_servers(
    hunted: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    feed = tmp_path / "feed.txt"
    feed.write_text("203.0.113.9\n203.0.113.77\n")
    with sakimori.open(hunted) as ws:
        ws.intel_import(feed, source="cert", family="Mozi")
        report = ws.report()
        known = [replace(b, family="Mozi") for b in report.botnets]
        monkeypatch.setattr(ws, "report", lambda: replace(report, botnets=known))
        drawn = mapping.map_of(ws)
    assert drawn.nodes["address:203.0.113.9"].attributes["said_by"] == ("intel:cert",)
    edge = next(e for e in drawn.edges if e.target == "address:203.0.113.77")
    assert (edge.source, edge.relation, edge.sources) == (
        "family:mozi", "is said to use", ("intel:cert",),
    )  # fmt: skip


def test_proposals_keep_their_published_schema() -> None:
    shared = [Trait("a.example", "cert", "ff")]
    rows_ = [map_contract.proposal(p) for p in propose({"a": shared, "b": shared})]
    schema = json.loads(files("sakimori").joinpath("schemas/botnet_pivots.schema.json").read_text())
    assert rows_
    jsonschema.validate(rows_, schema)
