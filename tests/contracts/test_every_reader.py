"""Rules that every reader keeps; a new one is checked without a new test."""

from __future__ import annotations

import inspect
import io
import json
import re
import shutil
import struct
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sakimori import readers
from sakimori.errors import SourceError
from sakimori.readers import Options, Reject, Rows, Source, recognise, schema_of
from sakimori.tables import TELEMETRY

if TYPE_CHECKING:
    from collections.abc import Callable

    from sakimori.readers import Reader

HOME = Path(readers.__file__).parent
TESTS = Path(__file__).parents[1] / "readers"
DATA = Path(__file__).parents[2].parent / "shared/data/network"

every_reader = pytest.mark.parametrize("reader", readers.BUILTIN, ids=lambda r: r.NAME)


def module_of(reader: Any) -> str:
    return str(reader.__name__).rpartition(".")[2]


def parquet() -> bytes:
    table = pa.table(
        {"ts": pa.array([1_700_000_000_000_000], pa.timestamp("us", "UTC")), "uid": ["C1"],
         "src_ip": ["10.0.0.5"], "src_port": [50000], "dst_ip": ["203.0.113.9"],
         "dst_port": [443], "proto": ["tcp"]}
    )  # fmt: skip
    file = io.BytesIO()
    pq.write_table(table, file)
    return file.getvalue()


def lines(*text: str) -> bytes:
    return "".join(f"{line}\n" for line in text).encode()


ZEEK = {"ts": 1700000000.25, "uid": "C1", "id.orig_h": "10.0.0.5", "id.orig_p": 50000,
        "id.resp_h": "203.0.113.9", "id.resp_p": 443, "proto": "tcp", "duration": 1.5,
        "conn_state": "SF"}  # fmt: skip
NFDUMP = {"t_first": "2024-05-01T10:00:00.000", "t_last": "2024-05-01T10:00:01.000", "proto": 6,
          "src4_addr": "10.0.0.5", "dst4_addr": "203.0.113.9", "src_port": 50000, "dst_port": 443,
          "in_packets": 5, "in_bytes": 500}  # fmt: skip
# dnstap: a client's question for the name bad over UDP, from 192.0.2.7 port 50000.
QUESTION = b"\x12\x34\1\0\0\1\0\0\0\0\0\0\3bad\0\0\1\0\1"
MESSAGE = (
    b"\x08\5\x10\1\x18\1\x22\4\xc0\0\2\7\x2a\4\x7f\0\0\1\x30\xd0\x86\3\x38\x35"
    b"\x40\x80\xe2\xcf\xaa\6\x52" + bytes([len(QUESTION)]) + QUESTION
)
DNSTAP = b"\x0a\x08sinkhole\x78\1\x72" + bytes([len(MESSAGE)]) + MESSAGE
XARF = {"xarf_version": "4.2.0", "report_id": "550e8400-e29b-41d4-a716-446655440000",
        "timestamp": "2024-05-01T10:00:00Z", "source_identifier": "192.0.2.5",
        "category": "infrastructure", "type": "botnet", "c2_server": "c2.example"}  # fmt: skip
N6 = {"id": "0123456789abcdef0123456789abcdef", "source": "example.feed", "category": "bots",
      "restriction": "public", "confidence": "low", "time": "2024-05-01T10:00:00Z",
      "address": [{"ip": "192.0.2.5", "cc": "JP", "asn": 64500}], "origin": "sinkhole"}  # fmt: skip
