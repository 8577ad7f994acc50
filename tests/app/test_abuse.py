from __future__ import annotations

import json
from datetime import UTC, datetime
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest

import sakimori
from sakimori.app import abuse
from sakimori.cli import main
from sakimori.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sakimori.app.workspace import Workspace

HEAD = "timestamp,protocol,src_ip,src_port,src_asn,src_geo,src_naics,severity,infection,tag\n"
ROWS = (
    "2024-05-01 10:00:00,tcp,192.0.2.5,1,64500,JP,1,high,mirai,\n",
    "2024-05-01 11:00:00,tcp,192.0.2.5,2,64500,JP,1,high,mirai,\n",
    "2024-05-02 10:00:00,udp,192.0.2.6,3,64501,DE,1,high,evil\x1b[31m.example,=cmd\n",
)
DNS = (
    "timestamp,protocol,src_ip,src_port,src_asn,src_geo,src_region,src_city,src_hostname,src_naics,"
    "src_sector,device_vendor,device_type,device_model,severity,infection,family,tag,query_type,"
    "query,count\n2024-05-01 10:00:00,udp,198.51.100.53,53,64500,JP,,,,,,,,,info,mirai,,,A,"
    "c2.example,40\n"
)


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    """A workspace with two overlapping reports of one type, and a DNS sinkhole's; only read."""
    folder = tmp_path_factory.mktemp("reports")
    one = folder / "2024-05-01-event4_sinkhole-a-asn.csv"
    two = folder / "2024-05-01-event4_sinkhole-b-geo.csv"
    dns = folder / "2024-05-01-event4_sinkhole_dns-a-asn.csv"
    one.write_text(HEAD + "".join(ROWS[:2]))
    two.write_text(HEAD + "".join(ROWS))
    dns.write_text(DNS)
    with sakimori.open(folder / "ws", internal=["192.0.2.0/24"]) as workspace:
        workspace.import_([str(one), str(two), str(dns)])
        yield workspace


def test_an_event_that_two_reports_hold_counts_once(filled: Workspace) -> None:
    found = abuse.events(filled, categories=["bot"])
    assert found["src_ip"].to_pylist() == ["192.0.2.5", "192.0.2.5", "192.0.2.6"]
    assert found["established"].to_pylist() == [True, True, None]


def test_counts_are_by_category_too_so_that_resolvers_are_no_bots(filled: Workspace) -> None:
    rows = abuse.counted(filled, "asn")
    assert [(r["asn"], r["category"], r["events"], r["addresses"]) for r in rows] == [
        (64500, "resolver", 40, 1), (64500, "bot", 2, 1), (64501, "bot", 1, 1),
    ]  # fmt: skip
    day = abuse.counted(filled, "day", categories=["bot"])
    assert [(r["day"], r["events"]) for r in day] == [("2024-05-01", 2), ("2024-05-02", 1)]


@pytest.mark.parametrize("by", abuse.COUNTED_BY)
def test_events_are_counted_by_each_of_its_words(filled: Workspace, by: str) -> None:
    assert sum(row["events"] for row in abuse.counted(filled, by)) == 43


def test_times_bound_what_is_counted(filled: Workspace) -> None:
    since, until = (datetime(2024, 5, day, tzinfo=UTC) for day in (2, 3))
    assert abuse.events(filled, since=since, until=until).num_rows == 1
    assert abuse.events(filled, until=since).num_rows == 3


def test_what_is_not_known_is_refused(filled: Workspace) -> None:
    with pytest.raises(ConfigError, match="counted by 'shoe'"):
        abuse.counted(filled, "shoe")
    with pytest.raises(ConfigError, match="category is named 'boot'"):
        abuse.events(filled, categories=["boot"])


def test_events_of_others_are_no_traffic_of_ours(filled: Workspace) -> None:
    assert filled.sql("SELECT bool_and(src_inside) FROM event WHERE category = 'bot'")[0][0].as_py()
    with filled._duck() as (duck, _):
        assert duck.inside_sources() == 0


def test_passive_dns_of_several_sources_is_joined(ws: Workspace, tmp_path: Path) -> None:
    record = {"rrname": "c2.example", "rrtype": "A", "rdata": "192.0.2.5", "time_first": 1714550000,
              "time_last": 1714557600, "count": 3}  # fmt: skip
    later = record | {"time_last": 1714561200, "count": 4}
    (tmp_path / "a").write_text(json.dumps(record) + "\n")
    (tmp_path / "b").write_text(json.dumps([later]))
    ws.import_([str(tmp_path / "a"), str(tmp_path / "b")])
    (row,) = abuse.passive_dns(ws).to_pylist()
    assert (row["name"], row["rdata"], row["count"]) == ("c2.example", "192.0.2.5", 7)
    assert row["last_seen"] == datetime(2024, 5, 1, 11, tzinfo=UTC)


def run(words: list[str], monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr("sys.argv", ["sakimori", *words])
    try:
        main()
    except SystemExit as end:
        return int(end.code or 0)
    return 0


@pytest.mark.parametrize("words", [[], ["--by", "family"], ["--by", "how"], ["--by", "category"]])
def test_the_json_of_the_command_keeps_its_published_schema(
    filled: Workspace, monkeypatch: pytest.MonkeyPatch, capsys: Any, words: list[str]
) -> None:
    folder = str(filled.folder)
    assert run(["events", "-w", folder, "--format", "json", *words], monkeypatch) == 0
    rows = json.loads(capsys.readouterr().out)
    schema = json.loads(files("sakimori").joinpath("schemas/events.schema.json").read_text("utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(rows, schema)
    assert len(rows) > 1
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate([{**rows[0], "more": 1}], schema)


def test_hostile_text_is_made_visible_in_the_table_and_harmless_in_csv(
    filled: Workspace, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    for form in ("table", "csv"):
        assert (
            run(["events", "-w", str(filled.folder), "-f", form, "--limit", "5"], monkeypatch) == 0
        )
        shown = capsys.readouterr()
        assert "\x1b" not in shown.out
        assert "resolver" in shown.out
    assert run(["events", "-w", str(filled.folder), "--limit", "1"], monkeypatch) == 0
    assert "1 of 4 events shown" in capsys.readouterr().err


def test_a_report_without_events_is_imported_without_an_error(
    ws: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    report = tmp_path / "2024-05-01-event4_sinkhole-a-asn.csv"
    report.write_text(HEAD)
    assert run(["import", str(report), "-w", str(ws.folder)], monkeypatch) == 0
    assert "no events" in capsys.readouterr().out
    assert run(["events", "-w", str(ws.folder)], monkeypatch) == 0
