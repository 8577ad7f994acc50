from __future__ import annotations

import gzip
import json
import shutil
import subprocess  # noqa: TID251 - only to export a fixture with the real nfdump
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sakimori.errors import SourceError
from sakimori.readers import Options, Reject, Source, _flows, nfcapd, nfdump_csv, nfdump_json

if TYPE_CHECKING:
    from sakimori.readers import Reader

CAPTURE = (
    Path(__file__).parents[2].parent
    / "shared/data/network/format-fixtures-unlabelled/input/test1.nfdump.gz"
)
NFDUMP = shutil.which("nfdump")
needs_nfdump = pytest.mark.skipif(not NFDUMP, reason="nfdump is not installed")
needs_capture = pytest.mark.skipif(not CAPTURE.is_file(), reason=f"no capture at {CAPTURE}")

OLD = "ts,te,td,sa,da,sp,dp,pr,flg,fwd,stos,ipkt,ibyt,opkt,obyt,in,out"
FAST = (
    "cnt,af,firstSeen,lastSeen,proto,srcAddr,srcPort,dstAddr,dstPort,srcAS,dstAS,"
    "input,output,flags,srcTos,packets,bytes"
)
HOST, PEER = "10.0.0.5", "203.0.113.9"


def flow(sec: float, sides: str = ">", **changed: str) -> str:
    """One line of csv: `>` from the host's port 50000 to the peer's 443, `<` back."""
    ends = [(HOST, "50000"), (PEER, "443")]
    (sa, sp), (da, dp) = ends if sides == ">" else ends[::-1]
    stamp = f"2024-05-01 10:{int(sec) // 60:02d}:{sec % 60:06.3f}"
    cells = {
        "ts": stamp, "te": stamp, "td": "0.500", "sa": sa, "da": da, "sp": sp, "dp": dp,
        "pr": "TCP", "flg": "...AP.SF", "fwd": "0", "stos": "0", "ipkt": "5", "ibyt": "500",
        "opkt": "0", "obyt": "0", "in": "1", "out": "2",
    }  # fmt: skip
    return ",".join({**cells, **changed}.values())


def read(
    reader: Reader, file: Path, options: Options | None = None
) -> tuple[list[dict[str, Any]], list[Reject], Source]:
    source = Source(file, name="flows")
    rows: list[dict[str, Any]] = []
    rejects = []
    for item in reader.read(source, options or Options()):
        if isinstance(item, Reject):
            rejects.append(item)
        else:
            assert item.table == "conn"
            rows += item.batch.to_pylist()
    return rows, rejects, source


def csv_rows(path: Path, *lines: str, header: str = OLD) -> list[dict[str, Any]]:
    file = path / "flows.csv"
    file.write_text("\n".join([header, *lines, ""]))
    rows, rejects, _ = read(nfdump_csv, file)
    assert rejects == []
    return rows


def test_two_directions_become_one_connection(tmp_path: Path) -> None:
    (row,) = csv_rows(tmp_path, flow(0), flow(0.02, "<", ipkt="8", ibyt="9000", td="2.0"))
    assert str(row.pop("ts")) == "2024-05-01 10:00:00+00:00"
    assert row == {
        "uid": "flows:2", "src_ip": HOST, "src_port": 50000, "dst_ip": PEER, "dst_port": 443,
        "proto": "tcp", "service": None, "duration": 2.02, "src_bytes": 500, "dst_bytes": 9000,
        "src_pkts": 5, "dst_pkts": 8, "state": "SF",
    }  # fmt: skip


UDP = {"pr": "UDP", "flg": "........"}


