from __future__ import annotations

import gzip
import socket
import struct
import time
from collections import defaultdict
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from typing import Any

import dns.message
import dns.rrset
import dpkt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sakimori.errors import SourceError
from sakimori.readers import _pcap_stream, pcap
from sakimori.readers._contract import Options, Reject, Rows, schema_of
from sakimori.readers._flowtable import FlowTable, Limits
from sakimori.readers._packets import Decoder, Packet
from sakimori.readers._pcap_bytes import MalformedError
from sakimori.readers._pcap_rows import Sink
from sakimori.readers._pcap_service import of_stream
from sakimori.readers._pcap_stream import Conversation, Pool
from sakimori.readers._source import Source

REAL = Path(__file__).parents[2].parent / "shared/data/network"
START = 1_700_000_000
CLIENT, SERVER = "10.0.0.5", "192.0.2.80"
FLAGS = {"S": 2, "A": 16, "F": 1, "R": 4, "P": 8}


@dataclass
class Read:
    """What the reader gave for one capture."""

    tables: dict[str, list[dict[str, Any]]]
    rejects: list[Reject]
    warnings: list[str]

    def __getitem__(self, table: str) -> list[dict[str, Any]]:
        return self.tables[table]

    def only(self, table: str = "conn") -> dict[str, Any]:
        (row,) = self.tables[table]
        return row


def read_bytes(folder: Path, data: bytes) -> Read:
    path = folder / "some.capture"
    path.write_bytes(data)
    return read_path(path)


def read_path(path: Path) -> Read:
    source = Source(path)
    tables: dict[str, list[dict[str, Any]]] = defaultdict(list)
    rejects = []
    for item in pcap.read(source, Options()):
        if isinstance(item, Rows):
            assert item.table in pcap.WRITES
            assert item.batch.schema == schema_of(item.table)
            item.batch.validate(full=True)
            tables[item.table] += item.batch.to_pylist()
        else:
            rejects.append(item)
    return Read(tables, rejects, source.warnings)


Timed = tuple[float, bytes]


def classic(frames: list[Timed], link: int = 101, order: str = "<", *, nano: bool = False) -> bytes:
    magic, unit = (0xA1B23C4D, 10**9) if nano else (0xA1B2C3D4, 10**6)
    out = struct.pack(order + "IHHiIII", magic, 2, 4, 0, 0, 65535, link)
    for at, data in frames:
        whole, part = divmod(round(at * 10**6), 10**6)
        out += struct.pack(
            order + "IIII", START + whole, part * unit // 10**6, len(data), len(data)
        )
        out += data
    return out


def block(order: str, kind: int, body: bytes) -> bytes:
    body += bytes(-len(body) % 4)
    size = struct.pack(order + "I", len(body) + 12)
    return struct.pack(order + "I", kind) + size + body + size


def option(order: str, code: int, data: bytes) -> bytes:
    return struct.pack(order + "HH", code, len(data)) + data + bytes(-len(data) % 4)


def section(order: str = "<", link: int = 101, options: bytes = b"") -> bytes:
    head = struct.pack(order + "IHHq", 0x1A2B3C4D, 1, 0, -1)
    return block(order, 0x0A0D0D0A, head) + block(
        order, 1, struct.pack(order + "HHI", link, 0, 0) + options
    )


def enhanced(order: str, ticks: int, data: bytes, interface: int = 0) -> bytes:
    head = struct.pack(
        order + "IIIII", interface, ticks >> 32, ticks & 0xFFFFFFFF, len(data), len(data)
    )
    return block(order, 6, head + data)


def packed(address: str) -> bytes:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    return socket.inet_pton(family, address)


def ip(src: str, dst: str, proto: int, inner: Any, ident: int = 1) -> bytes:
    if ":" in src:
        packet = dpkt.ip6.IP6(src=packed(src), dst=packed(dst), nxt=proto, hlim=64, data=inner)
        packet.plen = len(bytes(inner))
        return bytes(packet)
    packet = dpkt.ip.IP(src=packed(src), dst=packed(dst), p=proto, id=ident, data=inner)
    packet.len = len(packet)
    return bytes(packet)


def tcp(
    src: str, sport: int, dst: str, dport: int, flags: str, seq: int, data: bytes = b""
) -> bytes:
    bits = sum(FLAGS[flag] for flag in flags)
    return ip(src, dst, 6, dpkt.tcp.TCP(sport=sport, dport=dport, seq=seq, flags=bits, data=data))


def udp(src: str, sport: int, dst: str, dport: int, data: bytes = b"x") -> bytes:
    datagram = dpkt.udp.UDP(sport=sport, dport=dport, data=data)
    datagram.ulen = len(datagram)
    return ip(src, dst, 17, datagram)


class Talk:
    """Builds one TCP connection: sequence numbers and a tenth of a second a packet."""

    def __init__(self, dport: int, *, sport: int = 50_000, at: float = 0.0) -> None:
        self.frames: list[Timed] = []
        self._seq = {True: 1_000, False: 4_294_967_200}  # the server's wraps around
        self._ports = (sport, dport)
        self._at = at

    def send(self, forward: bool, flags: str, data: bytes = b"") -> Talk:
        sport, dport = self._ports
        ends = (CLIENT, sport, SERVER, dport) if forward else (SERVER, dport, CLIENT, sport)
        self.frames.append((self._at, tcp(*ends, flags, self._seq[forward], data)))
        moved = len(data) + ("S" in flags) + ("F" in flags)
        self._seq[forward] = (self._seq[forward] + moved) % 2**32
        self._at += 0.1
        return self

    def open(self) -> Talk:
        return self.send(True, "S").send(False, "SA").send(True, "A")

    def says(self, data: bytes) -> Talk:
        return self.send(True, "PA", data)

    def answers(self, data: bytes) -> Talk:
        return self.send(False, "PA", data)

    def close(self) -> Talk:
        return self.send(True, "FA").send(False, "FA").send(True, "A")

    @property
    def data(self) -> bytes:
        return classic(self.frames)


def hello_world() -> Talk:
    return Talk(9999).open().says(b"hello").answers(b"world!").close()


# ------------------------------------------------------------------ containers


@pytest.mark.parametrize("nano", [False, True], ids=["us", "ns"])
@pytest.mark.parametrize("order", ["<", ">"], ids=["little", "big"])
def test_all_four_magics_give_the_same_rows(tmp_path: Path, order: str, nano: bool) -> None:
    data = classic(hello_world().frames, order=order, nano=nano)

    read = read_bytes(tmp_path, data)

    row = read.only()
    assert row["ts"].timestamp() == START
    assert row["duration"] == pytest.approx(0.7)
    assert (row["src_ip"], row["src_port"]) == (CLIENT, 50_000)
    assert (row["dst_ip"], row["dst_port"], row["proto"]) == (SERVER, 9999, "tcp")
    assert (row["src_bytes"], row["dst_bytes"], row["src_pkts"], row["dst_pkts"]) == (5, 6, 5, 3)
    assert (row["state"], row["service"]) == ("SF", None)
    assert (read.rejects, read.warnings) == ([], [])


def test_a_capture_that_dpkt_wrote_is_read(tmp_path: Path) -> None:
    path = tmp_path / "dpkt.pcap"
    with path.open("wb") as out:
        writer = dpkt.pcap.Writer(out, linktype=101)
        for at, data in hello_world().frames:
            writer.writepkt(data, ts=START + at)

    assert read_path(path).only()["state"] == "SF"