# One small file of each format, by the name of the reader that must know it.
SAMPLES = {
    "pcap": struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1)
    + struct.pack("<IIII", 1700000000, 0, 14, 14) + bytes(14),
    "nfcapd": b"\x0c\xa5\x02\x00" + bytes(136),
    "dnstap": b"\0\0\0\0\0\0\0\x22\0\0\0\2\0\0\0\1\0\0\0\x16protobuf:dnstap.Dnstap"
    + struct.pack("!I", len(DNSTAP)) + DNSTAP,
    "zeek-tsv": lines(
        r"#separator \x09", "#set_separator\t,", "#empty_field\t(empty)", "#unset_field\t-",
        "#path\tconn", "#fields\t" + "\t".join(ZEEK), "\t".join(map(str, ZEEK.values())),
    ),
    "sinkhole": lines(json.dumps({
        "sinkhole": "s1", "uid": "r-1", "ts": "2024-05-01T10:00:00.123Z", "src_ip": "192.0.2.7",
        "src_port": 50000, "dst_ip": "203.0.113.9", "dst_port": 53, "proto": "udp",
        "service": "dns", "name": "bad.example", "qtype": "A", "established": False,
    })),
    "nginx-sinkhole": lines(json.dumps({
        "nginx_sinkhole": "s1", "uid": "a1", "time": "1714557600.123", "src_ip": "192.0.2.7",
        "scheme": "http", "host": "bad.example", "method": "GET", "status": "404", "bytes": "78",
    })),
    "suricata-eve": lines(json.dumps({
        "timestamp": "2024-05-01T10:00:00.000000+0000", "event_type": "flow", "flow_id": 1,
        "src_ip": "10.0.0.5", "dest_ip": "203.0.113.9", "proto": "TCP",
        "flow": {"start": "2024-05-01T10:00:00.000000+0000"},
    })),
    "zeek-json": lines(json.dumps(ZEEK)),
    "exchange-tracking": lines(
        "#Software: Microsoft Exchange Server", "#Log-type: Message Tracking Log",
        "#Fields: date-time,source,event-id,network-message-id,recipient-address,sender-address",
        "2024-05-01T10:00:00.123Z,SMTP,SEND,08dc-1,bob@example.net,amy@example.org",
    ),
    "argus-binetflow": lines(
        "StartTime,Dur,Proto,SrcAddr,Sport,Dir,DstAddr,Dport,State,sTos,dTos,TotPkts,TotBytes,SrcBytes",
        "2024/05/01 10:00:00.250000,1.5,tcp,10.0.0.5,50000,   ->,203.0.113.9,443,FSPA_FSPA,0,0,10,1000,400",
    ),
    "nfdump-csv": lines(
        "ts,te,td,sa,da,sp,dp,pr,flg,fwd,stos,ipkt,ibyt,opkt,obyt,in,out",
        "2024-05-01 10:00:00,2024-05-01 10:00:01,1.0,10.0.0.5,203.0.113.9,50000,443,TCP,...AP.SF,"
        "0,0,5,500,0,0,1,2",
    ),
    "nfdump-json": json.dumps([NFDUMP], indent=1).encode(),
    "postfix": lines(
        "Oct 22 02:12:45 conch postfix/qmgr[3]: A63ED24324: from=<amy@example.net>, size=7559, nrcpt=1",
        "Oct 22 02:12:46 conch postfix/smtp[4]: A63ED24324: to=<bob@example.org>,"
        " relay=mx.example.org[203.0.113.5]:25, delay=3.1, dsn=2.0.0, status=sent (250 OK)",
    ),
    "exim": lines(
        "2024-05-01 10:00:00 1qABCD-000123-4x <= amy@example.org H=pc7 [192.0.2.7] P=esmtp S=1234",
        "2024-05-01 10:00:01 1qABCD-000123-4x => bob@example.net R=dnslookup T=remote_smtp",
    ),
    "bind-query": lines(
        "01-May-2024 10:00:00.123 queries: info: client @0x7f1 192.0.2.7#50000 (bad.example):"
        " view sinkhole: query: bad.example IN A +E(0)K (203.0.113.9)",
    ),
    "unbound-replies": lines(
        "[1714557600] sinkhole[1:0] info: 192.0.2.7 bad.example. A IN NOERROR 0.000000 1 45",
    ),
    "shadowserver": lines(
        '"timestamp","protocol","src_ip","src_port","src_asn","src_geo","src_naics","severity",'
        '"dst_ip","infection","family","tag","http_url","http_host"',
        '"2024-05-01 10:00:00","tcp","192.0.2.5",50000,64500,"JP",517311,"critical","203.0.113.9",'
        '"mirai",,"mirai;""x""","/gate\nline two","c2.example"',
    ),
    "xarf": lines(json.dumps(XARF, indent=1)),
    "intelmq-json": lines(json.dumps({
        "classification.type": "infected-system", "source.ip": "192.0.2.5",
        "time.source": "2024-05-01T10:00:00+00:00", "feed.name": "example",
    })),
    "n6-json": json.dumps([N6, N6]).encode(),
    "pdns-cof": lines(json.dumps({
        "rrname": "c2.example.", "rrtype": "A", "rdata": ["192.0.2.5", "192.0.2.6"],
        "time_first": 1714557600, "time_last": 1714561200, "count": 3,
    })),
    "parquet": parquet(),
    "csv": lines(
        "ts,uid,src_ip,src_port,dst_ip,dst_port,proto",
        "2024-05-01T10:00:00.25Z,C1,10.0.0.5,50000,203.0.113.9,443,tcp",
    ),
}  # fmt: skip
# The first bytes of real files beside the repository, by folder and ending.
REAL = {
    "simda-ctu355/input/*conn*": "zeek-tsv",
    "simda-ctu355/input/*dns*": "zeek-tsv",
    "apt29-emulation-day1/input/*conn*": "zeek-json",
    "format-fixtures-unlabelled/input/*suricata*": "suricata-eve",
    "format-fixtures-unlabelled/input/*nfdump*": "nfcapd",
    "format-fixtures-unlabelled/input/*.binetflow*": "argus-binetflow",
    "sality-p2p/input/*": "argus-binetflow",
    "asyncrat-anyrun/input/*.pcap*": "pcap",
    "mail-postfix-kdent/input/*": "postfix",
}