@pytest.mark.parametrize(
    ("lines", "rows"),
    [
        ([flow(0)], [(HOST, 500, None, "SF")]),
        ([flow(0, flg="......S.")], [(HOST, 500, None, "S0")]),
        ([flow(0, flg="......S."), flow(0, "<", flg="...A.R..")], [(HOST, 500, 500, "REJ")]),
        ([flow(0, "<", flg="...A.R.."), flow(1, flg="......S.")], [(HOST, 500, 500, "REJ")]),
        ([flow(0, flg="...APRS."), flow(0, "<", flg="...AP.S.")], [(HOST, 500, 500, "RSTO")]),
        ([flow(0, flg="...AP.S."), flow(0, "<", flg="...APRS.")], [(HOST, 500, 500, "RSTR")]),
        ([flow(0, "<", flg="...AP..."), flow(1, flg="...AP...")], [(HOST, 500, 500, "OTH")]),
        ([flow(0, "<"), flow(1)], [(PEER, 500, 500, "SF")]),
        ([flow(0, "<", **UDP), flow(1, **UDP)], [(HOST, 500, 500, "SF")]),
        ([flow(0, "<", **UDP)], [(HOST, None, 500, "SF")]),
        ([flow(0, **UDP)], [(HOST, 500, None, "S0")]),
        ([flow(0), flow(400, "<")], [(HOST, 500, None, "SF"), (HOST, None, 500, "OTH")]),
        ([flow(0), flow(1, "<", pr="UDP")], [(HOST, 500, None, "SF"), (HOST, None, 500, "SF")]),
        ([flow(0), flow(1, "<", dp="50001")], [(HOST, 500, None, "SF"), (HOST, None, 500, "OTH")]),
        (
            [flow(0), flow(60), flow(0.1, "<"), flow(60.1, "<")],
            [(HOST, 500, 500, "SF"), (HOST, 500, 500, "SF")],
        ),
        ([flow(0, opkt="7", obyt="700")], [(HOST, 500, 700, "SF")]),
        ([flow(0, flg="......S.", opkt="1", obyt="40")], [(HOST, 500, 40, None)]),
    ],
    ids=[
        "one way",
        "asked in vain",
        "refused",
        "refused, clocks apart",
        "caller reset",
        "called reset",
        "middle: higher port calls",
        "syn seen: earlier calls",
        "udp: well-known port is called",
        "udp answer alone",
        "udp question alone",
        "more than five minutes apart",
        "another protocol",
        "another port",
        "a long one in pieces",
        "both ways in one record",
        "both ways, flags of one",
    ],
)
def test_who_called_and_how_it_went(
    tmp_path: Path, lines: list[str], rows: list[tuple[str, int | None, int | None, str]]
) -> None:
    found = csv_rows(tmp_path, *lines)
    assert [(r["src_ip"], r["src_bytes"], r["dst_bytes"], r["state"]) for r in found] == rows
    assert {r["src_port"] for r in found if r["src_ip"] == HOST} <= {50000, 50001}


def test_an_echo_and_its_reply_are_one_row_with_type_and_code(tmp_path: Path) -> None:
    lines = [
        flow(0, pr="ICMP", sp="0", dp="8.0"),
        flow(0.1, "<", pr="ICMP", sp="0", dp="0.0"),
        flow(9, pr="ICMP", sp="0", dp="771"),
    ]
    rows = csv_rows(tmp_path, *lines)
    assert [(r["src_port"], r["dst_port"], r["dst_bytes"]) for r in rows] == [
        (8, 0, 500), (3, 3, None),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("header", "line"),
    [
        (OLD, flow(0)),
        (
            "firstSeen,duration,proto,srcAddr,srcPort,dstAddr,dstPort,packets,bytes,flows",
            f"2024-05-01 10:00:00.000,0.500,TCP  ,{HOST},50000,{PEER},443,5,500,1",
        ),
        (
            FAST,
            f"1,2,1714557600000,1714557600500,6,{HOST},50000,{PEER},443,0,0,0,0,...AP.SF,0,5,500",
        ),
    ],
    ids=["1.6 and 1.7", "later 1.7", "csv-fast"],
)
def test_the_headers_of_all_versions_are_read(tmp_path: Path, header: str, line: str) -> None:
    file = tmp_path / "flows.csv"
    file.write_text(f"{header}\n{line}\n")
    assert nfdump_csv.recognises(Source(file))
    (row,) = csv_rows(tmp_path, line, header=header)
    assert str(row["ts"]) == "2024-05-01 10:00:00+00:00"
    assert (row["src_ip"], row["dst_port"], row["proto"], row["src_bytes"], row["duration"]) == (
        HOST, 443, "tcp", 500, 0.5,
    )  # fmt: skip


