from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sakimori.hostile import defanged
from sakimori.intel import Refusal, Value, normalise, refang

MD5, SHA1, SHA256 = "a1" * 16, "b2" * 20, "c3" * 32
JA4 = "t13d1516h2_8daaf6152771_e5627efa2ab1"


@pytest.mark.parametrize(
    ("kind", "text", "expected"),
    [
        (None, "203.0.113.7", ("address", "203.0.113.7", None)),
        (None, " 203[.]0[.]113[.]7:8080 ", ("address", "203.0.113.7", 8080)),
        (None, "203.0.113.7|443", ("address", "203.0.113.7", 443)),
        (None, "203.0.113.7:0", ("address", "203.0.113.7", None)),
        (None, "2001:0DB8::0:1", ("address", "2001:db8::1", None)),
        (None, "[2001:db8::1]:53", ("address", "2001:db8::1", 53)),
        (None, "::ffff:203.0.113.7", ("address", "203.0.113.7", None)),
        (None, "203.0.113.9/24", ("cidr", "203.0.113.0/24", None)),
        (None, "203.0.113.9/32", ("address", "203.0.113.9", None)),
        (None, "2001:db8::/32", ("cidr", "2001:db8::/32", None)),
        (None, "Evil.Example.", ("name", "evil.example", None)),
        (None, "*.evil.example", ("name", "evil.example", None)),
        (None, "evil[.]example:4443", ("name", "evil.example", 4443)),
        (None, "bücher.example", ("name", "xn--bcher-kva.example", None)),
        (None, "straße.example", ("name", "xn--strae-oqa.example", None)),
        (None, "日本語。example", ("name", "xn--wgv71a119e.example", None)),
        (None, "_dmarc.evil.example", ("name", "_dmarc.evil.example", None)),
        ("name", "203.0.113.7", ("address", "203.0.113.7", None)),
        (None, "hxxps://Evil[.]Example/A?b=C#d", ("url", "https://evil.example/A?b=C", None)),
        (None, "HTTP://u:p@evil.example:80", ("url", "http://evil.example/", None)),
        (None, "http://203.0.113.7:8080/a", ("url", "http://203.0.113.7:8080/a", 8080)),
        (None, "http://[2001:db8::1]/a", ("url", "http://[2001:db8::1]/a", None)),
        (None, "evil.example/gate.php", ("url", "http://evil.example/gate.php", None)),
        (None, "http://a@b@evil.example/", ("url", "http://evil.example/", None)),
        (None, "https://foo.github.io/x", ("url", "https://foo.github.io/x", None)),
        (None, MD5.upper(), ("md5", MD5, None)),
        (None, SHA1, ("sha1", SHA1, None)),
        (None, SHA256, ("sha256", SHA256, None)),
        ("hash", SHA256, ("sha256", SHA256, None)),
        ("ja3", MD5, ("ja3", MD5, None)),
        (None, JA4, ("ja4", JA4, None)),
        (None, "Bad[@]Evil[.]example", ("mail", "bad@evil.example", None)),
    ],
)
def test_a_value_takes_the_form_of_our_tables(
    kind: str | None, text: str, expected: tuple[str, str, int | None]
) -> None:
    assert normalise(kind, text) == Value(*expected)


