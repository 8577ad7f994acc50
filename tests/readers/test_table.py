from __future__ import annotations

import csv
import io
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sakimori.errors import SourceError
from sakimori.readers import Options, Reject, Source, conform, schema_of, table_csv, table_parquet

if TYPE_CHECKING:
    from sakimori.readers import Reader

DATA = Path(__file__).parents[2].parent / "shared/data/network"
OURS = "ts,uid,src_ip,src_port,dst_ip,dst_port,proto,src_bytes"
ROW = "2024-05-01T10:00:00.25Z,C1,10.0.0.5,50000,203.0.113.9,443,tcp,100"


def read(
    reader: Reader, source: Source, options: Options | None = None
) -> tuple[str, list[dict[str, Any]], list[Reject]]:
    rows: list[dict[str, Any]] = []
    rejects = []
    table = ""
    for item in reader.read(source, options or Options()):
        if isinstance(item, Reject):
            rejects.append(item)
        else:
            assert item.batch.schema == schema_of(item.table)
            table = item.table
            rows += item.batch.to_pylist()
    return table, rows, rejects


def source_of(path: Path, content: str | bytes) -> Source:
    file = path / "table"
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    return Source(file, name="table")


def filled(row: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in row.items() if value is not None}


AT = datetime(2024, 5, 1, 10, 0, 0, 250_000, tzinfo=UTC)
ZEEK_TLS = (
    "ts,uid,id.orig_h,id.orig_p,id.resp_h,id.resp_p,version,server_name,established,cert_chain_fps\n"
    '1714557600.250000,C1,10.0.0.5,50000,203.0.113.9,443,TLSv12,WWW.Example.com,T,"aa,bb"\n'
)
ECS_CONN = (
    '"@timestamp";"source.ip";"source.port";"destination.ip";"destination.port";"event.duration"\n'
    '"2024-05-01T10:00:00.250Z";"10.0.0.5";"50000";"203.0.113.9";"443";"1500000000"\n'
)
OCSF_DNS = (
    "time\tsrc_endpoint.ip\tdst_endpoint.ip\tquery.hostname\tquery.type\trcode\n"
    "1714557600250\t10.0.0.5\t192.0.2.53\tBad.Example.\tA\tNXDOMAIN\n"
)
EVE_HTTP = (
    "timestamp|src_ip|dest_ip|http.hostname|http.url|http.status\n"
    "2024-05-01T19:00:00.250000+0900|10.0.0.5|203.0.113.9|Example.COM:8080|/a?b=c|200\n"
)
ENDS = {"ts": AT, "src_ip": "10.0.0.5", "dst_ip": "203.0.113.9"}
PORTS = {"src_port": 50000, "dst_port": 443}


@pytest.mark.parametrize(
    ("content", "table", "row"),
    [
        (
            f"{OURS}\n{ROW}\n",
            "conn",
            ENDS | PORTS | {"uid": "C1", "proto": "tcp", "src_bytes": 100},
        ),
        (
            ZEEK_TLS,
            "tls",
            ENDS
            | PORTS
            | {"uid": "C1", "version": "TLSv12", "server_name": "www.example.com"}
            | {"established": True, "cert_hashes": ["aa", "bb"]},
        ),
        (ZEEK_TLS.replace("id.", "id_"), "tls", None),
        (ECS_CONN, "conn", ENDS | PORTS | {"uid": "table:2", "duration": 1.5}),
        (
            OCSF_DNS,
            "dns",
            ENDS
            | {"dst_ip": "192.0.2.53", "uid": "table:2", "query": "bad.example"}
            | {"qtype": "A", "rcode": "NXDOMAIN"},
        ),
        (
            EVE_HTTP,
            "http",
            ENDS | {"uid": "table:2", "host": "example.com", "uri": "/a?b=c", "status": 200},
        ),
        (f"\ufeff{OURS}\r\n{ROW}\r\n", "conn", None),
    ],
    ids=["ours", "zeek", "zeek with underscores", "ecs", "ocsf", "eve", "windows"],
)
def test_well_known_headers_are_read_without_a_map(
    tmp_path: Path, content: str, table: str, row: dict[str, Any] | None
) -> None:
    source = source_of(tmp_path, content)
    assert table_csv.recognises(source)
    found, rows, rejects = read(table_csv, source)
    assert (found, rejects, len(rows)) == (table, [], 1)
    assert row is None or filled(rows[0]) == row


