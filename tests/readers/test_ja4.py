from __future__ import annotations

import struct
from dataclasses import replace
from functools import partial
from hashlib import md5

import pytest

from sakimori.readers._ja4 import (
    ClientHello,
    ServerHello,
    client_hello,
    is_grease,
    ja3,
    ja3s,
    ja4,
    server_hello,
)
from sakimori.readers._pcap_bytes import MalformedError

GREASE = 0x4A4A
hashed = partial(md5, usedforsecurity=False)
CIPHERS = (
    *(0x1301, 0x1302, 0x1303, 0xC02B, 0xC02F, 0xC02C, 0xC030, 0xCCA9),
    *(0xCCA8, 0xC013, 0xC014, 0x009C, 0x009D, 0x002F, 0x0035),
)
SIGNATURES = (0x0403, 0x0804, 0x0401, 0x0503, 0x0805, 0x0501, 0x0806, 0x0601)
# The extensions of the example in the JA4 specification, and of a newer browser, as published.
EXAMPLE = "001b 0000 0033 0010 4469 0017 002d 000d 0005 0023 0012 002b ff01 000b 000a 0015"
NEWER = "fe0d 0033 ff01 0017 001b 000a 0000 0010 0005 002b 002d 0012 000b 44cd 000d 0023"


def codes(text: str) -> tuple[int, ...]:
    return tuple(int(code, 16) for code in text.split())


BROWSER = ClientHello(
    version=0x0303,
    ciphers=(GREASE, *CIPHERS),
    extensions=(GREASE, *codes(EXAMPLE), 0xAAAA),
    server_name="example.com",
    groups=(GREASE, 29, 23, 24),
    points=(0,),
    signatures=SIGNATURES,
    versions=(GREASE, 0x0304, 0x0303),
    alpn=(b"h2", b"http/1.1"),
)


def u16s(*numbers: int) -> bytes:
    return struct.pack(f"!{len(numbers)}H", *numbers)


def sized(data: bytes, width: int = 2) -> bytes:
    return len(data).to_bytes(width, "big") + data


def client_bytes(extensions: list[tuple[int, bytes]], ciphers: tuple[int, ...] = CIPHERS) -> bytes:
    body = u16s(0x0303) + bytes(32) + sized(b"s" * 32, 1) + sized(u16s(*ciphers)) + sized(b"\0", 1)
    listed = b"".join(u16s(kind) + sized(data) for kind, data in extensions)
    return body + sized(listed)


@pytest.mark.parametrize(
    ("extensions", "expected"),
    [
        pytest.param(EXAMPLE, "t13d1516h2_8daaf6152771_e5627efa2ab1", id="the specification's"),
        pytest.param(NEWER, "t13d1516h2_8daaf6152771_d8a2da3f94cd", id="a newer browser"),
    ],
)
def test_ja4_gives_published_prints(extensions: str, expected: str) -> None:
    hello = replace(BROWSER, extensions=(GREASE, *codes(extensions), 0xAAAA))

    assert expected == ja4(hello)


def test_ja4_does_not_depend_on_the_order_of_extensions_and_ciphers() -> None:
    shuffled = replace(BROWSER, extensions=BROWSER.extensions[::-1], ciphers=BROWSER.ciphers[::-1])

    assert ja4(BROWSER) == ja4(shuffled)
    assert ja3(BROWSER) != ja3(shuffled)


@pytest.mark.parametrize(
    ("change", "start"),
    [
        pytest.param({"alpn": ()}, "t13d151600", id="no protocol"),
        pytest.param({"alpn": (b"http/1.1",)}, "t13d1516h1", id="first and last character"),
        pytest.param({"alpn": (b"x",)}, "t13d1516xx", id="one character"),
        pytest.param({"alpn": (b"\xab",)}, "t13d1516ab", id="one byte that is no letter"),
        pytest.param({"alpn": (b"\x30\xab",)}, "t13d15163b", id="hex when the last is no letter"),
        pytest.param({"versions": ()}, "t12d1516h2", id="the header's version"),
        pytest.param({"versions": (GREASE, 0x0302)}, "t11d1516h2", id="grease is no version"),
        pytest.param({"versions": (), "version": 0x9999}, "t00d1516h2", id="unknown version"),
        pytest.param({"ciphers": tuple(range(0x100, 0x200))}, "t13d9916h2", id="99 at most"),
        pytest.param({"extensions": (0x0010, 0x002B)}, "t13i1502h2", id="no server name"),
    ],
)
def test_the_first_part_of_ja4_says(change: dict[str, object], start: str) -> None:
    assert start == ja4(replace(BROWSER, **change)).partition("_")[0]


