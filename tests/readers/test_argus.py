from __future__ import annotations

import base64
import time
from pathlib import Path
from typing import Any

import dns.message
import dns.rrset
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sakimori.errors import SourceError
from sakimori.readers import Options, Reject, Source, argus

DATA = Path(__file__).parents[2].parent / "shared/data/network"
HEADER = (
    "StartTime,Dur,Proto,SrcAddr,Sport,Dir,DstAddr,Dport,State,sTos,dTos,TotPkts,TotBytes,SrcBytes"
)
DAY = "2024/05/01 10:00:00.250000"


def line(**changed: str) -> str:
    cells = {
        "time": DAY, "dur": "1.5", "proto": "tcp", "src": "10.0.0.5", "sport": "50000",
        "dir": "   ->", "dst": "203.0.113.9", "dport": "443", "state": "FSPA_FSPA",
        "stos": "0", "dtos": "", "pkts": "10", "bytes": "1000", "sent": "400",
    }  # fmt: skip
    return ",".join({**cells, **changed}.values())


def read(
    path: Path, content: str | bytes, options: Options | None = None
) -> tuple[dict[str, list[dict[str, Any]]], list[Reject], Source]:
    file = path / "flows.binetflow"
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    source = Source(file, name="flows")
    rows: dict[str, list[dict[str, Any]]] = {"conn": [], "dns": []}
    rejects = []
    for item in argus.read(source, options or Options()):
        if isinstance(item, Reject):
            rejects.append(item)
        else:
            rows[item.table] += item.batch.to_pylist()
    return rows, rejects, source


def one(path: Path, **changed: str) -> dict[str, Any]:
    rows, rejects, _ = read(path, f"{HEADER}\n{line(**changed)}\n")
    assert not rejects
    return rows["conn"][0]


def test_a_flow_becomes_a_connection(tmp_path: Path) -> None:
    row = one(tmp_path)
    assert str(row.pop("ts")) == "2024-05-01 10:00:00.250000+00:00"
    assert row == {
        "uid": "flows:2", "src_ip": "10.0.0.5", "src_port": 50000, "dst_ip": "203.0.113.9",
        "dst_port": 443, "proto": "tcp", "service": None, "duration": 1.5, "src_bytes": 400,
        "dst_bytes": 600, "src_pkts": None, "dst_pkts": None, "state": "SF",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("proto", "told", "state"),
    [
        ("tcp", "FSPA_FSPA", "SF"),
        ("tcp", "FSPA_FSRPA", "SF"),
        ("tcp", "S_", "S0"),
        ("tcp", "S_RA", "REJ"),
        ("tcp", "SR_", "RSTOS0"),
        ("tcp", "FS_", "SH"),
        ("tcp", "SPA_SPA", "S1"),
        ("tcp", "FSPA_SPA", "S2"),
        ("tcp", "SPA_FSPA", "S3"),
        ("tcp", "SRPA_SPA", "RSTO"),
        ("tcp", "SPA_SRA", "RSTR"),
        ("tcp", "PA_PA", "OTH"),
        ("tcp", "REQ", "S0"),
        ("tcp", "RST", "RSTR"),
        ("udp", "CON", "SF"),
        ("udp", "INT", "S0"),
        ("icmp", "URP", "OTH"),
        ("udp", "???", None),
    ],
)
def test_states_are_in_zeeks_words(
    tmp_path: Path, proto: str, told: str, state: str | None
) -> None:
    assert one(tmp_path, proto=proto, state=told)["state"] == state


