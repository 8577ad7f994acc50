from __future__ import annotations

import csv
import gzip
import io
import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sakimori.errors import SourceError
from sakimori.readers import BUILTIN, Options, Reject, Source, recognise, shadowserver
from sakimori.readers._records import cut_records, whole_records
from sakimori.readers._shadowserver import load_schema, match, types
from sakimori.readers._source import Block
from sakimori.tables import CATEGORIES, WAYS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    Read = Callable[..., tuple[list[dict[str, Any]], list[Reject], list[str]]]

HTTP = "2024-05-01-event4_sinkhole_http-example-asn.csv"
COLUMNS = (
    "timestamp", "protocol", "src_ip", "src_port", "src_asn", "src_geo", "src_hostname", "severity",
    "dst_ip", "dst_port", "infection", "family", "tag", "event_id", "http_url", "http_host",
)  # fmt: skip
ROW = {
    "timestamp": "2024-05-01 10:00:00", "protocol": "tcp", "src_ip": "192.0.2.5", "src_port": 50000,
    "src_asn": 64500, "src_geo": "JP", "src_hostname": "Host.isp.example.", "severity": "critical",
    "dst_ip": "203.0.113.9", "dst_port": 80, "infection": "andromeda", "tag": "x;y",
    "http_url": "/gate.php", "http_host": "C2.example:80",
}  # fmt: skip
AT = datetime(2024, 5, 1, 10, tzinfo=UTC)


def text(rows: Sequence[dict[str, Any]], columns: Sequence[str] = COLUMNS, end: str = "\n") -> str:
    out = io.StringIO()
    writer = csv.writer(out, quoting=csv.QUOTE_ALL, lineterminator=end)
    writer.writerow(columns)
    writer.writerows([row.get(name, "") for name in columns] for row in rows)
    return out.getvalue()


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """Read a report: its rows without nulls, rejects and warnings."""

    def read_it(content: str | bytes, name: str = HTTP, **options: Any) -> Any:
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        source = Source(path, name=name)
        rows: list[dict[str, Any]] = []
        rejects = []
        for item in shadowserver.read(source, Options(**options)):
            if isinstance(item, Reject):
                rejects.append(item)
            else:
                rows += item.batch.to_pylist()
        shown = [{k: v for k, v in row.items() if v is not None} for row in rows]
        return shown, rejects, source.warnings

    return read_it


def test_a_row_becomes_an_event_and_nothing_of_it_is_lost(read: Read) -> None:
    rows, rejects, _ = read(text([ROW]))
    assert rejects == []
    (row,) = rows
    extra = json.loads(row.pop("extra"))
    assert row == {
        "ts": AT, "uid": f"{HTTP}:2", "src_ip": "192.0.2.5", "src_port": 50000,
        "dst_ip": "203.0.113.9", "dst_port": 80, "proto": "tcp", "name": "c2.example",
        "hostname": "host.isp.example", "url": "/gate.php", "asn": 64500, "country": "JP",
        "category": "bot", "family": "andromeda", "how": "sinkhole", "established": True,
        "severity": "critical", "feed": "shadowserver", "report": "event4_sinkhole_http",
        "reference": "https://www.shadowserver.org/what-we-do/network-reporting/"
        "sinkhole-http-events-report/",
    }  # fmt: skip
    assert extra == {"tag": "x;y", "infection": "andromeda"}


def test_hits_of_a_dns_sinkhole_are_resolvers_and_never_established(read: Read) -> None:
    columns = sorted(types()["event4_sinkhole_dns"].columns, key=lambda c: c != "timestamp")
    rows, _, _ = read(text([{**ROW, "query": "Bad.example.", "count": "7"}], columns), "x.csv")
    assert [(r["report"], r["category"], r["how"], r["established"]) for r in rows] == [
        ("event4_sinkhole_dns", "resolver", "sinkhole", False)
    ]
    assert (rows[0]["name"], rows[0]["count"]) == ("bad.example", 7)