@pytest.mark.parametrize(
    ("kind", "text", "reason", "known"),
    [
        (None, "10.1.2.3", "your own hosts", True),
        (None, "192.168.0.0/24", "your own hosts", True),
        (None, "172.31.255.255:80", "your own hosts", True),
        (None, "100.64.0.1", "your own hosts", True),
        (None, "fe80::1%eth0", "your own hosts", True),
        (None, "fd00::1", "your own hosts", True),
        (None, "::ffff:10.0.0.1", "your own hosts", True),
        (None, "http://192.168.1.1/x", "your own hosts", True),
        (None, "http://router.lan/x", "your own hosts", True),
        (None, "db.internal", "your own hosts", True),
        (None, "127.0.0.1", "no host", True),
        (None, "0.0.0.0", "no host", True),  # noqa: S104
        (None, "::", "no host", True),
        (None, "255.255.255.255", "no host", True),
        (None, "0.0.0.0/0", "wider than /8", True),
        (None, "8.0.0.0/6", "wider than /8", True),
        (None, "192.0.0.0/8", "your own hosts", True),
        (None, "co.uk", "public suffix", True),
        (None, "*.github.io", "public suffix", True),
        (None, "foo.ck", "public suffix", True),
        (None, "localhost", "your own hosts", True),
        (None, "d41d8cd98f00b204e9800998ecf8427e", "empty file", True),
        (None, "evil", "no address, full name", False),
        (None, "010.1.2.3", "no address", False),
        (None, "1.2.3.256", "no address", False),
        (None, "1.2.3", "no address", False),
        (None, "evil.example:99999", "no port", False),
        (None, "evil.example:http", "no port", False),
        (None, "-.example", "no address", False),
        (None, "http://good.example\\@evil.example/", "no URL", False),
        (None, "file:///etc/passwd", "no address", False),
        (None, "http://3232235777/", "no address", False),
        (None, "http://evil.example/\x1b[2J", "no URL", False),
        (None, "", "empty", False),
        (None, "a" * 5000, "longer", False),
        ("address", "evil.example", "no address", False),
        ("md5", SHA1, "no md5", False),
        ("ja3", "771,4865-4866,0-23,29,0", "no ja3", False),
        ("mutex", "x", "no table holds", False),
    ],
)
def test_what_would_do_harm_or_is_nothing_is_refused_with_its_reason(
    kind: str | None, text: str, reason: str, known: bool
) -> None:
    found = normalise(kind, text)
    assert isinstance(found, Refusal)
    assert reason in found.reason
    assert found.known is known


@pytest.mark.parametrize("address", ["198.51.100.1", "203.0.113.1", "192.0.2.1", "9.255.255.255"])
def test_documentation_and_neighbouring_addresses_are_usable(address: str) -> None:
    assert normalise(None, address) == Value("address", address)


KINDS = [None, "host", "address", "cidr", "name", "url", "hash", "md5", "ja3", "ja4", "mail"]
LABEL = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,8}[a-z0-9])?", fullmatch=True)
NAMES = st.builds(lambda a, b: f"{a}.{b}.example", LABEL, LABEL)
ADDRESSES = st.ip_addresses().map(str)
HOSTS = st.one_of(NAMES, st.ip_addresses(v=4).map(str))
URLS = st.builds("{}://{}/{}".format, st.sampled_from(["http", "https", "ftp"]), HOSTS, LABEL)
SHARED = st.one_of(NAMES, ADDRESSES, URLS, st.builds("{}:{}".format, HOSTS, st.integers(0, 70000)))
BROKEN = st.text(
    st.sampled_from("[](){}.:/@#?*|%-_ \thxpfdotßς。aA01\uff12\x1c\u3000"), max_size=30
)


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(KINDS), st.one_of(st.text(max_size=60), BROKEN, SHARED))
def test_normalising_twice_is_normalising_once(kind: str | None, text: str) -> None:
    once = normalise(kind, text)
    if isinstance(once, Value):
        again = normalise(once.kind, once.value)
        assert isinstance(again, Value)
        assert again[:2] == once[:2]


@settings(max_examples=50, deadline=None)
@given(
    st.one_of(NAMES, URLS),
    st.sampled_from(["[.]", "(.)", "{.}", "[dot]", " [.] ", "[[.]]"]),
    st.booleans(),
)
def test_refang_undoes_what_people_do(text: str, dot: str, colon: bool) -> None:
    broken = defanged(text).replace(".", dot)
    broken = broken.replace("://", "[:]//") if colon else broken
    assert refang(broken) == text
    assert refang(text) == text


@pytest.mark.parametrize(
    ("broken", "plain"),
    [
        ("hXXp://a.example", "http://a.example"),
        ("h**ps://a.example", "https://a.example"),
        ("fxp://a.example", "ftp://a.example"),
        ("https[://]a.example", "https://a.example"),
        ("bob[at]a.example", "bob@a.example"),
        ("hxxp.example", "hxxp.example"),
    ],
)
def test_refang_knows_the_usual_signs(broken: str, plain: str) -> None:
    assert refang(broken) == plain