@pytest.mark.parametrize("order", ["<", ">"], ids=["little", "big"])
@pytest.mark.parametrize(
    ("resolution", "offset", "ticks"),
    [
        pytest.param(None, None, START * 10**6 + 250_000, id="microseconds unless told"),
        pytest.param(9, None, START * 10**9 + 250_000_000, id="nanoseconds"),
        pytest.param(0x80 | 2, None, START * 4 + 1, id="quarters of a second"),
        pytest.param(3, START, 250, id="offset in seconds"),
    ],
)
def test_pcapng_times_follow_the_interface(
    tmp_path: Path, order: str, resolution: int | None, offset: int | None, ticks: int
) -> None:
    options = b"" if resolution is None else option(order, 9, bytes([resolution]))
    if offset is not None:
        options += option(order, 14, struct.pack(order + "q", offset))
    frame = udp(CLIENT, 5000, SERVER, 6000)
    data = section(order, 101, options) + block(order, 5, bytes(8)) + enhanced(order, ticks, frame)

    assert read_bytes(tmp_path, data).only()["ts"].timestamp() == START + 0.25


def test_pcapng_sections_and_interfaces_have_their_own_link_types(tmp_path: Path) -> None:
    frame = udp(CLIENT, 5000, SERVER, 6000)
    ethernet = bytes(12) + b"\x08\x00" + frame
    now = START * 10**6
    second = block("<", 1, struct.pack("<HHI", 1, 0, 0))
    data = section("<") + second + enhanced("<", now, ethernet, 1) + enhanced("<", now, frame, 0)
    data += section(">", 1) + enhanced(">", now, ethernet)

    read = read_bytes(tmp_path, data)

    assert (read.only()["src_pkts"], read.rejects) == (3, [])


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        pytest.param(block("<", 3, struct.pack("<I", 4) + b"abcd"), "no time", id="no time"),
        pytest.param(enhanced("<", START, b"x", 7), "interface", id="unknown interface"),
        pytest.param(enhanced("<", 2**63, b"x"), "time", id="impossible time"),
        pytest.param(block("<", 6, b"1234"), "too short", id="short block"),
    ],
)
def test_a_bad_pcapng_block_is_a_reject_and_the_rest_is_read(
    tmp_path: Path, bad: bytes, reason: str
) -> None:
    good = enhanced("<", START * 10**6, udp(CLIENT, 5000, SERVER, 6000))

    read = read_bytes(tmp_path, section() + good + bad + good)

    (reject,) = read.rejects
    assert (reject.line, reason in reject.reason) == (2, True)
    assert read.only()["src_pkts"] == 2


def test_a_compressed_capture_is_read(tmp_path: Path) -> None:
    assert read_bytes(tmp_path, gzip.compress(hello_world().data)).only()["state"] == "SF"


@pytest.mark.parametrize("cut", [1, 20, 50])
def test_a_cut_file_gives_what_was_there_and_a_warning(tmp_path: Path, cut: int) -> None:
    read = read_bytes(tmp_path, hello_world().data[:-cut])

    row = read.only()
    assert row["src_pkts"] + row["dst_pkts"] == 7
    assert "cut short" in read.warnings[0]
    assert read.rejects == []


def test_an_impossible_packet_length_ends_the_file_with_a_reject(tmp_path: Path) -> None:
    data = hello_world().data + struct.pack("<IIII", START, 0, 0xFFFFFFF0, 60) + b"x" * 500

    read = read_bytes(tmp_path, data)

    assert read.only()["state"] == "SF"
    assert read.rejects[0].line == 9
    assert "not read" in read.warnings[0]


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"\xd4\xc3\xb2\xa1\x02\x00", id="header cut"),
        pytest.param(b"GIF89a" + bytes(100), id="a picture"),
    ],
)
def test_what_is_no_capture_is_a_source_error(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(SourceError):
        read_bytes(tmp_path, data)


@pytest.mark.parametrize(
    ("data", "known"),
    [
        pytest.param(hello_world().data, True, id="pcap"),
        pytest.param(classic([], nano=True, order=">"), True, id="pcap of nanoseconds"),
        pytest.param(section(">"), True, id="pcapng"),
        pytest.param(b"\x0a\x0d\x0d\x0a" + bytes(20), False, id="pcapng without byte order"),
        pytest.param(b"#separator \\x09\n", False, id="a Zeek log"),
        pytest.param(b"", False, id="empty"),
    ],
)
def test_captures_are_recognised_by_content(tmp_path: Path, data: bytes, known: bool) -> None:
    path = tmp_path / "x"
    path.write_bytes(data)

    assert pcap.recognises(Source(path)) is known


# ------------------------------------------------------------------ link layers

DATAGRAM = udp(CLIENT, 5000, SERVER, 6000)
MACS = bytes(12)


@pytest.mark.parametrize(
    ("link", "frame"),
    [
        pytest.param(1, MACS + b"\x08\x00" + DATAGRAM, id="ethernet"),
        pytest.param(1, MACS + b"\x08\x00" + DATAGRAM + bytes(17), id="ethernet with padding"),
        pytest.param(1, MACS + b"\x81\x00\x00\x07\x08\x00" + DATAGRAM, id="vlan"),
        pytest.param(1, MACS + b"\x88\xa8\x00\x07\x81\x00\x00\x08\x08\x00" + DATAGRAM, id="q-in-q"),
        pytest.param(1, MACS + b"\x88\x64\x11\x00\x00\x01\x00\x99\x00\x21" + DATAGRAM, id="pppoe"),
        pytest.param(
            1, MACS + b"\x88\x47\x00\x01\x00\x40\x00\x01\x01\x40" + DATAGRAM, id="mpls, two labels"
        ),
        pytest.param(101, DATAGRAM, id="raw"),
        pytest.param(12, DATAGRAM, id="raw of BSD"),
        pytest.param(228, DATAGRAM, id="raw IPv4"),
        pytest.param(0, b"\x02\0\0\0" + DATAGRAM, id="null, little"),
        pytest.param(0, b"\0\0\0\x02" + DATAGRAM, id="null, big"),
        pytest.param(108, b"\0\0\0\x02" + DATAGRAM, id="loop"),
        pytest.param(113, bytes(14) + b"\x08\x00" + DATAGRAM, id="linux cooked"),
        pytest.param(276, b"\x08\x00" + bytes(18) + DATAGRAM, id="linux cooked 2"),
    ],
)
def test_every_link_layer_leads_to_the_same_flow(tmp_path: Path, link: int, frame: bytes) -> None:
    row = read_bytes(tmp_path, classic([(0, frame)], link)).only()

    assert (row["src_ip"], row["src_port"]) == (CLIENT, 5000)
    assert (row["dst_ip"], row["dst_port"]) == (SERVER, 6000)
    assert (row["proto"], row["src_bytes"], row["src_pkts"]) == ("udp", 1, 1)


def test_a_link_type_that_is_not_read_is_named_in_a_warning(tmp_path: Path) -> None:
    read = read_bytes(tmp_path, classic([(0, bytes(80)), (1, bytes(80))], 105))

    assert read.warnings == ["2 packets of link type 105 (IEEE 802.11) are not read"]
    assert (read["conn"], read.rejects) == ([], [])


def test_frames_without_ip_give_nothing(tmp_path: Path) -> None:
    arp = MACS + b"\x08\x06" + bytes(28)

    read = read_bytes(tmp_path, classic([(0, arp)], 1))

    assert (read["conn"], read.rejects, read.warnings) == ([], [], [])


def test_ipv6_extension_headers_are_stepped_over(tmp_path: Path) -> None:
    inner = struct.pack("!HHHH", 5000, 6000, 12, 0) + b"four"
    hops = bytes([60, 0]) + bytes(6)
    destination = bytes([17, 1]) + bytes(14)
    frame = ip("2001:db8::5", "2001:db8::80", 0, hops + destination + inner)

    row = read_bytes(tmp_path, classic([(0, frame)])).only()

    assert (row["src_ip"], row["src_port"], row["src_bytes"]) == ("2001:db8::5", 5000, 4)


def fragments(version: int) -> list[bytes]:
    whole = struct.pack("!HHHH", 5000, 6000, 8 + 56, 0) + b"y" * 56
    first, rest = whole[:32], whole[32:]
    if version == 6:
        head = [struct.pack("!BBHI", 17, 0, at << 3 | more, 99) for at, more in ((0, 1), (4, 0))]
        ends = ("2001:db8::5", "2001:db8::80")
        return [ip(*ends, 44, head[0] + first), ip(*ends, 44, head[1] + rest)]
    frames = []
    for part, field in ((first, 0x2000), (rest, 4)):
        frame = bytearray(ip(CLIENT, SERVER, 17, part, ident=7))
        frame[6:8] = field.to_bytes(2, "big")
        frames.append(bytes(frame))
    return frames


@pytest.mark.parametrize("version", [4, 6])
def test_later_fragments_count_to_the_flow_of_the_first(tmp_path: Path, version: int) -> None:
    frames = [(float(i), data) for i, data in enumerate(fragments(version))]

    row = read_bytes(tmp_path, classic(frames)).only()

    assert (row["src_port"], row["dst_port"]) == (5000, 6000)
    assert (row["src_pkts"], row["src_bytes"]) == (2, 56)


def test_a_fragment_without_its_first_one_has_no_ports(tmp_path: Path) -> None:
    row = read_bytes(tmp_path, classic([(0, fragments(4)[1])])).only()

    assert (row["src_port"], row["dst_port"], row["src_bytes"]) == (None, None, 32)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        pytest.param(b"\x45\x00", "cut short", id="short IPv4"),
        pytest.param(b"\x41" + bytes(40), "begins with", id="short header length"),
        pytest.param(DATAGRAM[:2] + b"\0\x09" + DATAGRAM[4:], "shorter than", id="short total"),
        pytest.param(DATAGRAM[:22], "cut short", id="ports missing"),
        pytest.param(
            ip(CLIENT, SERVER, 17, struct.pack("!HHHH", 1, 2, 3, 0)), "UDP", id="UDP length"
        ),
        pytest.param(
            ip(CLIENT, SERVER, 6, bytes(12) + b"\x10" + bytes(7)), "TCP", id="TCP header length"
        ),
        pytest.param(b"\x60" + bytes(10), "cut short", id="short IPv6"),
    ],
)
def test_headers_that_cannot_be_are_malformed(data: bytes, reason: str) -> None:
    with pytest.raises(MalformedError, match=reason):
        Decoder().decode(0, 101, data)