@pytest.mark.parametrize(
    "after",
    [
        "Summary\nflows,bytes,packets,avg_bps,avg_pps,avg_bpp\n1,500,5,8000,10,100\n",
        "Summary\nflows,bytes,packets,avg_bps,avg_pps,avg_bpp\n1,50",
        "No matching flows\n",
        f"{OLD}\n",
        "\n\n",
    ],
    ids=["summary", "unfinished summary", "no flows", "header again", "empty lines"],
)
def test_what_stands_around_the_flows_is_no_reject(tmp_path: Path, after: str) -> None:
    file = tmp_path / "flows.csv"
    file.write_text(f"{OLD}\n{flow(0)}\n{after}")
    rows, rejects, _ = read(nfdump_csv, file)
    assert (len(rows), rejects) == (1, [])


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (flow(0, sa="nobody"), "the source is 'nobody', not an IP address"),
        (flow(0, ts="yesterday"), "the start is 'yesterday', not a time"),
        (flow(0, ts=""), "the start is missing"),
        (flow(0, ibyt="1.2 M"), "ibyt is '1.2 M', not a whole number"),
        ("a,b", "2 fields, not 17"),
    ],
)
def test_a_bad_line_is_refused_and_the_others_kept(tmp_path: Path, bad: str, reason: str) -> None:
    file = tmp_path / "flows.csv"
    file.write_text(f"{OLD}\n{flow(0)}\n{bad}\n{flow(600)}\n")
    rows, rejects, _ = read(nfdump_csv, file)
    assert [row["uid"] for row in rows] == ["flows:2", "flows:4"]
    assert [(r.line, r.reason, r.text) for r in rejects] == [(3, reason, bad)]


def test_times_are_in_the_time_zone_of_the_settings(tmp_path: Path) -> None:
    file = tmp_path / "flows.csv"
    file.write_text(f"{OLD}\n{flow(0)}\n")
    rows, _, _ = read(nfdump_csv, file, Options(timezone="Asia/Tokyo"))
    assert str(rows[0]["ts"]) == "2024-05-01 01:00:00+00:00"


@pytest.mark.parametrize(
    ("text", "flags"),
    [("...AP.SF", "FSPA"), (".AP.SF", "FSPA"), ("0x1b", "FSPA"), ("18", "SA"), ("........", "")],
)
def test_flags_of_all_spellings_are_letters(text: str, flags: str) -> None:
    assert _flows.letters(text) == flags


@pytest.mark.parametrize(
    ("text", "micros"),
    [
        ("0.020", 20_000),
        ("00:01:00.500", 60_500_000),
        ("1 d 00:00:01.000", 86_401_000_000),
        ("x", None),
    ],
)
def test_durations_of_all_spellings_are_read(text: str, micros: int | None) -> None:
    assert nfdump_csv.seconds(text) == micros


# --- JSON

RECORD: dict[str, Any] = {
    "type": "FLOW", "first": "2024-05-01T10:00:00.250", "last": "2024-05-01T10:00:00.750",
    "in_packets": 5, "in_bytes": 500, "proto": 6, "tcp_flags": "...AP.SF", "src_port": 50000,
    "dst_port": 443, "src4_addr": HOST, "dst4_addr": PEER, "label": "<none> {odd} [x]",
}  # fmt: skip


def record(**changed: Any) -> dict[str, Any]:
    return {key: value for key, value in {**RECORD, **changed}.items() if value is not None}


def pretty(*records: dict[str, Any]) -> str:
    """Lay records out as nfdump does."""
    each = [
        "{\n" + ",\n".join(f"\t{json.dumps(k)} : {json.dumps(v)}" for k, v in r.items()) + "\n}"
        for r in records
    ]
    return "[\n" + ",\n".join(each) + "]\n"