@pytest.mark.parametrize(
    ("direction", "sport", "dport", "caller"),
    [
        ("   ->", "50000", "443", "10.0.0.5"),
        ("  <->", "443", "50000", "10.0.0.5"),
        ("  <-", "443", "50000", "203.0.113.9"),
        ("  <?", "50000", "443", "203.0.113.9"),
        ("  <?>", "443", "49353", "203.0.113.9"),
        ("  <?>", "49353", "443", "10.0.0.5"),
        ("   ?>", "80", "56785", "203.0.113.9"),
        ("  <?>", "", "", "10.0.0.5"),
        ("", "443", "50000", "10.0.0.5"),
    ],
)
def test_the_caller_is_the_side_the_arrow_or_the_port_tells(
    tmp_path: Path, direction: str, sport: str, dport: str, caller: str
) -> None:
    row = one(tmp_path, dir=direction, sport=sport, dport=dport, state="SPA_FSRPA")
    assert row["src_ip"] == caller
    turned = caller != "10.0.0.5"
    assert row["src_bytes"] == (600 if turned else 400)
    assert row["dst_port"] == (int(sport if turned else dport) if sport else None)
    assert row["state"] == ("RSTO" if turned else "RSTR")


@pytest.mark.parametrize(
    ("proto", "sport", "dport", "ports"),
    [
        ("icmp", "0x0303", "0x3eb0", (3, 3)),
        ("icmp", "0x0103", "0xc122", (3, 1)),
        ("icmp", "0x0008", "0x7208", (8, 0)),
        ("icmp", "0x03", "0x0d", (3, 13)),
        ("ipv6-icmp", "135", "0", (135, 0)),
        ("igmp", "", "", (None, None)),
        ("udp", "0x0035", "0xffff", (53, 65535)),
    ],
)
def test_hex_ports_are_read_and_icmp_ports_are_type_and_code(
    tmp_path: Path, proto: str, sport: str, dport: str, ports: tuple[int | None, int | None]
) -> None:
    row = one(tmp_path, proto=proto, sport=sport, dport=dport)
    assert (row["src_port"], row["dst_port"]) == ports


def test_rows_that_are_no_ip_flows_are_counted_not_rejected(tmp_path: Path) -> None:
    odd = [
        line(proto="man", src="0", dst="0"),
        line(proto="arp", src="10.0.0.1", sport="", dir="  who", dport=""),
        line(proto="llc", src="00:00:00:00:00:00", dst="00:00:00:00:00:00"),
        line(proto="35020", src="0:1b:2c:0:0:1", dst="1:80:c2:0:0:e"),
    ]
    rows, rejects, source = read(tmp_path, "\n".join([HEADER, *odd, line(), ""]))
    assert (len(rows["conn"]), rejects) == (1, [])
    assert source.warnings == ["4 rows without IP addresses (arp, llc, man) were not kept"]


def test_columns_are_found_by_name_and_tabs_are_fine(tmp_path: Path) -> None:
    content = (
        "Label\tDstAddr\tSrcAddr\tProto\tStartTime\tDport\tSrcPkts\tTotPkts\n"
        f"x\t192.0.2.1\t2001:DB8:0::1\tUDP\t{DAY}\t53\t1\t3\n"
    )
    rows, rejects, _ = read(tmp_path, content)
    assert not rejects
    row = rows["conn"][0]
    assert (row["src_ip"], row["dst_port"], row["proto"]) == ("2001:db8::1", 53, "udp")
    assert (row["src_pkts"], row["dst_pkts"], row["src_bytes"]) == (1, 2, None)


def test_without_source_bytes_no_sides_count_is_made_up(tmp_path: Path) -> None:
    row = one(tmp_path, sent="")
    assert (row["src_bytes"], row["dst_bytes"]) == (None, None)


def test_lines_that_lack_their_last_columns_are_kept_in_place(tmp_path: Path) -> None:
    short = ",".join(line(dport="80").split(",")[:12])
    rows, rejects, _ = read(tmp_path, f"{HEADER}\n{line()}\n{short}\n{line()}\n")
    assert not rejects
    assert [(r["uid"], r["dst_port"]) for r in rows["conn"]] == [
        ("flows:2", 443), ("flows:3", 80), ("flows:4", 443),
    ]  # fmt: skip
    assert rows["conn"][1]["src_bytes"] is None