def test_bad_packets_are_rejects_by_number_and_the_others_are_kept(tmp_path: Path) -> None:
    good, bad = udp(CLIENT, 5000, SERVER, 6000), b"\x45\x00\x00"

    read = read_bytes(tmp_path, classic([(0, good), (1, bad), (2, good)]))

    assert read.rejects == [Reject(2, "cut short inside its headers", "450000")]
    assert read.only()["src_pkts"] == 2


def test_after_a_hundred_bad_packets_the_rest_is_one_count(tmp_path: Path) -> None:
    read = read_bytes(tmp_path, classic([(0, b"\x45")] * 130))

    assert [reject.line for reject in read.rejects[:100]] == list(range(1, 101))
    assert read.rejects[100:] == [Reject(130, "30 more packets could not be read")]


# ------------------------------------------------------------------ flows


@pytest.mark.parametrize(
    ("script", "state"),
    [
        pytest.param(">S", "S0", id="S0: no answer"),
        pytest.param(">S >S >S", "S0", id="S0: asked again"),
        pytest.param(">S <SA >A", "S1", id="S1: open"),
        pytest.param(">S <SA >A >FA <FA >A", "SF", id="SF: closed well"),
        pytest.param(">S <RA", "REJ", id="REJ: refused"),
        pytest.param(">S <SA >A >FA", "S2", id="S2: only the caller closed"),
        pytest.param(">S <SA >A <FA", "S3", id="S3: only the called side closed"),
        pytest.param(">S <SA >A >R", "RSTO", id="RSTO: the caller reset"),
        pytest.param(">S <SA >A <R", "RSTR", id="RSTR: the called side reset"),
        pytest.param(">S <SA >A >R <R", "RSTO", id="RSTO: the first reset counts"),
        pytest.param(">S >R", "RSTOS0", id="RSTOS0: reset before an answer"),
        pytest.param("<SA <R", "RSTRH", id="RSTRH: no SYN seen"),
        pytest.param(">S >FA", "SH", id="SH: closed before an answer"),
        pytest.param("<SA <FA", "SHR", id="SHR: answered and closed, no SYN seen"),
        pytest.param(">A <A", "OTH", id="OTH: seen in the middle"),
        pytest.param(">A <A >FA <FA", "SF", id="SF: end of one joined in the middle"),
        pytest.param(">A <A <R", "RSTR", id="RSTR: reset of one joined in the middle"),
        pytest.param(">R", "OTH", id="OTH: a lone reset"),
    ],
)
def test_tcp_states_are_zeeks(tmp_path: Path, script: str, state: str) -> None:
    talk = Talk(80)
    for step in script.split():
        if step == ">S" and talk.frames:
            talk.frames.append((talk.frames[-1][0] + 1, talk.frames[0][1]))
        else:
            talk.send(step[0] == ">", step[1:])

    row = read_bytes(tmp_path, talk.data).only()

    assert (row["state"], row["src_ip"], row["dst_port"]) == (state, CLIENT, 80)


def test_bytes_sent_again_count_once_and_lost_ones_count(tmp_path: Path) -> None:
    talk = Talk(9999).open().says(b"a" * 100).says(b"b" * 100).says(b"c" * 100)
    again = (5.0, talk.frames[3][1])
    del talk.frames[4]
    talk.frames.append(again)

    row = read_bytes(tmp_path, talk.data).only()

    assert (row["src_bytes"], row["src_pkts"]) == (300, 5)


def test_a_wild_sequence_number_adds_only_what_was_sent(tmp_path: Path) -> None:
    talk = Talk(9999).open().says(b"a" * 100)
    talk.frames.append((1.0, tcp(CLIENT, 50_000, SERVER, 9999, "PA", 2**30, b"zz")))

    assert read_bytes(tmp_path, talk.data).only()["src_bytes"] == 102


@pytest.mark.parametrize(
    ("frame", "caller"),
    [
        pytest.param(tcp(SERVER, 443, CLIENT, 50_000, "PA", 5, b"x"), CLIENT, id="server port"),
        pytest.param(tcp(CLIENT, 50_000, SERVER, 443, "PA", 5, b"x"), CLIENT, id="client first"),
        pytest.param(tcp(SERVER, 9, CLIENT, 50_000, "PA", 5, b"x"), SERVER, id="unknown ports"),
        pytest.param(udp(SERVER, 53, CLIENT, 50_000), CLIENT, id="answer over UDP"),
        pytest.param(udp(SERVER, 123, CLIENT, 123), SERVER, id="the same port"),
    ],
)
def test_the_caller_of_a_flow_joined_in_the_middle(
    tmp_path: Path, frame: bytes, caller: str
) -> None:
    assert read_bytes(tmp_path, classic([(0, frame)])).only()["src_ip"] == caller