LAYOUTS = {
    "nfdump -o json": pretty,
    "ndjson": lambda *r: "".join(json.dumps(x, separators=(",", ":")) + "\n" for x in r),
    "indented by jq": lambda *r: json.dumps(r, indent=2) + "\n",
    "one record a line in an array": lambda *r: "[" + ",\n".join(map(json.dumps, r)) + "]",
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_json_of_any_layout_gives_the_same_rows(tmp_path: Path, layout: str) -> None:
    back = record(
        first="2024-05-01T10:00:00.260", src4_addr=PEER, dst4_addr=HOST, src_port=443,
        dst_port=50000, in_bytes=900,
    )  # fmt: skip
    echo = record(
        proto=58, icmp_type=128, icmp_code=0, src_port=None, dst_port=None, tcp_flags=None,
        src4_addr=None, dst4_addr=None, src6_addr="2001:db8::5", dst6_addr="2001:db8::9",
    )  # fmt: skip
    old = record(t_first=RECORD["first"], t_last=RECORD["last"], first=None, last=None, dst_port=80)
    file = tmp_path / "flows.json"
    file.write_text(LAYOUTS[layout](RECORD, back, echo, old))
    assert nfdump_json.recognises(Source(file))
    rows, rejects, _ = read(nfdump_json, file)
    assert rejects == []
    assert [(r["src_ip"], r["dst_port"], r["src_bytes"], r["dst_bytes"]) for r in rows] == [
        (HOST, 443, 500, 900), ("2001:db8::5", 0, 500, None), (HOST, 80, 500, None),
    ]  # fmt: skip
    assert str(rows[0]["ts"]) == "2024-05-01 10:00:00.250000+00:00"
    assert (rows[0]["duration"], rows[0]["state"], rows[1]["proto"]) == (0.5, "SF", "icmp")


def test_a_broken_record_is_refused_and_the_others_kept(tmp_path: Path) -> None:
    whole = pretty(RECORD, record(src_port=None, first="never"), record(src_port=50001))
    file = tmp_path / "flows.json"
    file.write_text(whole + '{\n\t"first" : "2024-05-01T10:0')
    rows, rejects, _ = read(nfdump_json, file)
    assert [row["src_port"] for row in rows] == [50000, 50001]
    lines = whole.split("\n")
    second = [number for number, text in enumerate(lines, 1) if text == "{"][1]
    assert [(r.line, r.reason) for r in sorted(rejects, key=lambda r: r.line)] == [
        (second, "the start is 'never', not a time"),
        (len(lines), "this is no JSON object"),
    ]
    assert all('"first" : ' in reject.text for reject in rejects)


def test_records_across_blocks_are_kept_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    records = [record(src_port=port) for port in range(2000, 2060)]
    file = tmp_path / "flows.json"
    file.write_text(pretty(*records))
    blocks = Source.blocks
    monkeypatch.setattr(Source, "blocks", lambda self: blocks(self, 500))
    rows, rejects, _ = read(nfdump_json, file)
    assert rejects == []
    assert [row["src_port"] for row in rows] == list(range(2000, 2060))
    begins = [n for n, text in enumerate(pretty(*records).split("\n"), 1) if text == "{"]
    assert [row["uid"] for row in rows] == [f"flows:{n}" for n in begins]


@pytest.mark.parametrize(
    ("reader", "text", "known"),
    [
        (nfdump_json, '{"ts":1,"id.orig_h":"10.0.0.1"}\n', False),
        (nfdump_json, '{"timestamp":"x","event_type":"flow","src_ip":"10.0.0.1"}', False),
        (nfdump_json, "[]", False),
        (nfdump_csv, "ts,te,td,pr,val,fl,flP,pkt,pktP,byt,bytP,pps,bps,bpp\n", False),
        (nfdump_csv, "StartTime,Dur,Proto,SrcAddr,Sport,Dir,DstAddr,Dport,State\n", False),
        (nfdump_csv, f"{OLD}\r\n", True),
        (nfcapd, "\x0c\x01", False),
    ],
)
def test_other_formats_are_not_taken_for_nfdumps(
    tmp_path: Path, reader: Reader, text: str, known: bool
) -> None:
    file = tmp_path / "x"
    file.write_text(text)
    assert reader.recognises(Source(file)) is known


# --- nfcapd files, through the real nfdump


def test_without_nfdump_the_error_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "which", lambda _name: None)
    file = tmp_path / "nfcapd.1"
    file.write_bytes(b"\x0c\xa5\x01\x00" + bytes(300))
    with pytest.raises(SourceError, match="nfdump is not installed") as caught:
        read(nfcapd, file)
    assert "apt-get install nfdump" in caught.value.hint


def program(path: Path, script: str) -> str:
    file = path / "fake-nfdump"
    file.write_text(f"#!/bin/sh\n{script}\n")
    file.chmod(0o755)
    return str(file)


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("echo 'bad magic' >&2; exit 255", "nfdump failed with exit code 255: bad magic"),
        ("exec sleep 30", "nfdump printed nothing"),
    ],
    ids=["fails", "hangs"],
)
def test_an_nfdump_that_fails_or_hangs_is_a_source_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, message: str
) -> None:
    monkeypatch.setattr(shutil, "which", lambda _name: program(tmp_path, script))
    monkeypatch.setattr(nfcapd, "_PATIENCE", 0.2)
    file = tmp_path / "nfcapd.1"
    file.write_bytes(b"\x0c\xa5\x01\x00" + bytes(300))
    with pytest.raises(SourceError, match=message):
        read(nfcapd, file)