@pytest.mark.parametrize("name", sorted(types()))
def test_every_published_type_is_known_by_name_and_columns(name: str) -> None:
    kind = types()[name]
    assert kind.category in CATEGORIES
    assert kind.how in WAYS
    assert kind.established in ("yes", "no", "tcp", "-")
    if not kind.columns:
        return
    header = sorted(kind.columns, key=lambda c: c != "timestamp")
    found = match(header, f"2024-05-01-{name}-example-asn.csv", None)
    assert (found.type.name, found.warnings) == (name, ())
    if kind.closed:
        nameless = match(header, "renamed.csv", None)
        assert name in nameless.type.name.split("|")
        assert nameless.warnings == ()


@pytest.mark.parametrize("name", [n for n, t in sorted(types().items()) if t.closed and t.columns])
def test_a_report_of_every_type_with_known_columns_is_recognised_and_read(
    read: Read, tmp_path: Path, name: str
) -> None:
    columns = sorted(types()[name].columns, key=lambda c: c != "timestamp")
    row = {column: f"value of {column}" for column in columns}
    row |= {c: "192.0.2.5" for c in columns if c.endswith("_ip") or c == "ip"}
    row |= {c: "80" for c in columns if c.endswith("port")}
    row |= {"timestamp": "2024-05-01 10:00:00", "protocol": "tcp"}
    file = f"2024-05-01-{name}-example-asn.csv"
    rows, rejects, warnings = read(text([row], columns), file)
    assert (rejects, warnings, len(rows)) == ([], [], 1)
    assert recognise(Source(tmp_path / file), BUILTIN, Options()) is shadowserver
    assert rows[0]["report"] == name
    told = " ".join(map(str, rows[0].values()))
    lost = [
        column
        for column in columns
        if str(row[column]).lower() not in told.lower() and column != "timestamp"
    ]
    assert lost == []


def test_types_of_one_header_are_told_apart_by_the_files_name_or_not_at_all(read: Read) -> None:
    header = sorted(types()["scan_socks"].columns, key=lambda c: c != "timestamp")
    row = {"timestamp": "2024-05-01 10:00:00", "ip": "192.0.2.5", "protocol": "tcp"}
    named, _, _ = read(text([row], header), "2024-05-01-scan_socks-example.csv")
    nameless, _, _ = read(text([row], header), "download.csv")
    wrong, _, _ = read(text([row], header), "2024-05-01-event4_sinkhole-example.csv")
    assert (named[0]["report"], named[0]["category"]) == ("scan_socks", "proxy")
    assert nameless[0]["report"] == "scan_cisco_smart_install|scan_socks"
    assert nameless[0]["category"] == "other"
    assert nameless[0]["how"] == "scan"
    assert wrong[0]["report"] == nameless[0]["report"]


def test_the_target_of_a_flood_is_the_address_concerned(read: Read) -> None:
    columns = sorted(types()["event4_honeypot_ddos_target"].columns, key=lambda c: c != "timestamp")
    rows, _, _ = read(text([ROW], columns), "2024-05-01-event4_honeypot_ddos_target-x.csv")
    assert (rows[0]["src_ip"], rows[0]["dst_ip"]) == ("203.0.113.9", "192.0.2.5")
    assert rows[0]["category"] == "target"


def test_new_columns_are_kept_and_drift_is_told(read: Read) -> None:
    columns = sorted(types()["scan_adb"].columns - {"model"}, key=lambda c: c != "timestamp")
    row = {"timestamp": "2024-05-01 10:00:00", "ip": "192.0.2.5", "shiny": "Ünew"}
    rows, _, warnings = read(text([row], [*columns, "shiny"]), "2024-05-01-scan_adb-x.csv")
    assert json.loads(rows[0]["extra"]) == {"shiny": "Ünew"}
    assert [w for w in warnings if "kept in extra: shiny" in w]
    assert [w for w in warnings if "gone: model" in w]


