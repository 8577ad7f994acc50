from __future__ import annotations

from typing import TYPE_CHECKING, Any

import dns.flags
import dns.message
import dns.name
import dns.opcode
import dns.rcode
import dns.rrset
import pytest
from hypothesis import example, given
from hypothesis import settings as trying
from hypothesis import strategies as st

from sakimori.takedown.sinkhole.dns import Resolver, parse_question, text_of, type_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from sakimori.takedown.sinkhole.config import Settings

SOA = "ns.{zone} abuse.example.net. 1 86400 7200 604800 300"
ZONES = ("bad.example.", "worse.test.")


@pytest.fixture(scope="module")
def resolver(settings: Callable[..., Settings]) -> Resolver:
    return Resolver(settings().sinkhole)


def question(name: str, kind: str = "A", **options: Any) -> bytes:
    return bytes(dns.message.make_query(name, kind, **options).to_wire())


def udp(resolver: Resolver, data: bytes) -> bytes:
    read = resolver.read(data)
    return resolver.over_udp(*read, data)[1] if read else b""


def tcp(resolver: Resolver, data: bytes) -> bytes:
    read = resolver.read(data)
    return resolver.over_tcp(*read, data)[1] if read else b""


@pytest.mark.parametrize(
    ("name", "kind", "rcode", "answer"),
    [
        ("bad.example", "A", "NOERROR", ["192.0.2.1"]),
        ("a1.deep.bad.example", "A", "NOERROR", ["192.0.2.1"]),
        ("BaD.ExAmPlE", "AAAA", "NOERROR", ["2001:db8::1"]),
        ("worse.test", "NS", "NOERROR", ["ns.worse.test."]),
        ("worse.test", "SOA", "NOERROR", ["ns.worse.test. abuse.example.net. 1 86400 7200 604800 300"]),
        ("x.worse.test", "NS", "NOERROR", []),
        ("bad.example", "TXT", "NOERROR", []),
        ("other.example", "A", "REFUSED", []),
        ("example", "A", "REFUSED", []),
        (".", "NS", "REFUSED", []),
        ("notbad.example", "A", "REFUSED", []),
        ("bad.example", "ANY", "REFUSED", []),
        ("bad.example", "AXFR", "REFUSED", []),
    ],
)  # fmt: skip
def test_it_answers_for_its_names_and_refuses_the_rest(
    resolver: Resolver, name: str, kind: str, rcode: str, answer: list[str]
) -> None:
    wire = question(name, kind)
    told = dns.message.from_wire(tcp(resolver, wire)[2:])
    assert dns.rcode.to_text(told.rcode()) == rcode
    assert [str(item) for rrset in told.answer for item in rrset] == answer
    assert dns.message.from_wire(wire).is_response(told)
    assert not told.flags & dns.flags.RA
    assert bool(told.flags & dns.flags.AA) == (rcode == "NOERROR")
    assert [r.rdtype.name for r in told.authority] == (
        ["SOA"] if rcode == "NOERROR" and not answer else []
    )


def test_a_class_that_is_not_the_internets_is_refused(resolver: Resolver) -> None:
    told = dns.message.from_wire(udp(resolver, question("version.bind", "TXT", rdclass="CH")))
    assert told.rcode() == dns.rcode.REFUSED


def test_without_an_ipv6_address_there_is_no_aaaa(settings: Callable[..., Settings]) -> None:
    only = Resolver(settings(sinkhole={"answers": ["192.0.2.1"]}).sinkhole)
    told = dns.message.from_wire(tcp(only, question("bad.example", "AAAA"))[2:])
    assert told.answer == []
    assert told.rcode() == dns.rcode.NOERROR


def test_what_would_be_too_large_is_truncated_over_udp_and_whole_over_tcp(
    resolver: Resolver,
) -> None:
    wire = question("bad.example", "SOA")
    short, whole = (
        dns.message.from_wire(udp(resolver, wire)),
        dns.message.from_wire(tcp(resolver, wire)[2:]),
    )
    assert short.flags & dns.flags.TC
    assert short.answer == []
    assert len(whole.answer) == 1
    assert not whole.flags & dns.flags.TC


def test_an_opt_record_is_answered_with_one(resolver: Resolver) -> None:
    told = dns.message.from_wire(
        udp(resolver, question("www.bad.example", use_edns=0, payload=4096))
    )
    assert told.edns == 0
    assert told.payload == 1232
    assert len(told.answer) == 1


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda w: w[:4] + b"\0\2" + w[6:], id="two questions"),
        pytest.param(lambda w: w[:6] + b"\0\1" + w[8:], id="an answer in the question"),
        pytest.param(lambda w: w + b"x", id="bytes left over"),
        pytest.param(lambda w: w[:-1], id="cut short"),
        pytest.param(lambda w: w[:12] + b"\xc0\x0c" + w[-4:], id="a pointer"),
        pytest.param(lambda w: w[:11] + b"\1" + w[12:], id="an additional record that is not there"),
        pytest.param(lambda w: w[:11] + b"\1" + w[12:] + b"\0\0\x29\4\xd0\0\1\0\0\0\0", id="EDNS version 1"),
    ],
)  # fmt: skip
def test_a_malformed_question_gets_a_header_only(resolver: Resolver, change: Any) -> None:
    wire = change(question("www.bad.example"))
    assert udp(resolver, wire) == wire[:2] + b"\x81\x01" + bytes(8)