def test_a_new_syn_on_the_same_ports_is_a_new_connection(tmp_path: Path) -> None:
    first = hello_world().frames
    second = [(at + 1, tcp(CLIENT, 50_000, SERVER, 9999, "S", 777_000)) for at in (0.0, 0.5)]

    read = read_bytes(tmp_path, classic(first + second))

    assert [(row["state"], row["src_pkts"]) for row in read["conn"]] == [("SF", 5), ("S0", 2)]
    assert len({row["uid"] for row in read["conn"]}) == 2


@pytest.mark.parametrize(
    ("gap", "flows"), [pytest.param(59, 1, id="within"), pytest.param(61, 2, id="after")]
)
def test_an_idle_udp_flow_ends_after_a_minute(tmp_path: Path, gap: int, flows: int) -> None:
    frames = [(0.0, DATAGRAM), (float(gap), DATAGRAM)]

    assert len(read_bytes(tmp_path, classic(frames))["conn"]) == flows


@pytest.mark.parametrize(
    ("gap", "flows"), [pytest.param(299, 1, id="within"), pytest.param(301, 2, id="after")]
)
def test_an_idle_tcp_connection_ends_after_five_minutes(
    tmp_path: Path, gap: int, flows: int
) -> None:
    talk = Talk(9999).open().says(b"x")
    talk.frames.append((gap + 0.3, tcp(SERVER, 9999, CLIENT, 50_000, "A", 1)))

    assert len(read_bytes(tmp_path, talk.data)["conn"]) == flows


@pytest.mark.parametrize(
    ("frames", "state"),
    [
        pytest.param([udp(CLIENT, 5, SERVER, 6)], "S0", id="no answer"),
        pytest.param([udp(CLIENT, 5, SERVER, 6), udp(SERVER, 6, CLIENT, 5)], "SF", id="answered"),
        pytest.param([udp(SERVER, 53, CLIENT, 9999)], "SHR", id="only the answer"),
    ],
)
def test_udp_states_are_zeeks(tmp_path: Path, frames: list[bytes], state: str) -> None:
    timed = [(float(i), frame) for i, frame in enumerate(frames)]

    assert read_bytes(tmp_path, classic(timed)).only()["state"] == state


def icmp(src: str, dst: str, kind: int, code: int) -> bytes:
    return ip(src, dst, 58 if ":" in src else 1, bytes([kind, code, 0, 0, 0, 1, 0, 1]) + b"ping")


@pytest.mark.parametrize(
    ("frames", "expected"),
    [
        pytest.param(
            [icmp(CLIENT, SERVER, 8, 0), icmp(SERVER, CLIENT, 0, 0)],
            (CLIENT, 8, 0, 1, 1),
            id="echo and reply",
        ),
        pytest.param([icmp(SERVER, CLIENT, 0, 0)], (CLIENT, 8, 0, 0, 1), id="lone reply"),
        pytest.param([icmp(SERVER, CLIENT, 3, 13)], (SERVER, 3, 13, 1, 0), id="unreachable"),
        pytest.param(
            [icmp("fe80::1", "fe80::2", 128, 0), icmp("fe80::2", "fe80::1", 129, 0)],
            ("fe80::1", 128, 0, 1, 1),
            id="IPv6",
        ),
    ],
)
def test_icmp_has_type_and_code_for_ports(
    tmp_path: Path, frames: list[bytes], expected: tuple[object, ...]
) -> None:
    timed = [(float(i), frame) for i, frame in enumerate(frames)]

    row = read_bytes(tmp_path, classic(timed)).only()

    columns = ("src_ip", "src_port", "dst_port", "src_pkts", "dst_pkts")
    assert tuple(row[c] for c in columns) == expected
    assert (row["proto"], row["state"]) == ("icmp", "OTH")


@pytest.mark.parametrize(("proto", "name"), [(47, "gre"), (50, "esp"), (253, "ip-253")])
def test_other_protocols_are_flows_without_ports(tmp_path: Path, proto: int, name: str) -> None:
    row = read_bytes(tmp_path, classic([(0, ip(CLIENT, SERVER, proto, b"12345678"))])).only()

    assert (row["proto"], row["src_port"], row["src_bytes"]) == (name, None, 8)


def test_the_same_capture_gives_the_same_uids_and_they_join(tmp_path: Path) -> None:
    data = Talk(80).open().says(b"GET / HTTP/1.1\r\nHost: a.example\r\n\r\n").data

    first, second = read_bytes(tmp_path, data), read_bytes(tmp_path, data)

    assert first.tables == second.tables
    assert first.only("http")["uid"] == first.only("conn")["uid"]
    assert first.only("conn")["uid"].startswith("C")


def test_flows_at_the_same_moment_have_different_uids(tmp_path: Path) -> None:
    frames = [(0.0, tcp(CLIENT, 50_000, SERVER, 80, "S", seq)) for seq in (1, 500, 900)]

    uids = [row["uid"] for row in read_bytes(tmp_path, classic(frames))["conn"]]

    assert len(set(uids)) == 3


def test_a_full_table_gives_up_the_flow_idle_longest() -> None:
    sink = Sink()
    table = FlowTable(sink, lambda _flow, _packet: None, Limits(flows=10))
    for number in range(25):
        table.add(Packet(number, b"\x0a\0\0\1", b"\x0a\0\0\2", 17, 5000 + number, 6000, 0, b""))
        assert len(table) <= 10

    ended = [row["src_port"] for rows in sink.batches() for row in rows.batch.to_pylist()]

    assert ended == list(range(5000, 5000 + len(ended)))
    assert len(ended) + len(table) == 25


def test_batches_are_of_bounded_size() -> None:
    sink = Sink()
    for number in range(120_000):
        sink.add("conn", {"ts": number})

    assert sink.full
    assert [rows.batch.num_rows for rows in sink.batches()] == [50_000, 50_000, 20_000]
    assert not sink.full


# ------------------------------------------------------------------ DNS


def question(name: str = "WWW.Example.org", kind: str = "A") -> dns.message.Message:
    return dns.message.make_query(name, kind, id=77)


def answer(*records: tuple[str, str], rcode: int = 0) -> bytes:
    message = dns.message.make_response(question())
    message.set_rcode(rcode)
    for kind, text in records:
        message.answer.append(dns.rrset.from_text("www.example.org.", 60, "IN", kind, text))
    return message.to_wire()


def exchange(port: int, asked: bytes, answered: bytes | None, to: str = SERVER) -> bytes:
    frames = [(0.0, udp(CLIENT, 40_000, to, port, asked))]
    if answered:
        frames.append((0.25, udp(to, port, CLIENT, 40_000, answered)))
    return classic(frames)


@pytest.mark.parametrize(
    ("records", "texts"),
    [
        pytest.param([("A", "192.0.2.1"), ("A", "192.0.2.2")], ["192.0.2.1", "192.0.2.2"], id="A"),
        pytest.param([("AAAA", "2001:db8::1")], ["2001:db8::1"], id="AAAA"),
        pytest.param(
            [("CNAME", "CDN.example.net."), ("A", "192.0.2.1")],
            ["cdn.example.net", "192.0.2.1"],
            id="CNAME",
        ),
        pytest.param([("TXT", '"one " "two"')], ["one two"], id="TXT"),
        pytest.param([("CAA", '0 issue "ca.example"')], ['0 issue "ca.example"'], id="CAA"),
        pytest.param([("MX", "10 mail.example.org.")], ["mail.example.org"], id="MX"),
    ],
)
def test_a_question_and_its_answer_are_one_row(
    tmp_path: Path, records: list[tuple[str, str]], texts: list[str]
) -> None:
    read = read_bytes(tmp_path, exchange(53, question().to_wire(), answer(*records)))

    row = read.only("dns")
    assert (row["query"], row["qtype"], row["rcode"]) == ("www.example.org", "A", "NOERROR")
    assert (row["answers"], row["ttls"]) == (texts, [60.0] * len(texts))
    assert row["rtt"] == pytest.approx(0.25)
    assert (row["src_ip"], row["dst_port"], row["proto"]) == (CLIENT, 53, "udp")
    assert read.only()["service"] == "dns"