def test_a_hello_without_ciphers_and_extensions_has_zeros_for_hashes() -> None:
    assert ja4(ClientHello(0x0301, ())) == "t10i000000_000000000000_000000000000"


def test_transport_is_the_first_letter() -> None:
    assert "q" + ja4(BROWSER)[1:] == ja4(BROWSER, "q")


def test_ja3_is_the_md5_of_the_numbers_without_grease() -> None:
    hello = ClientHello(769, (GREASE, 47, 53), (GREASE, 0, 11), groups=(0x0A0A, 23), points=(0,))

    assert hashed(b"769,47-53,0-11,23,0").hexdigest() == ja3(hello)


def test_ja3s_is_of_what_the_server_chose() -> None:
    assert hashed(b"771,49199,65281-0").hexdigest() == ja3s(
        ServerHello(0x0304, 771, 49199, (65281, 0))
    )


@pytest.mark.parametrize("value", [0x0A0A, 0x1A1A, 0xFAFA])
def test_grease_is_known(value: int) -> None:
    assert is_grease(value)


@pytest.mark.parametrize("value", [0x0A1A, 0x1301, 0xC02B, 0x000A])
def test_other_numbers_are_no_grease(value: int) -> None:
    assert not is_grease(value)


def test_a_client_hello_is_read_from_its_bytes() -> None:
    body = client_bytes(
        [
            (GREASE, b""),
            (0, sized(b"\0" + sized(b"Example.COM."))),
            (10, sized(u16s(29, 23))),
            (11, sized(b"\0", 1)),
            (13, sized(u16s(*SIGNATURES))),
            (16, sized(sized(b"h2", 1) + sized(b"http/1.1", 1))),
            (43, sized(u16s(0x0304, 0x0303), 1)),
        ]
    )

    hello = client_hello(body)

    assert hello.server_name == "example.com"
    assert hello.ciphers == CIPHERS
    assert hello.extensions == (GREASE, 0, 10, 11, 13, 16, 43)
    assert (hello.groups, hello.points, hello.signatures) == ((29, 23), (0,), SIGNATURES)
    assert hello.alpn == (b"h2", b"http/1.1")
    assert ja4(hello).startswith("t13d1506h2_8daaf6152771_")


def test_a_hello_of_old_without_extensions_is_read() -> None:
    body = u16s(0x0300) + bytes(32) + sized(b"", 1) + sized(u16s(4, 5)) + sized(b"\0", 1)

    assert ClientHello(0x0300, (4, 5)) == client_hello(body)


@pytest.mark.parametrize(
    ("extensions", "version"),
    [
        pytest.param([(43, u16s(0x0304)), (51, b"key")], 0x0304, id="in an extension"),
        pytest.param([(65281, b"\0")], 0x0303, id="in the header"),
    ],
)
def test_the_agreed_version_is_found(extensions: list[tuple[int, bytes]], version: int) -> None:
    listed = b"".join(u16s(kind) + sized(data) for kind, data in extensions)
    body = u16s(0x0303) + bytes(32) + sized(b"", 1) + u16s(0x1301) + b"\0" + sized(listed)

    hello = server_hello(body)

    assert (version, 0x0303, 0x1301) == (hello.version, hello.legacy, hello.cipher)


def test_the_servers_protocol_is_read() -> None:
    listed = u16s(16) + sized(sized(sized(b"h2", 1)))
    body = u16s(0x0303) + bytes(32) + sized(b"", 1) + u16s(0xC02F) + b"\0" + sized(listed)

    assert server_hello(body).alpn == "h2"


def test_every_cut_of_a_hello_is_malformed_or_shorter() -> None:
    body = client_bytes([(0, sized(b"\0" + sized(b"a.example")))])
    whole = len(body) - len(sized(b"\0" + sized(b"a.example"))) - 6  # where extensions begin

    for size in range(len(body)):
        if size == whole:
            assert client_hello(body[:size]).extensions == ()
        else:
            with pytest.raises(MalformedError):
                client_hello(body[:size])