def test_a_known_question_with_more_behind_it_is_malformed_too(resolver: Resolver) -> None:
    wire = question("known.bad.example")
    assert dns.message.from_wire(udp(resolver, wire)).rcode() == dns.rcode.NOERROR
    assert udp(resolver, wire + b"\0") == wire[:2] + b"\x81\x01" + bytes(8)


@pytest.mark.parametrize(
    "data",
    [b"", b"x" * 11, question("bad.example")[:2] + b"\x81" + bytes(30)],
    ids=["nothing", "a scrap", "an answer"],  # the question's number is another each time
)
def test_answers_and_scraps_get_nothing(resolver: Resolver, data: bytes) -> None:
    assert resolver.read(data) is None


def test_another_opcode_is_not_implemented(resolver: Resolver) -> None:
    message = dns.message.make_query("bad.example", "SOA")
    message.set_opcode(dns.opcode.NOTIFY)
    told = dns.message.from_wire(udp(resolver, message.to_wire()))
    assert (told.rcode(), told.opcode(), told.question) == (dns.rcode.NOTIMP, dns.opcode.NOTIFY, [])


def test_random_names_do_not_fill_the_memory(
    resolver: Resolver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sakimori.takedown.sinkhole.dns._KEPT", 50)
    for number in range(200):
        udp(resolver, question(f"{number}.bad.example"))
    assert len(resolver._known) <= 50


@pytest.mark.parametrize(
    ("labels", "text"),
    [
        ((b"www", b"bad", b"example"), "www.bad.example"),
        ((b"a.b", b"c"), "a\\.b.c"),
        ((b'"\x00\xff ', b"c"), '\\"\\000\\255\\032.c'),
        ((), ""),
    ],
)
def test_a_name_is_text_without_anything_that_acts(labels: tuple[bytes, ...], text: str) -> None:
    assert text_of(labels) == text


def test_types_without_a_name_have_their_number() -> None:
    assert [type_of(1), type_of(65), type_of(65_280)] == ["A", "HTTPS", "TYPE65280"]


# The closed set: written again here with another library, so that both would have to be wrong.

RECORDS = {
    ("A", "192.0.2.1"), ("AAAA", "2001:db8::1"),
    *(("NS", f"ns.{zone}") for zone in ZONES), *(("SOA", SOA.format(zone=zone)) for zone in ZONES),
}  # fmt: skip


def check_reply(sent: bytes, reply: bytes) -> None:
    """Fail unless a reply is of the closed set: our records, and the question as it was asked."""
    assert reply[:2] == sent[:2]
    if len(reply) == 12:
        assert reply[2] & 0x82 == 0x80
        assert reply[3] in (1, 4)
        assert reply[4:] == bytes(8)
        return
    told = dns.message.from_wire(reply)
    [asked] = told.question
    size = len(asked.name.to_wire()) + 4
    assert reply[12 : 12 + size] == sent[12 : 12 + size]
    assert told.rcode() in (dns.rcode.NOERROR, dns.rcode.REFUSED)
    below = any(asked.name.is_subdomain(dns.name.from_text(zone)) for zone in ZONES)
    assert below or told.rcode() == dns.rcode.REFUSED
    for rrset in (*told.answer, *told.authority):
        kind = rrset.rdtype.name
        assert rrset.ttl == 300
        for item in rrset:
            assert (kind, str(item).lower()) in RECORDS
    assert told.additional == []
    assert told.options == ()
    assert not told.flags & (dns.flags.RA | dns.flags.AD)


NAMES = st.sampled_from(
    ["bad.example", "BAD.example", "x.bad.example", "worse.test", "other.test", "."]
)
WELL_FORMED = st.builds(
    lambda name, kind, edns, label: question(
        f"{label}.{name}" if label and name != "." else name, kind, use_edns=edns
    ),
    NAMES,
    st.sampled_from(["A", "AAAA", "NS", "SOA", "TXT", "ANY", "MX", "HTTPS", "AXFR"]),
    st.sampled_from([False, 0]),
    st.text("abz019-", max_size=20).filter(lambda t: not t.startswith("-")),
)


@st.composite
def messages(draw: st.DrawFn) -> bytes:
    wire = draw(WELL_FORMED | st.binary(max_size=80))
    if draw(st.booleans()):
        at = draw(st.integers(0, max(0, len(wire) - 1)))
        wire = wire[:at] + draw(st.binary(max_size=3)) + wire[at + 1 :]
    return wire


@given(messages())
@example(b"\0" * 12)
@example(b"\x12\x34\1\0\0\1\0\0\0\0\0\0" + b"\x3f" + b"a" * 63)
def test_whatever_is_asked_the_reply_is_of_the_closed_set_and_small(
    resolver: Resolver, wire: bytes
) -> None:
    reply = udp(resolver, wire)
    assert 2 * len(reply) <= 3 * len(wire)
    if reply:
        check_reply(wire, reply)
        whole = tcp(resolver, wire)
        assert int.from_bytes(whole[:2], "big") == len(whole) - 2
        check_reply(wire, whole[2:])
        read = resolver.read(wire)
        assert read
        assert len(resolver.truncated(read[0], wire)[1]) <= max(len(wire), 12)


@trying(max_examples=50, deadline=None)
@given(st.binary(max_size=300))
def test_any_bytes_are_a_question_or_none(data: bytes) -> None:
    found = parse_question(data)
    if found:
        assert found.wire in data
        assert sum(len(label) + 1 for label in found.labels) < 255