def test_a_type_that_nobody_knows_is_read_all_the_same(read: Read) -> None:
    columns = ("timestamp", "ip", "port", "asn", "geo", "naics", "severity", *"abcdefghijklmnop")
    row = {"timestamp": "2024-05-01 10:00:00", "ip": "2001:DB8::5", "p": "last"}
    rows, _, warnings = read(text([row], columns), "x.csv")
    assert (rows[0]["src_ip"], rows[0]["report"], rows[0]["category"]) == (
        "2001:db8::5", "unknown", "other",
    )  # fmt: skip
    assert "no report type" in warnings[0]


def test_drift_is_judged_by_the_users_schema(read: Read, tmp_path: Path) -> None:
    schema = tmp_path / "reports.json"
    fields = ["timestamp", "ip", "asn", "geo", "severity", "naics", "novel"]
    told = {"fields": fields, "classification.type": "c2-server", "url": "https://example.org/x"}
    schema.write_text(json.dumps({"scan_novel": told}))
    row = {"timestamp": "2024-05-01 10:00:00", "ip": "192.0.2.5", "novel": "n", "more": "m"}
    rows, _, warnings = read(
        text([row], [*fields, "more"]), "2026-01-01-scan_novel-x.csv", shadowserver_schema=schema
    )
    assert (rows[0]["report"], rows[0]["category"], rows[0]["how"]) == (
        "scan_novel", "controller", "scan",
    )  # fmt: skip
    assert rows[0]["reference"] == "https://example.org/x"
    assert [w for w in warnings if "the schema you gave lacks" in w and "more" in w]