@pytest.fixture(scope="session")
def source(tmp_path_factory: pytest.TempPathFactory) -> Callable[[bytes], Source]:
    """`source(bytes)`: a file with this content; each call overwrites the last."""
    path = tmp_path_factory.mktemp("source") / "file"

    def make(content: bytes) -> Source:
        path.write_bytes(content)
        return Source(path, name="file")

    return make


def knowing(source: Source) -> list[str]:
    return [reader.NAME for reader in readers.BUILTIN if reader.recognises(source)]


def test_every_file_is_listed() -> None:
    found = {path.stem for path in HOME.glob("*.py") if not path.stem.startswith("_")}
    assert found == {module_of(r) for r in readers.BUILTIN}


def test_every_reader_has_a_name_and_a_title_of_its_own() -> None:
    for part in ("NAME", "TITLE"):
        assert len({getattr(r, part) for r in readers.BUILTIN}) == len(readers.BUILTIN)
    loaded = readers.load_all()
    assert list(loaded)[: len(readers.BUILTIN)] == [r.NAME for r in readers.BUILTIN]


def test_two_readers_of_one_name_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readers, "BUILTIN", (readers.BUILTIN[0], readers.BUILTIN[0]))
    with pytest.raises(ValueError, match="two readers are named"):
        readers.load_all()


def test_a_plugin_comes_after_our_own(monkeypatch: pytest.MonkeyPatch) -> None:
    theirs = SimpleNamespace(NAME="theirs")
    points = [SimpleNamespace(load=lambda: theirs)]
    asked: list[str] = []
    monkeypatch.setattr(readers, "entry_points", lambda group: asked.append(group) or points)
    assert list(readers.load_all().values()) == [*readers.BUILTIN, theirs]
    assert asked == ["sakimori.readers"]


@every_reader
def test_it_declares_what_it_is(reader: Reader) -> None:
    assert re.fullmatch(r"[a-z][a-z0-9-]*", reader.NAME)
    assert reader.TITLE.strip() == reader.TITLE != ""
    assert isinstance(reader.GROWS, bool)
    assert reader.WRITES
    assert set(reader.WRITES) <= set(TELEMETRY)
    assert (reader.__doc__ or "").strip()


@every_reader
def test_it_takes_a_source_and_options(reader: Reader) -> None:
    assert list(inspect.signature(reader.recognises).parameters) == ["source"]
    assert list(inspect.signature(reader.read).parameters) == ["source", "options"]