def test_times_are_in_the_time_zone_of_the_settings(tmp_path: Path) -> None:
    rows, _, _ = read(tmp_path, f"{HEADER}\n{line()}\n", Options(timezone="Asia/Tokyo"))
    assert str(rows["conn"][0]["ts"]) == "2024-05-01 01:00:00.250000+00:00"
    with pytest.raises(SourceError, match="time zone 'Mars/Olympus' is not known"):
        read(tmp_path, f"{HEADER}\n{line()}\n", Options(timezone="Mars/Olympus"))


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (line(time="2024/02/30 10:00:00.0"), "StartTime is '2024/02/30 10:00:00.0', not a time"),
        (line(src="10.0.0.256"), "SrcAddr is '10.0.0.256', not an IP address"),
        (line(dport="https"), "Dport is 'https', not a port number (export with ra -n)"),
        (line(dur="long"), "Dur is 'long', not a number"),
        (line(sent="1e3"), "SrcBytes is '1e3', not a whole number"),
        (line() + ",x,y", "16 fields, not 14"),
        ("rubbish", "1 fields, not 14"),
    ],
)
def test_a_bad_line_is_refused_with_its_reason_and_the_others_kept(
    tmp_path: Path, bad: str, reason: str
) -> None:
    good = [line(sport=str(port)) for port in (1001, 1002)]
    rows, rejects, _ = read(tmp_path, "\n".join([HEADER, good[0], bad, good[1], ""]))
    assert [row["src_port"] for row in rows["conn"]] == [1001, 1002]
    assert [(r.line, r.reason) for r in rejects] == [(3, reason)]
    assert rejects[0].text == bad


def test_files_joined_end_to_end_are_read_through(tmp_path: Path) -> None:
    file = f"{HEADER}\n{line()}\n"
    rows, rejects, _ = read(tmp_path, file + file + "\n" + file)
    assert ([row["uid"] for row in rows["conn"]], rejects) == (
        ["flows:2", "flows:4", "flows:7"],
        [],
    )


def test_a_block_of_nothing_but_bad_lines_is_read_in_linear_time(tmp_path: Path) -> None:
    started = time.monotonic()
    _, rejects, _ = read(tmp_path, "\n".join([HEADER, *[line(dur="x", bytes="y")] * 20_000, ""]))
    assert len(rejects) == 20_000
    assert time.monotonic() - started < 5  # minutes, when each reject cuts the whole block


def test_an_unfinished_last_line_is_marked(tmp_path: Path) -> None:
    file = tmp_path / "flows"
    file.write_text(f"{HEADER}\n{line()}\n{line()}")
    marks = [item.tail for item in argus.read(Source(file), Options())]
    assert marks == [False, True]


def dns_line(question: bytes, answer: bytes | None, **changed: str) -> str:
    cells = {"proto": "udp", "dport": "53", "state": "CON", "pkts": "2", "dur": "0.1", **changed}
    texts = [base64.b64encode(data).decode() if data else "" for data in (question, answer)]
    payload = [
        f"{side}[{len(text)}]={text}" if text else ""
        for side, text in zip("sd", texts, strict=True)
    ]
    return ",".join([line(**cells), *payload])


def dns_pair() -> tuple[bytes, bytes]:
    query = dns.message.make_query("Update.Example.com.", "A", id=4711)
    answer = dns.message.make_response(query)
    answer.answer = [
        dns.rrset.from_text("update.example.com.", 60, "IN", "CNAME", "cdn.example.net."),
        dns.rrset.from_text("cdn.example.net.", 30, "IN", "CNAME", "edge.example.net."),
        dns.rrset.from_text("edge.example.net.", 9, "IN", "A", "192.0.2.8"),
    ]
    return query.to_wire(), answer.to_wire()