@pytest.mark.parametrize(
    "content",
    [
        "dga,gozi,mortiscontrastatim.com\nlegit,alexa,example.com\n",
        "facebook.com\ngoogle.com\n",
        "name,age\nx,3\n",
        "ts,src_ip\n1,10.0.0.1\n",
        "timestamp,src_ip,label\n1,10.0.0.1,x\n",
        '{"ts":1}\n',
        "",
        "\x00\x01,\x02\n",
    ],
)
def test_a_file_that_fits_no_table_is_not_recognised(tmp_path: Path, content: str) -> None:
    source = source_of(tmp_path, content)
    assert not table_csv.recognises(source)
    assert not table_parquet.recognises(source)
    assert not table_csv.fits(source, Options())


def proxy(**changed: str) -> Options:
    given = {"table": "http", "ts": "When", "src_ip": "Client", "host": "Site", **changed}
    return Options(columns={"proxy": given}, timezone="Asia/Tokyo")


def test_a_map_reads_any_csv(tmp_path: Path) -> None:
    source = source_of(
        tmp_path, 'When;Client;Site;Noise\n"01/May/2024:19:00:00 +0900";10.0.0.5;A.example;1\n'
    )
    options = proxy(time_format="%d/%b/%Y:%H:%M:%S %z")
    assert not table_csv.recognises(source)
    assert table_csv.fits(source, options)
    table, rows, rejects = read(table_csv, source, options)
    assert (table, rejects) == ("http", [])
    assert filled(rows[0]) == {
        "ts": AT.replace(microsecond=0), "uid": "table:2", "src_ip": "10.0.0.5", "host": "a.example",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("time_format", "text"),
    [
        ("auto", "2024-05-01 19:00:00.250"),
        ("auto", "2024/05/01T19:00:00.250999999"[:-6] + "000999"),
        ("auto", "1714557600.250"),
        ("auto", "1714557600250"),
        ("auto", "1714557600250000"),
        ("auto", "1714557600250000000"),
        ("iso", "2024-05-01T10:00:00.250Z"),
        ("iso", "2024-05-01T12:30:00.250+02:30"),
        ("epoch", "1714557600.25"),
        ("epoch_ms", "1714557600250"),
        ("%Y%m%d %H.%M.%S.%f", "20240501 19.00.00.250000"),
    ],
)
def test_times_of_many_shapes_are_the_same_moment(
    tmp_path: Path, time_format: str, text: str
) -> None:
    source = source_of(tmp_path, f"When,Client,Site\n{text},10.0.0.5,a.example\n")
    _, rows, rejects = read(table_csv, source, proxy(time_format=time_format))
    assert rejects == []
    assert rows[0]["ts"] == AT