@every_reader
def test_it_has_a_test_file(reader: Reader) -> None:
    name = re.compile(rf"^from sakimori\.readers import .*\b{module_of(reader)}\b", re.MULTILINE)
    assert any(name.search(path.read_text("utf-8")) for path in TESTS.glob("test_*.py"))


@every_reader
def test_it_alone_knows_a_file_of_its_format(
    reader: Reader, source: Callable[[bytes], Source]
) -> None:
    assert knowing(source(SAMPLES[reader.NAME])) == [reader.NAME]


@every_reader
def test_it_reads_a_file_of_its_format(reader: Reader, source: Callable[[bytes], Source]) -> None:
    if reader.NAME == "nfcapd":
        pytest.skip("a file with flows in it is no few bytes; see tests/readers/test_nfdump.py")
    found = list(reader.read(source(SAMPLES[reader.NAME]), Options(year=2024)))
    assert not [item for item in found if isinstance(item, Reject)]
    tables = {item.table for item in found if isinstance(item, Rows)}
    assert tables <= set(reader.WRITES)
    assert tables or reader.NAME == "pcap"  # an empty frame is no connection


@pytest.mark.parametrize("name", SAMPLES)
def test_recognise_gives_the_one_that_knows(name: str, source: Callable[[bytes], Source]) -> None:
    reader = recognise(source(SAMPLES[name]), readers.BUILTIN, Options())
    assert reader is readers.load_all()[name]


@pytest.mark.parametrize(
    "content",
    [b"", b"\n", b"hello, world\n", b"{}\n", b"[]", b"a,b,c\n1,2,3\n", b"\x00" * 100, b"<xml/>"],
    ids=repr,
)
def test_nobody_knows_what_is_no_log(content: bytes, source: Callable[[bytes], Source]) -> None:
    assert knowing(source(content)) == []


@pytest.mark.parametrize(("pattern", "name"), REAL.items(), ids=REAL)
def test_one_reader_knows_each_real_file(pattern: str, name: str) -> None:
    paths = sorted(DATA.glob(pattern))
    if not paths:
        pytest.skip(f"no real captures at {DATA / pattern}")
    for path in paths:
        assert (path.name, knowing(Source(path))) == (path.name, [name])


# Bytes that get past the first look: files of every format with something else put in.
JUNK = st.binary(max_size=60) | st.text(max_size=30).map(str.encode) | st.sampled_from(
    [b"\x00", b"\xff\xfe", b"\n", b"\r", b'"', b",", b"\t", b"{", b"}", b"-1", b"9" * 400, b"NaN"]
)  # fmt: skip


@st.composite
def spoilt(draw: st.DrawFn, sample: bytes) -> bytes:
    """A file of a format with bytes put in, left out or cut off."""
    start = draw(st.integers(0, len(sample)))
    end = draw(st.integers(start, min(len(sample), start + 40)))
    content = sample[:start] + draw(JUNK) + sample[end:]
    return content[: draw(st.integers(0, len(content)))] if draw(st.booleans()) else content


ANY = st.binary(max_size=300) | st.sampled_from(sorted(SAMPLES)).flatmap(
    lambda name: spoilt(SAMPLES[name])
)


@settings(max_examples=150, deadline=None)
@given(content=ANY)
def test_any_head_is_looked_at_without_an_error(
    source: Callable[[bytes], Source], content: bytes
) -> None:
    found = recognise(source(content), readers.BUILTIN, Options())
    assert found is None or found in readers.BUILTIN


@every_reader
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_any_bytes_give_rows_and_rejects_or_a_source_error(
    reader: Reader, source: Callable[[bytes], Source], data: st.DataObject
) -> None:
    content = data.draw(st.binary(max_size=300) | spoilt(SAMPLES[reader.NAME]))
    if reader.NAME == "nfcapd" and not shutil.which("nfdump"):
        pytest.skip("nfdump is not installed")
    try:
        found = list(reader.read(source(content), Options(year=2024)))
    except SourceError:
        return
    for item in found:
        if isinstance(item, Rows):
            assert item.table in reader.WRITES
            assert item.batch.schema == schema_of(item.table)
        else:
            assert item.reason