def test_both_published_forms_of_the_schema_are_read(tmp_path: Path) -> None:
    path = tmp_path / "intelmq.json"
    entry = {
        "constant_fields": {"classification.type": "scanner"},
        "required_fields": [["time.source", "timestamp", "add"], ["source.ip", "IP"]],
        "optional_fields": [["extra.", "tag"], ["x"], "y"],
    }
    path.write_text(json.dumps({"event9_honeypot_x": entry, "scan_adb": {"fields": ["timestamp"]}}))
    found = load_schema(path)
    assert found["event9_honeypot_x"].columns == {"timestamp", "ip", "tag"}
    assert (found["event9_honeypot_x"].category, found["event9_honeypot_x"].how) == (
        "scanner", "honeypot",
    )  # fmt: skip
    assert found["scan_adb"].category == "vulnerable"


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b"{", b"\xff", b'{"a": 1}'])
def test_what_is_no_schema_is_refused_with_a_hint(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "schema.json"
    path.write_bytes(content)
    with pytest.raises(SourceError) as caught:
        load_schema(path)
    assert "reports.json" in caught.value.hint
    with pytest.raises(SourceError):
        load_schema(tmp_path / "none.json")


def test_bad_rows_are_set_aside_with_their_line_and_the_others_kept(read: Read) -> None:
    several = {
        **ROW,
        "http_url": 'one\nand "two"\n2024-05-02 is no beginning',
        "src_ip": "192.0.2.1",
    }
    good = text([several])
    bad = (
        '"2024-05-01 10:00:01","tcp","nonsense"' + ',""' * 13 + "\n"
        '"2024-05-01 10:00:02","tcp","192.0.2.3","70000"' + ',""' * 12 + "\n"
        '"yesterday","tcp","192.0.2.3"' + ',""' * 13 + "\n"
        '"2024-05-01 10:00:03","tcp"\n'
        '"2024-05-01 10:00:04","open' + ',""' * 14 + "\n"
        "\n"
    )
    end = text([{**ROW, "src_ip": "192.0.2.9"}])  # with the header once more
    rows, rejects, _ = read(good + bad + end)
    assert [row["src_ip"] for row in rows] == ["192.0.2.1", "192.0.2.9"]
    assert rows[0]["url"] == several["http_url"]
    assert rows[1]["uid"] == f"{HTTP}:12"
    assert sorted((r.line, r.reason) for r in rejects) == [
        (5, "src_ip is 'nonsense', not an IP address"),
        (6, "src_port is '70000', not a port"),
        (7, "timestamp is 'yesterday', not a time"),
        (8, "2 fields, not 16"),
        (9, "a quote is not closed"),
    ]


@pytest.mark.parametrize(
    "spoil",
    [
        lambda t: t.encode("utf-8-sig"),
        lambda t: t.replace("\n", "\r\n").encode(),
        lambda t: gzip.compress(t.encode()),
        lambda t: t.replace('"', "").encode(),
        lambda t: t.rstrip("\n").encode(),
        lambda t: t.upper().replace("TCP", "tcp").replace("192.0.2.5", "192.0.2.5").encode(),
    ],
    ids=["bom", "windows", "gzip", "no quotes", "no last newline", "capitals"],
)
def test_other_writings_of_the_file_give_the_same(read: Read, spoil: Any) -> None:
    rows, rejects, _ = read(spoil(text([ROW, ROW])))
    assert (rejects, len(rows)) == ([], 2)
    assert {(r["src_ip"], r["ts"], r["name"], r["category"]) for r in rows} == {
        ("192.0.2.5", AT, "c2.example", "bot")
    }


def test_bytes_that_are_not_utf8_are_kept_as_replacements(read: Read) -> None:
    content = text([{**ROW, "tag": "x?"}]).encode().replace(b"x?", b"x\xe9")
    rows, rejects, _ = read(content)
    assert rejects == []
    assert json.loads(rows[0]["extra"])["tag"] == "x\ufffd"


def test_hostile_names_stay_raw_in_the_table(read: Read) -> None:
    hostile = "evil\x1b[31m\u202egpj.example"
    rows, _, _ = read(text([{**ROW, "http_host": hostile, "tag": '"};{\x00'}]))
    assert rows[0]["name"] == hostile
    assert json.loads(rows[0]["extra"])["tag"] == '"};{\x00'


def test_a_header_alone_is_a_report_of_nothing(read: Read, ws: Any, tmp_path: Path) -> None:
    assert read(text([]))[:2] == ([], [])
    (outcome,) = ws.import_([str(tmp_path / HTTP)])
    assert (outcome.empty, outcome.failed, outcome.skipped) == (True, "", "")


CELL = st.text(st.sampled_from('ab",\n\r 2-é\x1b'), max_size=8)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(CELL, CELL), max_size=8), st.integers(1, 64))
def test_any_cells_come_back_as_they_were_written(
    tmp_path_factory: pytest.TempPathFactory, cells: list[tuple[str, str]], size: int
) -> None:
    out = io.StringIO()
    writer = csv.writer(out, quoting=csv.QUOTE_ALL, lineterminator="\n")
    for number, (one, two) in enumerate(cells):
        writer.writerow([f"2024-05-01 10:00:{number:02}", one, two])
    path = tmp_path_factory.mktemp("cells") / "f"
    path.write_text(out.getvalue(), newline="")
    blocks = whole_records(Source(path).blocks(size), by_time=True)
    found: list[tuple[str, str]] = []
    rejects: list[Reject] = []
    for block in blocks:
        cut = cut_records(block, ("t", "a", "b"), ",", by_time=True)
        rejects += cut.rejects
        found += [(r["a"] or "", r["b"] or "") for r in cut.table.to_pylist()]
    kept = [(a.replace("\r\n", "\n"), b.replace("\r\n", "\n")) for a, b in found]
    assert kept == [(a.replace("\r\n", "\n"), b.replace("\r\n", "\n")) for a, b in cells]
    assert rejects == []


@settings(max_examples=150, deadline=None)
@given(st.lists(st.sampled_from(["2024-01-01", '"', ",", "\n", "x", "\r", '""', "é"]), max_size=40))
def test_any_text_gives_records_and_rejects_and_no_line_is_lost(pieces: list[str]) -> None:
    data = "".join(pieces).encode()
    cut = cut_records(Block(data, 1, 0), ("a", "b"), ",", by_time=True)
    assert cut.table.num_rows == len(cut.lines)
    assert all(reject.reason for reject in cut.rejects)
    if data.strip(b"\r\n"):
        assert cut.table.num_rows + len(cut.rejects) > 0