def test_dns_messages_in_the_user_data_become_dns_rows(tmp_path: Path) -> None:
    question, answer = dns_pair()
    content = [
        f"{HEADER},srcUdata,dstUdata",
        dns_line(question, answer),
        dns_line(question, None),
        dns_line(question, answer[:-3]),
        dns_line(b"this is no message at all", None),
        dns_line(question, answer, dport="5353"),
    ]
    rows, rejects, _ = read(tmp_path, "\n".join([*content, ""]))
    assert (len(rows["conn"]), rejects) == (5, [])
    whole, mute, cut = rows["dns"]
    assert (whole["query"], whole["qtype"], whole["rcode"]) == (
        "update.example.com",
        "A",
        "NOERROR",
    )
    assert whole["answers"] == ["cdn.example.net", "edge.example.net", "192.0.2.8"]
    assert (whole["ttls"], whole["rtt"]) == ([60.0, 30.0, 9.0], 0.1)
    assert (mute["query"], mute["rcode"], mute["answers"]) == ("update.example.com", None, None)
    assert mute["rtt"] is None
    assert cut["answers"] == ["cdn.example.net", "edge.example.net"]
    assert whole["uid"] == rows["conn"][0]["uid"]


@pytest.mark.parametrize(
    ("head", "is_argus"),
    [
        (HEADER, True),
        (HEADER.replace(",", "\t"), True),
        ("\ufeff" + HEADER, True),
        ("ts,te,td,sa,da,sp,dp,pr,flg", False),
        ("#separator \\x09", False),
        ("", False),
    ],
    ids=["comma", "tab", "byte order mark", "nfdump", "zeek", "empty"],
)
def test_argus_is_recognised_by_its_header(tmp_path: Path, head: str, is_argus: bool) -> None:
    file = tmp_path / "x"
    file.write_text(f"{head}\n")
    assert argus.recognises(Source(file)) is is_argus


def test_a_header_without_an_address_is_an_error_that_says_so(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no dstaddr"):
        read(tmp_path, "StartTime,Proto,SrcAddr\n")


CAPTURES = {
    "benign-2013-10-21-linux": (2398, 18),
    "benign-2015-03-24-dns": (2914, 0),
    "dga-bot-2018-05-10": (6725, 4),
    "sality-p2p": (1005, 12),
}


@pytest.mark.skipif(not DATA.is_dir(), reason=f"no captures at {DATA}")
@pytest.mark.parametrize("capture", CAPTURES)
def test_every_row_of_a_real_capture_is_kept_or_counted(capture: str) -> None:
    (file,) = (DATA / capture / "input").glob("*.binetflow*")
    source = Source(file)
    assert argus.recognises(source)
    items = list(argus.read(source, Options()))
    assert not [item for item in items if isinstance(item, Reject)]
    kept = sum(i.batch.num_rows for i in items if not isinstance(i, Reject) and i.table == "conn")
    rows, left_out = CAPTURES[capture]
    assert kept == rows - left_out
    assert bool(source.warnings) is bool(left_out)


@settings(max_examples=40, deadline=None)
@given(junk=st.lists(st.binary(max_size=60), max_size=4), head=st.booleans())
def test_any_bytes_give_rows_and_rejects_or_a_source_error(
    tmp_path_factory: pytest.TempPathFactory, junk: list[bytes], head: bool
) -> None:
    body = b"\n".join([HEADER.encode() if head else b"", *junk])
    try:
        read(tmp_path_factory.mktemp("any"), body)
    except SourceError:
        assert not head


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.one_of(
            st.integers(1025, 65535),
            st.binary(min_size=1, max_size=30).filter(lambda b: b"\n" not in b and b"," not in b),
        ),
        max_size=12,
    )
)
def test_good_lines_keep_their_order_and_number_among_bad_ones(
    tmp_path_factory: pytest.TempPathFactory, lines: list[int | bytes]
) -> None:
    content = [HEADER.encode()]
    content += [x if isinstance(x, bytes) else line(sport=str(x)).encode() for x in lines]
    rows, _, _ = read(tmp_path_factory.mktemp("mixed"), b"\n".join([*content, b""]))
    expected = [(f"flows:{n}", x) for n, x in enumerate(lines, 2) if isinstance(x, int)]
    assert [(row["uid"], row["src_port"]) for row in rows["conn"]] == expected