def test_a_name_that_does_not_exist_has_no_answers(tmp_path: Path) -> None:
    row = read_bytes(tmp_path, exchange(53, question().to_wire(), answer(rcode=3))).only("dns")

    assert (row["rcode"], row["answers"], row["ttls"]) == ("NXDOMAIN", None, None)


@pytest.mark.parametrize("port", [53, 5353, 5355])
def test_a_question_without_an_answer_has_a_null_rcode(tmp_path: Path, port: int) -> None:
    read = read_bytes(tmp_path, exchange(port, question().to_wire(), None, to="224.0.0.251"))

    row = read.only("dns")
    assert (row["query"], row["rcode"], row["rtt"]) == ("www.example.org", None, None)


def test_an_answer_whose_question_was_not_captured_is_kept(tmp_path: Path) -> None:
    frame = udp(SERVER, 53, CLIENT, 40_000, answer(("A", "192.0.2.1")))

    row = read_bytes(tmp_path, classic([(0, frame), (0.1, frame)])).only("dns")

    assert (row["src_ip"], row["answers"], row["rtt"]) == (CLIENT, ["192.0.2.1"], None)


def test_a_question_asked_again_is_two_rows_and_the_last_is_answered(tmp_path: Path) -> None:
    ask = udp(CLIENT, 40_000, SERVER, 53, question().to_wire())
    reply = udp(SERVER, 53, CLIENT, 40_000, answer(("A", "192.0.2.1")))

    rows = read_bytes(tmp_path, classic([(0, ask), (1, ask), (1.5, reply)]))["dns"]

    assert [row["rcode"] for row in rows] == [None, "NOERROR"]


def test_dns_over_tcp_is_read_across_segments(tmp_path: Path) -> None:
    asked, answered = question().to_wire(), answer(("A", "192.0.2.1"))
    asked, answered = (len(m).to_bytes(2, "big") + m for m in (asked, answered))
    talk = Talk(53).open().says(asked[:9]).says(asked[9:]).answers(answered + answered[:5])

    read = read_bytes(tmp_path, talk.data)

    row = read.only("dns")
    assert (row["proto"], row["answers"]) == ("tcp", ["192.0.2.1"])
    assert read.only()["service"] == "dns"


def test_dns_on_another_port_is_recognised_when_certain(tmp_path: Path) -> None:
    read = read_bytes(tmp_path, exchange(4444, question(kind="TXT").to_wire(), None))

    assert (read.only("dns")["qtype"], read.only()["service"]) == ("TXT", "dns")


def test_bytes_of_a_name_that_are_not_ascii_are_escaped(tmp_path: Path) -> None:
    wire = struct.pack("!6H", 1, 0, 1, 0, 0, 0) + b"\x03\xff\xfea\x03com\0" + b"\0\x10\0\1"

    assert read_bytes(tmp_path, exchange(53, wire, None)).only("dns")["query"] == r"\xff\xfea.com"


def test_a_name_that_points_at_itself_is_no_dns(tmp_path: Path) -> None:
    wire = struct.pack("!6H", 1, 0, 1, 0, 0, 0) + b"\xc0\x0c\0\1\0\1"

    read = read_bytes(tmp_path, exchange(53, wire, None))

    assert (read["dns"], read.only()["service"]) == ([], None)


# ------------------------------------------------------------------ HTTP

GET = (
    b"GET /a?b=1 HTTP/1.1\r\nHost: WWW.example.org:8080\r\nUser-Agent: bot/1\r\nReferer: r\r\n\r\n"
)
OK = b"HTTP/1.1 200 OK\r\nContent-Type: Text/HTML; charset=x\r\nContent-Length: 5\r\n\r\nhello"


def test_a_request_and_its_answer_are_one_row(tmp_path: Path) -> None:
    read = read_bytes(tmp_path, Talk(8080).open().says(GET).answers(OK).close().data)

    row = read.only("http")
    assert (row["method"], row["host"], row["uri"]) == ("GET", "www.example.org", "/a?b=1")
    assert (row["user_agent"], row["referrer"]) == ("bot/1", "r")
    assert (row["status"], row["mime"]) == (200, "text/html")
    assert (row["req_bytes"], row["resp_bytes"]) == (0, 5)
    assert row["ts"].timestamp() == pytest.approx(START + 0.3)
    assert read.only()["service"] == "http"


def numbered(status: int, body: bytes = b"") -> bytes:
    return b"HTTP/1.1 %d X\r\nContent-Length: %d\r\n\r\n%b" % (status, len(body), body)


def test_requests_one_after_the_other_get_their_own_answers(tmp_path: Path) -> None:
    post = b"POST /%d HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc"
    talk = Talk(80).open().says(post % 1 + post % 2)
    talk.answers(numbered(100)[:-2] + b"\r\n" + numbered(201, b"x")).answers(numbered(404, b"yy"))

    rows = read_bytes(tmp_path, talk.data)["http"]

    assert [(r["uri"], r["status"], r["req_bytes"], r["resp_bytes"]) for r in rows] == [
        ("/1", 201, 3, 1),
        ("/2", 404, 3, 2),
    ]


def test_a_chunked_answer_is_counted_and_the_next_one_found(tmp_path: Path) -> None:
    chunked = (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"4;x=y\r\nWiki\r\n5\r\npedia\r\n0\r\nTrailer: t\r\n\r\n"
    )
    talk = Talk(80).open().says(GET).says(GET)
    for at in range(0, len(chunked), 7):
        talk.answers(chunked[at : at + 7])
    talk.answers(OK)

    rows = read_bytes(tmp_path, talk.data)["http"]

    assert [row["resp_bytes"] for row in rows] == [9, 5]