@pytest.mark.parametrize(
    ("options", "message", "hint"),
    [
        (proxy(src_ip="Clients"), "names 'Clients', which this file", "did you mean 'Client'?"),
        (proxy(table="htpp"), "'htpp', which is no table", "did you mean 'http'?"),
        (proxy(colour="Client"), "fills 'colour', which table http", "one of: ts"),
        (proxy(hots="Site"), "fills 'hots', which table http does not have", "mean 'host'?"),
        (
            Options(columns={"flows": {"ts": "When", "src_ip": "Client"}}),
            "does not say which column is dst_ip",
            'add dst_ip = "their name"',
        ),
        (Options(), "the columns fit no table: When, Client, Site", "[import.columns.NAME]"),
        (proxy(time_format="%Q"), "the time format '%Q' cannot be used", "an example"),
    ],
    ids=["column", "table", "far off", "ours", "needed", "no map", "time format"],
)
def test_a_map_that_does_not_fit_is_an_error_with_a_hint(
    tmp_path: Path, options: Options, message: str, hint: str
) -> None:
    source = source_of(tmp_path, "When,Client,Site\n1714557600,10.0.0.5,a.example\n")
    with pytest.raises(SourceError) as caught:
        read(table_csv, source, options)
    assert message in str(caught.value)
    assert hint in caught.value.hint


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (ROW.replace("2024", "20x4"), "ts is '20x4-05-01T10:00:00.25Z', not a time"),
        (ROW.replace("2024-05-01T10:00:00.25Z", ""), "ts is missing"),
        (ROW.replace("10.0.0.5", "10.0.0"), "src_ip is '10.0.0', not an IP address"),
        (ROW.replace(",443,", ",70000,"), "dst_port is '70000', not a port"),
        (ROW.replace("100", "1e3"), "src_bytes is '1e3', not a whole number"),
        (ROW + ",more", "9 fields, not 8"),
        (ROW.replace("C1", '"C1'), "a quote is not closed"),
        ('x"y,"' + ROW[3:], None),
    ],
)
def test_a_bad_line_is_refused_and_the_others_kept(
    tmp_path: Path, bad: str, reason: str | None
) -> None:
    source = source_of(tmp_path, f"{OURS}\n{ROW}\n{bad}\n{ROW.replace('C1', 'C2')}\n")
    _, rows, rejects = read(table_csv, source)
    assert [row["uid"] for row in rows] == ["C1", "C2"]
    assert [r.line for r in rejects] == [3]
    assert reason is None or (rejects[0].reason, rejects[0].text) == (reason, bad)


def test_quoted_cells_keep_delimiters_and_doubled_quotes(tmp_path: Path) -> None:
    text = 'a "quoted", long; cell'
    out = io.StringIO()
    csv.writer(out).writerow(["1714557600", "10.0.0.5", "a.example", text])
    source = source_of(tmp_path, f"ts,src_ip,host,user_agent\n{out.getvalue()}")
    _, rows, _ = read(table_csv, source)
    assert rows[0]["user_agent"] == text


def test_missing_cells_are_null_and_whole_floats_are_numbers(tmp_path: Path) -> None:
    line = "1714557600,-,10.0.0.5,50000.0,203.0.113.9,,6,(empty)"
    _, rows, rejects = read(table_csv, source_of(tmp_path, f"{OURS}\n{line}\n"))
    assert rejects == []
    row = rows[0]
    assert (row["uid"], row["src_port"], row["dst_port"]) == ("table:2", 50000, None)
    assert (row["proto"], row["src_bytes"]) == ("tcp", None)


def test_a_grown_part_is_read_alone_given_the_head(tmp_path: Path) -> None:
    first = f"{OURS}\n{ROW}\n"
    source = source_of(tmp_path, first + ROW.replace("C1", "C2") + "\n" + ROW)
    source.begin_at(len(first), 3, source.digest_of(len(first)))
    items = list(table_csv.read(source, Options()))
    assert not [item for item in items if isinstance(item, Reject)]
    assert [(item.batch["uid"].to_pylist(), item.tail) for item in items] == [
        (["C2"], False), (["C1"], True),
    ]  # fmt: skip


# --- Parquet


def parquet(path: Path, table: pa.Table) -> Source:
    file = path / "table.parquet"
    pq.write_table(table, file)
    return Source(file, name="table")


def test_our_own_parquet_comes_back_as_it_was(tmp_path: Path) -> None:
    columns = {
        "ts": pa.array([AT], pa.timestamp("us", "UTC")), "uid": pa.array(["C1"]),
        "src_ip": pa.array(["10.0.0.5"]), "dst_ip": pa.array(["192.0.2.53"]),
        "query": pa.array(["bad.example"]), "answers": pa.array([["192.0.2.7", "x.example"]]),
        "ttls": pa.array([[60.0, 30.0]]), "rtt": pa.array([0.25]),
    }  # fmt: skip
    batch = conform("dns", columns, 1)
    source = parquet(tmp_path, pa.Table.from_batches([batch]))
    assert table_parquet.recognises(source)
    table, rows, rejects = read(table_parquet, source)
    assert (table, rejects, rows) == ("dns", [], batch.to_pylist())