@needs_nfdump
def test_a_cut_nfcapd_file_gives_a_warning_not_silence(tmp_path: Path) -> None:
    file = tmp_path / "nfcapd.1"
    file.write_bytes(b"\x0c\xa5\x01\x00" + bytes(4) + b"\x02\x00\x00\x00" + bytes(100))
    try:
        rows, _, source = read(nfcapd, file)
    except SourceError:
        return
    assert rows == []
    assert source.warnings


@needs_nfdump
@needs_capture
def test_a_real_nfcapd_file_reads_like_its_own_exports(tmp_path: Path) -> None:
    plain = tmp_path / "nfcapd.1"
    plain.write_bytes(gzip.decompress(CAPTURE.read_bytes()))
    packed = Source(CAPTURE)
    assert nfcapd.recognises(packed)
    rows, rejects, _ = read(nfcapd, CAPTURE)
    assert rejects == []
    counted = sum((r["src_bytes"] or 0) + (r["dst_bytes"] or 0) for r in rows)
    assert counted == 241_025  # what nfdump's own summary says
    for reader, form in ((nfdump_csv, "csv"), (nfdump_json, "json")):
        export = tmp_path / f"flows.{form}"
        export.write_bytes(
            subprocess.run(  # noqa: S603
                [str(NFDUMP), "-r", str(plain), "-o", form],
                capture_output=True, timeout=60, check=True, env={"TZ": "UTC"},
            ).stdout
        )  # fmt: skip
        assert reader.recognises(Source(export))
        exported, refused, _ = read(reader, export)
        assert refused == []
        keys = ("src_ip", "src_port", "dst_ip", "dst_port", "proto", "src_bytes", "dst_bytes")
        assert [[r[k] for k in keys] for r in exported] == [[r[k] for k in keys] for r in rows]


@settings(max_examples=40, deadline=None)
@given(
    junk=st.lists(st.binary(max_size=60), max_size=4),
    start=st.sampled_from([b"", OLD.encode(), b'[\n{\n\t"first" : "x"', b"{", b"\x0c\xa5\x01\x00"]),
)
@pytest.mark.parametrize("reader", [nfdump_csv, nfdump_json], ids=lambda r: r.NAME)
def test_any_bytes_give_rows_and_rejects_or_a_source_error(
    tmp_path_factory: pytest.TempPathFactory, reader: Reader, junk: list[bytes], start: bytes
) -> None:
    file = tmp_path_factory.mktemp("any") / "x"
    file.write_bytes(b"\n".join([start, *junk]))
    try:
        read(reader, file)
    except SourceError:
        assert reader is nfdump_csv
        assert start != OLD.encode()


@needs_nfdump
@settings(max_examples=10, deadline=None)
@given(st.binary(max_size=400))
def test_any_bytes_in_an_nfcapd_file_give_rows_or_a_source_error(
    tmp_path_factory: pytest.TempPathFactory, junk: bytes
) -> None:
    file = tmp_path_factory.mktemp("any") / "x"
    file.write_bytes(b"\x0c\xa5\x01\x00" + junk)
    try:
        rows, _, _ = read(nfcapd, file)
    except SourceError:
        return
    assert rows == []


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.one_of(
            st.integers(1025, 40000),
            st.binary(min_size=1, max_size=30).filter(lambda b: b"\n" not in b and b"," not in b),
        ),
        max_size=12,
    )
)
def test_good_lines_keep_their_order_and_number_among_bad_ones(
    tmp_path_factory: pytest.TempPathFactory, lines: list[int | bytes]
) -> None:
    file = tmp_path_factory.mktemp("mixed") / "x"
    texts = [x if isinstance(x, bytes) else flow(0, sp=str(x)).encode() for x in lines]
    file.write_bytes(b"\n".join([OLD.encode(), *texts, b""]))
    rows, _, _ = read(nfdump_csv, file)
    expected = [(f"flows:{n}", x) for n, x in enumerate(lines, 2) if isinstance(x, int)]
    assert [(row["uid"], row["src_port"]) for row in rows] == expected
