from __future__ import annotations

import ssl
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import example, given
from hypothesis import settings as trying
from hypothesis import strategies as st

from sakimori.takedown.sinkhole.log import Journal
from sakimori.takedown.sinkhole.station import Station
from sakimori.takedown.sinkhole.tls import TlsCall, context_of, hello_of, print_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from sakimori.takedown.sinkhole.config import Settings


def first_flight(name: str | None = "www.bad.example") -> bytes:
    """What a client says first."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    out = ssl.MemoryBIO()
    tls = context.wrap_bio(ssl.MemoryBIO(), out, server_hostname=name)
    with pytest.raises(ssl.SSLWantReadError):
        tls.do_handshake()
    return out.read()


HELLO = first_flight()


class Wire:
    """A transport that remembers."""

    def __init__(self) -> None:
        self.sent, self.is_open = b"", True

    def get_extra_info(self, _name: str) -> tuple[str, int]:
        return ("192.0.2.7", 50_000)

    def write(self, data: bytes) -> None:
        assert self.is_open
        self.sent += data

    def close(self) -> None:
        self.is_open = False

    abort = close


@pytest.fixture(scope="module")
def call_of(
    settings: Callable[..., Settings], tmp_path_factory: pytest.TempPathFactory
) -> Callable[[], tuple[TlsCall, Wire]]:
    folder = tmp_path_factory.mktemp("tls")
    loop = SimpleNamespace(
        call_soon=lambda _what: None,
        call_later=lambda _when, _what: SimpleNamespace(cancel=lambda: None),
    )
    journal = Journal(folder / "log", "s1")
    many = {"connects_per_second": 1e6, "connects_burst": 1e6, "connections_per_source": 10**6}
    station = Station(settings(limits=many), b"k" * 32, journal, loop, None)  # type: ignore[arg-type]
    context = context_of(folder, station.settings.sinkhole)

    def make() -> tuple[TlsCall, Wire]:
        call, wire = TlsCall(station, context), Wire()
        call.connection_made(wire)
        return call, wire

    return make


def rows(call: TlsCall) -> list[dict[str, Any]]:
    call.connection_lost(None)
    found = [fields for _, fields, _, _, _ in call.station.outbox._waiting]
    call.station.outbox.flush()
    return found


@pytest.mark.parametrize("size", [1, 7, 100, 10_000])
def test_the_hello_is_read_however_it_is_cut(
    call_of: Callable[[], tuple[TlsCall, Wire]], size: int
) -> None:
    call, _ = call_of()
    for at in range(0, len(HELLO), size):
        call.data_received(HELLO[at : at + size])
    [row] = rows(call)
    assert row["server_name"] == "www.bad.example"
    assert row["ja4"].startswith("t13d")
    assert (row["established"], row["outcome"]) == (False, "handshake-failed")


def test_a_hello_in_several_records_is_put_together() -> None:
    message = HELLO[5:]
    cut = b"".join(
        b"\x16\x03\x01" + len(part).to_bytes(2, "big") + part
        for part in (message[:50], message[50:51], message[51:])
    )
    assert hello_of(cut) == hello_of(HELLO)
    assert hello_of(cut[:60]) is None


def test_a_client_without_a_name_has_a_print_all_the_same() -> None:
    body = hello_of(first_flight(None))
    assert body
    found = print_of(body)
    assert found["server_name"] is None
    assert str(found["ja4"]).startswith("t13i")


@pytest.mark.parametrize(
    "data", [b"GET / HTTP/1.1\r\n", b"\x16\x03\x01\0\0", b"\x16\x03\x01\0\4\2\0\0\0"]
)
def test_what_is_no_hello_is_said(data: bytes) -> None:
    with pytest.raises(ValueError, match="no "):
        hello_of(data)


@trying(max_examples=50, deadline=None)
@given(
    st.lists(
        st.binary(max_size=80) | st.sampled_from([HELLO, HELLO[:99], b"\x16\x03\x01\x02\0"]),
        max_size=4,
    )
)
@example([HELLO, b"\x17\x03\x03\0\x05hello"])
@example([HELLO, HELLO])
def test_whatever_is_said_the_answer_is_tls_and_every_call_is_a_row(
    call_of: Callable[[], tuple[TlsCall, Wire]], pieces: list[bytes]
) -> None:
    call, wire = call_of()
    for piece in pieces:
        if wire.is_open:
            call.data_received(piece)
    left = wire.sent
    while left:
        assert left[0] in (20, 21, 22, 23)
        left = left[5 + int.from_bytes(left[3:5], "big") :]
    found = rows(call)
    assert len(found) == 1
    assert found[0]["established"] is False