def test_structs_and_other_types_are_read_by_path(tmp_path: Path) -> None:
    source = parquet(
        tmp_path,
        pa.table(
            {
                "ts": pa.array([1714557600.25, None]),
                "id": pa.array(
                    [{"orig_h": "10.0.0.5", "orig_p": 50000, "resp_h": "203.0.113.9"}] * 2
                ),
                "proto": pa.array(["UDP", "UDP"]).dictionary_encode(),
                "orig_bytes": pa.array([100.0, float("nan")]),
            }
        ),
    )
    table, rows, rejects = read(table_parquet, source)
    assert (table, len(rows)) == ("conn", 1)
    assert filled(rows[0]) == ENDS | {
        "uid": "table:1", "src_port": 50000, "proto": "udp", "src_bytes": 100,
    }  # fmt: skip
    assert [(r.line, r.reason) for r in rejects] == [(2, "ts is missing")]


def test_parquet_times_without_a_zone_are_in_that_of_the_settings(tmp_path: Path) -> None:
    naive = pa.array([datetime(2024, 5, 1, 19, 0, 0, 250_000)], pa.timestamp("ns"))  # noqa: DTZ001
    columns = {"When": naive, "Client": pa.array(["10.0.0.5"]), "Site": pa.array(["a.example"])}
    source = parquet(tmp_path, pa.table(columns))
    assert not table_parquet.recognises(source)
    assert table_parquet.fits(source, proxy())
    _, rows, _ = read(table_parquet, source, proxy())
    assert rows[0]["ts"] == AT


@pytest.mark.parametrize("damage", [b"PAR1", b"PAR1" + bytes(100) + b"PAR1"])
def test_damaged_parquet_is_a_source_error(tmp_path: Path, damage: bytes) -> None:
    source = source_of(tmp_path, damage)
    assert table_parquet.recognises(source)
    with pytest.raises(SourceError, match="Parquet file cannot be read"):
        read(table_parquet, source)


# --- real files and hostile ones


@pytest.mark.skipif(not DATA.is_dir(), reason=f"no captures at {DATA}")
def test_a_real_zeek_log_as_csv_is_read_and_name_lists_are_not() -> None:
    source = Source(DATA / "fakesoftware-mta-2025-01-22/input/ssl.csv")
    assert table_csv.recognises(source)
    table, rows, rejects = read(table_csv, source)
    assert (table, len(rows), rejects) == ("tls", 236, [])
    assert rows[0]["ts"] == datetime(2025, 1, 22, 19, 45, 0, 841221, tzinfo=UTC)
    for file in sorted((DATA / "dga-domains/input").iterdir()):
        assert not table_csv.recognises(Source(file))


@settings(max_examples=50, deadline=None)
@given(
    junk=st.lists(st.binary(max_size=60), max_size=4),
    start=st.sampled_from([b"", OURS.encode(), b"PAR1", ZEEK_TLS.encode()]),
)
@pytest.mark.parametrize("reader", [table_csv, table_parquet], ids=lambda r: r.NAME)
def test_any_bytes_give_rows_and_rejects_or_a_source_error(
    tmp_path_factory: pytest.TempPathFactory, reader: Reader, junk: list[bytes], start: bytes
) -> None:
    source = source_of(tmp_path_factory.mktemp("any"), b"\n".join([start, *junk]))
    try:
        read(reader, source)
    except SourceError:
        assert reader is table_parquet or not start.startswith(b"ts")


@settings(max_examples=50, deadline=None)
@given(
    st.lists(
        st.one_of(
            st.integers(1, 65535),
            st.text(alphabet='",;x\t\r \u00e9', min_size=1, max_size=20).filter(str.strip),
        ),
        max_size=12,
    )
)
def test_good_lines_keep_their_order_and_number_among_bad_ones(
    tmp_path_factory: pytest.TempPathFactory, lines: list[int | str]
) -> None:
    texts = [
        x if isinstance(x, str) else f"1714557600,-,10.0.0.5,{x},203.0.113.9,443,tcp,1"
        for x in lines
    ]
    content = "\n".join([OURS, *texts, ""])
    _, rows, _ = read(table_csv, source_of(tmp_path_factory.mktemp("mixed"), content))
    expected = [(f"table:{n}", x) for n, x in enumerate(lines, 2) if isinstance(x, int)]
    assert [(row["uid"], row["src_port"]) for row in rows] == expected