@pytest.mark.parametrize(
    ("method", "head", "size"),
    [
        pytest.param(b"HEAD", b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n", 0, id="HEAD"),
        pytest.param(b"GET", b"HTTP/1.1 304 Not\r\nContent-Length: 900\r\n\r\n", 0, id="304"),
        pytest.param(b"GET", b"HTTP/1.0 200 OK\r\n\r\nall the rest", 12, id="until close"),
        pytest.param(b"GET", b"HTTP/1.0 200 OK\nContent-Length: 2\n\nok", 2, id="bare newlines"),
    ],
)
def test_the_length_of_an_answers_body(
    tmp_path: Path, method: bytes, head: bytes, size: int
) -> None:
    talk = Talk(80).open().says(method + GET[3:]).answers(head).close()

    assert read_bytes(tmp_path, talk.data).only("http")["resp_bytes"] == size


def test_a_request_without_an_answer_is_written(tmp_path: Path) -> None:
    row = read_bytes(tmp_path, Talk(80).open().says(GET).data).only("http")

    assert (row["uri"], row["status"], row["resp_bytes"]) == ("/a?b=1", None, None)


def test_segments_out_of_order_and_sent_again_are_put_together(tmp_path: Path) -> None:
    talk = Talk(80).open()
    for at in range(0, len(GET), 20):
        talk.says(GET[at : at + 20])
    talk.answers(OK)
    frames = talk.frames
    frames[4], frames[5] = (frames[4][0], frames[5][1]), (frames[5][0], frames[4][1])
    frames.insert(6, (frames[5][0], frames[4][1]))

    row = read_bytes(tmp_path, classic(frames)).only("http")

    assert (row["uri"], row["user_agent"], row["status"]) == ("/a?b=1", "bot/1", 200)


def test_a_body_with_a_hole_is_stepped_over(tmp_path: Path) -> None:
    talk = Talk(80).open().says(GET).answers(numbered(200, b"z" * 3000)[:1000])
    talk.answers(b"z" * 1000).answers(b"z" * 3000)
    whole = len(numbered(200, b"z" * 3000))
    talk.frames[-1] = (
        talk.frames[-1][0],
        tcp(
            SERVER, 80, CLIENT, 50_000, "PA", (4_294_967_201 + 2000) % 2**32, b"z" * (whole - 2000)
        ),
    )
    del talk.frames[-2]
    talk.says(GET.replace(b"/a", b"/c")).close()

    rows = read_bytes(tmp_path, talk.data)["http"]

    assert [(row["uri"], row["resp_bytes"]) for row in rows] == [("/a?b=1", 3000), ("/c?b=1", None)]


def test_a_conversation_goes_on_when_a_missing_segment_never_comes(tmp_path: Path) -> None:
    talk = Talk(80).open().says(GET).says(b"lost")
    for _ in range(80):
        talk.says(GET)
    del talk.frames[4]

    assert len(read_bytes(tmp_path, talk.data)["http"]) > 40


def test_text_that_is_not_utf8_becomes_replacement_characters(tmp_path: Path) -> None:
    talk = Talk(80).open().says(GET.replace(b"bot/1", b"b\xffot"))

    assert read_bytes(tmp_path, talk.data).only("http")["user_agent"] == "b\ufffdot"


# ------------------------------------------------------------------ TLS


def u16(*numbers: int) -> bytes:
    return struct.pack(f"!{len(numbers)}H", *numbers)


def sized(data: bytes, width: int = 2) -> bytes:
    return len(data).to_bytes(width, "big") + data


def der(tag: int, *parts: bytes) -> bytes:
    content = b"".join(parts)
    size = len(content)
    length = bytes([size]) if size < 128 else b"\x82" + size.to_bytes(2, "big")
    return bytes([tag]) + length + content


def name_der(*pairs: tuple[bytes, str]) -> bytes:
    return der(
        0x30,
        *(
            der(0x31, der(0x30, der(6, b"\x55\x04" + oid), der(0x0C, text.encode())))
            for oid, text in pairs
        ),
    )


def certificate_der() -> bytes:
    validity = der(0x30, der(0x17, b"240101000000Z"), der(0x18, b"20501231235959Z"))
    to_sign = der(
        0x30,
        der(0xA0, der(2, b"\2")),
        der(2, b"\x07"),
        der(0x30, der(6, b"\x2a\x03")),
        name_der((b"\x06", "JP"), (b"\x03", "Test, Root")),
        validity,
        name_der((b"\x0a", "Bots"), (b"\x03", "c2.example")),
        der(0x30, b"\5\0"),
    )
    return der(0x30, to_sign, der(0x30, b"\5\0"), der(3, b"\0" + b"s" * 200))


def record(kind: int, data: bytes) -> bytes:
    return bytes([kind, 3, 3]) + sized(data)


def message(kind: int, body: bytes) -> bytes:
    return bytes([kind]) + sized(body, 3)


def client_hello(name: bytes = b"C2.example") -> bytes:
    extensions = u16(0) + sized(sized(b"\0" + sized(name))) + u16(10) + sized(sized(u16(29, 23)))
    ciphers = u16(0x1A1A, 0xC02F, 0x009C)
    body = u16(0x0303) + bytes(32) + b"\0" + sized(ciphers) + b"\1\0" + sized(extensions)
    return record(22, message(1, body))


def server_hello(extensions: bytes = b"", cipher: int = 0xC02F) -> bytes:
    body = u16(0x0303) + bytes(32) + b"\0" + u16(cipher) + b"\0" + sized(extensions)
    return message(2, body)


CERTIFICATES = message(11, sized(sized(certificate_der(), 3) + sized(b"another", 3), 3))
FINISHED = record(20, b"\1") + record(22, b"e" * 40)
ALPN = u16(16) + sized(sized(sized(b"h2", 1)))


def test_a_handshake_of_tls12_with_its_certificate_is_one_row(tmp_path: Path) -> None:
    flight = record(22, server_hello(ALPN) + CERTIFICATES + message(14, b""))
    talk = Talk(4443).open().says(client_hello()).answers(flight[:90]).answers(flight[90:])
    talk.says(FINISHED).answers(FINISHED).says(record(23, b"d" * 100))

    read = read_bytes(tmp_path, talk.data)

    row = read.only("tls")
    assert (row["version"], row["alpn"]) == ("TLSv12", "h2")
    assert row["cipher"] == "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"
    assert (row["server_name"], row["established"]) == ("c2.example", True)
    assert row["ja4"].startswith("t12d020200_")
    assert (len(row["ja3"]), len(row["ja3s"])) == (32, 32)
    assert (row["subject"], row["issuer"]) == ("CN=c2.example,O=Bots", r"CN=Test\, Root,C=JP")
    assert row["not_before"].isoformat() == "2024-01-01T00:00:00+00:00"
    assert row["not_after"].isoformat() == "2050-12-31T23:59:59+00:00"
    assert row["cert_hashes"][0] == sha256(certificate_der()).hexdigest()
    assert len(row["cert_hashes"]) == 2
    assert read.only()["service"] == "ssl"


def test_messages_cut_between_records_are_put_together(tmp_path: Path) -> None:
    flight = server_hello() + CERTIFICATES
    cut = b"".join(record(22, flight[at : at + 50]) for at in range(0, len(flight), 50))
    talk = Talk(443).open().says(client_hello())
    for at in range(0, len(cut), 64):
        talk.answers(cut[at : at + 64])

    row = read_bytes(tmp_path, talk.data).only("tls")

    assert (row["subject"], row["established"]) == ("CN=c2.example,O=Bots", False)


@pytest.mark.parametrize(
    ("last", "established"),
    [pytest.param(53, True, id="finished"), pytest.param(19, False, id="an encrypted alert")],
)
def test_tls13_is_established_when_the_client_goes_on(
    tmp_path: Path, last: int, established: bool
) -> None:
    hello = record(22, server_hello(u16(43) + sized(u16(0x0304)), 0x1301))
    talk = Talk(443).open().says(client_hello())
    talk.answers(hello + record(20, b"\1") + record(23, b"e" * 900))
    talk.says(record(20, b"\1") + record(23, b"f" * last))

    row = read_bytes(tmp_path, talk.data).only("tls")

    assert (row["version"], row["cipher"]) == ("TLSv13", "TLS_AES_128_GCM_SHA256")
    assert (row["established"], row["subject"]) == (established, None)


def test_a_hello_without_an_answer_is_a_row_that_is_not_established(tmp_path: Path) -> None:
    row = read_bytes(tmp_path, Talk(443).open().says(client_hello()).data).only("tls")

    assert (row["version"], row["cipher"], row["established"]) == (None, None, False)
    assert row["ja4"].startswith("t12d")


def test_tls_inside_a_proxys_tunnel_is_read(tmp_path: Path) -> None:
    connect = b"CONNECT c2.example:443 HTTP/1.1\r\nHost: c2.example:443\r\n\r\n"
    talk = Talk(3128).open().says(connect).answers(b"HTTP/1.1 200 Established\r\n\r\n")
    talk.says(client_hello()).answers(record(22, server_hello()))

    read = read_bytes(tmp_path, talk.data)

    assert (read.only("http")["method"], read.only("http")["status"]) == ("CONNECT", 200)
    assert read.only("tls")["server_name"] == "c2.example"


# ------------------------------------------------------------------ mail and IRC


def smtp(port: int = 587) -> Talk:
    return Talk(port).open().answers(b"220 mx.example ESMTP\r\n").says(b"EHLO Bot\r\n")


def test_a_mail_that_was_handed_over_is_a_row(tmp_path: Path) -> None:
    talk = smtp().answers(b"250-mx\r\n250 AUTH\r\n")
    talk.says(b"AUTH LOGIN dGhpZWY=\r\n").answers(b"334 UGFzc3dvcmQ6\r\n").says(b"c2VjcmV0\r\n")
    talk.answers(b"235 ok\r\n").says(b"MAIL FROM:<A@b.example> SIZE=9\r\n").answers(b"250 ok\r\n")
    talk.says(b"RCPT TO: <C@d.example>\r\n").answers(b"250 ok\r\n").says(b"DATA\r\n")
    talk.answers(b"354 go\r\n").says(b"Subject: PW_x\r\nX-Mailer: m\r\n\r\nMAIL FROM:<no@no>\r\n")
    talk.says(b"..\r\n.\r\n").answers(b"250 queued as 7\r\n").says(b"QUIT\r\n")

    read = read_bytes(tmp_path, talk.data)

    row = read.only("mail")
    assert (row["helo"], row["login"]) == ("Bot", "thief")
    assert (row["sender"], row["recipients"]) == ("a@b.example", ["c@d.example"])
    assert (row["subject"], row["mailer"]) == ("PW_x", "m")
    assert (row["status"], row["reason"]) == ("sent", "250 queued as 7")
    assert row["size"] == len(b"Subject: PW_x\r\nX-Mailer: m\r\n\r\nMAIL FROM:<no@no>\r\n..\r\n")
    assert read.only()["service"] == "smtp"
    assert "c2VjcmV0" not in str(read.tables)


def test_each_refused_recipient_is_a_row(tmp_path: Path) -> None:
    talk = smtp(25).answers(b"250 mx\r\n").says(b"MAIL FROM:<a@b>\r\n").answers(b"250 ok\r\n")
    talk.says(b"RCPT TO:<x@y>\r\n").answers(b"550 5.7.1 listed\r\n")
    talk.says(b"RCPT TO:<z@y>\r\n").answers(b"450 later\r\n").says(b"QUIT\r\n")

    rows = read_bytes(tmp_path, talk.data)["mail"]

    assert [(row["recipients"], row["status"]) for row in rows] == [
        (["x@y"], "rejected"),
        (["z@y"], "deferred"),
    ]
    assert rows[0]["reason"] == "550 5.7.1 listed"


def test_tls_after_starttls_is_read(tmp_path: Path) -> None:
    talk = smtp().answers(b"250-mx\r\n250 STARTTLS\r\n").says(b"STARTTLS\r\n")
    talk.answers(b"220 go\r\n").says(client_hello()).answers(record(22, server_hello()))

    read = read_bytes(tmp_path, talk.data)

    assert read.only("tls")["server_name"] == "c2.example"
    assert read["mail"] == []


def test_irc_is_read_on_any_port(tmp_path: Path) -> None:
    talk = Talk(8888).open().says(b"PASS x\r\nNICK bot7\r\n").says(b"USER me 8 * :Real Name\r\n")
    talk.answers(b":irc.example 001 bot7 :Welcome\r\n").says(b"JOIN #ctrl key\r\n")
    talk.answers(b":irc.example 332 bot7 #ctrl :.scan 10\r\n:boss!b@h PRIVMSG #ctrl :.dd")
    talk.answers(b"os now\r\n").says(b"PONG :1\r\n")

    read = read_bytes(tmp_path, talk.data)

    shown = [(r["nick"], r["user"], r["command"], r["value"], r["extra"]) for r in read["irc"]]
    assert shown == [
        (None, None, "PASS", "x", None),
        ("bot7", None, "NICK", "bot7", None),
        ("bot7", "me", "USER", "me", "8 * Real Name"),
        ("bot7", "me", "JOIN", "#ctrl", "key"),
        ("irc.example", None, "332", "bot7", "#ctrl .scan 10"),
        ("boss", None, "PRIVMSG", "#ctrl", ".ddos now"),
        ("bot7", "me", "PONG", "1", None),
    ]
    assert read.only()["service"] == "irc"


# ------------------------------------------------------------------ services


@pytest.mark.parametrize(
    ("client", "server", "service"),
    [
        pytest.param(b"", b"SSH-2.0-OpenSSH_9\r\n", "ssh", id="ssh"),
        pytest.param(b"USER anonymous\r\n", b"220 welcome\r\n", "ftp", id="ftp by its command"),
        pytest.param(b"", b"220 ProFTPD FTP server\r\n", "ftp", id="ftp by its greeting"),
        pytest.param(b"EHLO x\r\n", b"220 hi\r\n", "smtp", id="smtp"),
        pytest.param(b"\x13BitTorrent protocol" + bytes(48), b"", "bittorrent", id="bittorrent"),
        pytest.param(b"USER anonymous\r\n", b"", None, id="USER alone is not certain"),
        pytest.param(b"PING\r\n", b"+PONG\r\n", None, id="redis is not irc"),
        pytest.param(bytes(range(200)), bytes(range(200)), None, id="unknown"),
        pytest.param(b"x" * 9000, b"", None, id="much of nothing"),
    ],
)
def test_the_service_of_a_conversation(
    tmp_path: Path, client: bytes, server: bytes, service: str | None
) -> None:
    talk = Talk(4242).open()
    if server:
        talk.answers(server)
    if client:
        talk.says(client)

    assert read_bytes(tmp_path, talk.data).only()["service"] == service


@pytest.mark.parametrize(
    ("port", "data", "service"),
    [
        pytest.param(123, b"\x23" + bytes(47), "ntp", id="ntp"),
        pytest.param(124, b"\x23" + bytes(47), None, id="ntp on no known port"),
        pytest.param(67, bytes(236) + b"\x63\x82\x53\x63\xff", "dhcp", id="dhcp"),
        pytest.param(3478, b"\0\1\0\0\x21\x12\xa4\x42" + bytes(12), "stun", id="stun"),
        pytest.param(3478, b"\0\1\0\4\x21\x12\xa4\x42" + bytes(12), None, id="stun's length"),
        pytest.param(443, b"\xc3\0\0\0\1\x08" + bytes(1194), "quic", id="quic 1"),
        pytest.param(8443, b"\xc3\xff\0\0\x1d\x08" + bytes(1194), "quic", id="quic draft"),
        pytest.param(443, b"\xc3\x12\x34\x56\x78\x08" + bytes(1194), None, id="unknown version"),
        pytest.param(443, b"\x0d" + bytes(8) + b"Q043" + bytes(99), "quic", id="google's quic"),
        pytest.param(6881, b"d1:ad2:id20:" + bytes(60), "bittorrent", id="dht"),
        pytest.param(53, b"not dns", None, id="a port says nothing alone"),
    ],
)
def test_the_service_of_a_datagram(
    tmp_path: Path, port: int, data: bytes, service: str | None
) -> None:
    frame = udp(CLIENT, 40_000, SERVER, port, data)

    assert read_bytes(tmp_path, classic([(0, frame)])).only()["service"] == service


# ------------------------------------------------------------------ hostile bytes


@pytest.mark.parametrize(
    "first",
    [
        pytest.param(b":" + b"!@" * 4000, id="an IRC prefix without end"),
        pytest.param(b"GET " + b"/ " * 4000, id="a request line without end"),
        pytest.param(b"USER " + b"a " * 4000, id="a command without end"),
    ],
)
def test_a_line_without_end_costs_no_time(first: bytes) -> None:
    begun = time.process_time()

    assert of_stream(first, first, (5000, 80)) is None
    assert time.process_time() - begun < 0.5


class Hoarder:
    """An analyser that is never done."""

    def data(self, forward: bool, held: bytes, time: int) -> int:
        del forward, held, time
        return 0

    def gap(self, forward: bool, size: int) -> bool:
        del forward, size
        return True

    def end(self) -> None:
        pass

    def successor(self) -> None:
        pass


def segment(seq: int, data: bytes) -> Packet:
    return Packet(0, b"", b"", 6, 1, 2, len(data), data, 16, seq)


def test_all_conversations_together_hold_a_bounded_number_of_bytes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(_pcap_stream, "POOL_BYTES", 50_000)
    pool = Pool()
    talks = [Conversation(Hoarder(), (-1, -1), pool) for _ in range(100)]

    wanted = [talk.add(True, segment(n, b"x" * 1000)) for talk in talks for n in (0, 1000, 5000)]

    assert pool.used <= 50_000
    assert not all(wanted)
    for talk in talks:
        talk.end()
    assert pool.used == 0


def test_one_conversation_holds_a_bounded_number_of_bytes() -> None:
    pool = Pool()
    talk = Conversation(Hoarder(), (-1, -1), pool)

    sent = 0
    while talk.add(True, segment(sent, b"x" * 1000)):
        sent += 1000
        assert pool.used <= 66_000

    assert pool.used == 0


def test_a_tunnel_in_a_tunnel_in_a_tunnel_ends(tmp_path: Path) -> None:
    connect = b"CONNECT h:1 HTTP/1.1\r\n\r\n"
    talk = Talk(3128).open()
    for _ in range(50):
        talk.says(connect).answers(b"HTTP/1.1 200 OK\r\n\r\n")

    rows = read_bytes(tmp_path, talk.data)["http"]

    assert 1 <= len(rows) <= 5


def mixed() -> bytes:
    """One small capture with something of every kind."""
    talks = [
        Talk(80, sport=50_001).open().says(GET).answers(OK).close(),
        Talk(443, sport=50_002, at=0.01)
        .open()
        .says(client_hello())
        .answers(record(22, server_hello(ALPN) + CERTIFICATES))
        .says(FINISHED),
        Talk(6667, sport=50_003, at=0.02).open().says(b"NICK a\r\nUSER a b c :d\r\nJOIN #x\r\n"),
        Talk(25, sport=50_004, at=0.03).open().answers(b"220 x ESMTP\r\n").says(b"HELO b\r\n"),
    ]
    frames = [frame for talk in talks for frame in talk.frames]
    frames.append((0.5, udp(CLIENT, 40_000, SERVER, 53, question().to_wire())))
    reply = answer(("A", "192.0.2.1"), ("TXT", '"x"'), ("MX", "1 a.b."))
    frames.append((0.6, udp(SERVER, 53, CLIENT, 40_000, reply)))
    frames += [(0.7, data) for version in (4, 6) for data in fragments(version)]
    frames.append((0.8, icmp("fe80::1", "fe80::2", 128, 0)))
    return classic(sorted(frames))


MIXED = mixed()
MIXED_NG = section() + b"".join(
    enhanced("<", START * 10**6 + at, bytes(frame))
    for at, (_, frame) in enumerate(dpkt.pcap.Reader(BytesIO(MIXED)))
)


@given(
    whole=st.sampled_from([MIXED, MIXED_NG]),
    changes=st.lists(st.tuples(st.floats(0, 0.999), st.integers(0, 255)), max_size=30),
    end=st.floats(0.1, 1),
)
@settings(max_examples=50, deadline=None)
def test_a_damaged_capture_raises_nothing_but_source_errors(
    tmp_path_factory: pytest.TempPathFactory,
    whole: bytes,
    changes: list[tuple[float, int]],
    end: float,
) -> None:
    data = bytearray(whole)
    for place, value in changes:
        data[int(place * len(data))] = value
    with suppress(SourceError):
        read = read_bytes(tmp_path_factory.mktemp("damaged"), bytes(data[: int(end * len(data))]))
        assert len(read.rejects) <= 101


@given(data=st.binary(max_size=300), link=st.sampled_from([0, 1, 12, 101, 108, 113, 276]))
@settings(max_examples=50, deadline=None)
def test_any_frame_is_a_packet_or_malformed(data: bytes, link: int) -> None:
    try:
        packet = Decoder().decode(0, link, data)
    except MalformedError:
        return
    assert packet is None or packet.size >= 0


@given(
    port=st.sampled_from([25, 53, 80, 443, 6667]),
    start=st.sampled_from(
        [b"", GET, OK, client_hello(), b"NICK a\r\n", b"220 x ESMTP\r\nHELO a\r\n"]
    ),
    pieces=st.lists(st.tuples(st.booleans(), st.binary(min_size=1, max_size=80)), max_size=12),
)
@settings(max_examples=50, deadline=None)
def test_any_conversation_is_one_connection(
    tmp_path_factory: pytest.TempPathFactory,
    port: int,
    start: bytes,
    pieces: list[tuple[bool, bytes]],
) -> None:
    talk = Talk(port).open()
    for forward, data in [(True, start), (False, start), *pieces]:
        talk.send(forward, "PA", data)

    row = read_bytes(tmp_path_factory.mktemp("talk"), talk.data).only()

    sent = [sum(len(d) for f, d in pieces if f is way) + len(start) for way in (True, False)]
    assert [row["src_bytes"], row["dst_bytes"]] == sent


# ------------------------------------------------------------------ real captures


def real(name: str) -> Read:
    path = REAL / name
    if not path.exists():
        pytest.skip(f"no real captures: {path} is absent")
    return read_path(path)


def test_agenttesla_posts_its_loot_by_mail() -> None:
    read = real("agenttesla-smtp/input/agenttesla-smtp.pcap")

    mail = read.only("mail")
    assert (mail["dst_ip"], mail["dst_port"]) == ("208.91.198.143", 587)
    assert mail["subject"].startswith("PW_")
    assert (len(read["conn"]), len(read["tls"]), len(read["dns"])) == (102, 49, 60)
    assert {row["uid"] for row in read["tls"]} <= {row["uid"] for row in read["conn"]}


def test_asyncrats_certificate_names_it() -> None:
    tls = real("asyncrat-anyrun/input/asyncrat.pcap").only("tls")

    assert (tls["dst_ip"], tls["dst_port"]) == ("181.131.218.39", 4041)
    assert (tls["subject"], tls["version"]) == ("CN=AsyncRAT Server", "TLSv10")


def test_a_dns_tunnel_is_seen_question_by_question() -> None:
    rows = real("covert-channel-iodine/input/dns-tunnel-iodine.pcap")["dns"]

    assert len(rows) == 222
    assert all(row["query"].endswith("pirate.sea") for row in rows)
    assert sum(row["rtt"] is not None for row in rows) > 200
