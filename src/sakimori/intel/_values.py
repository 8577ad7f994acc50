"""Values as people share them, turned into the form our tables hold, or refused with a reason.

Sources: RFC 6890 (special addresses), RFC 5952 (IPv6 text), RFC 3490 and RFC 5891 (international
names), publicsuffix.org, FoxIO's JA4 specification. Defanged forms are a habit, not a standard.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from encodings import idna
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

from publicsuffixlist import PublicSuffixList

if TYPE_CHECKING:
    from collections.abc import Callable

LONGEST = 4096


class Value(NamedTuple):
    """One indicator's kind (as in table `indicator`), canonical value, and port if it names one."""

    kind: str
    value: str
    port: int | None = None


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a text is no usable indicator. `known`: it has the form of one, but would do harm."""

    reason: str
    known: bool = False


_Network = ipaddress.IPv4Network | ipaddress.IPv6Network
_PRIVATE = "a private address would match your own hosts"
_LOCAL_NAME = "a local name would match your own hosts"
_NO_HOST = "a loopback, multicast, unspecified or reserved address is no host elsewhere"
_SUFFIX = "a public suffix stands for every name under it"
_EMPTY_FILE = "the hash of an empty file matches everywhere"
# The documentation ranges (RFC 5737, 3849) are not here: they are nobody's, and drills use them.
_UNUSABLE: tuple[tuple[_Network, str], ...] = tuple(
    (ipaddress.ip_network(network), reason)
    for reason, networks in (
        (_PRIVATE, "10.0.0.0/8 172.16.0.0/12 192.168.0.0/16 100.64.0.0/10 169.254.0.0/16"),
        (_NO_HOST, "0.0.0.0/8 127.0.0.0/8 224.0.0.0/4 240.0.0.0/4"),
        (_PRIVATE, "fc00::/7 fe80::/10 fec0::/10"),
        (_NO_HOST, "::/128 ::1/128 ff00::/8"),
    )
    for network in networks.split()
)
_CAREFUL = {0, 10, 100, 127, 169, 172, 192, *range(224, 256)}  # first octets in _UNUSABLE
_WIDEST = {4: 8, 6: 19}  # the largest blocks one holder was given
_LOCAL = frozenset(("local", "localdomain", "localhost", "internal", "lan", "home", "corp", "arpa"))
_EMPTY_HASHES = frozenset(
    (
        "d41d8cd98f00b204e9800998ecf8427e",
        "da39a3ee5e6b4b0d3255bfef95601890afd80709",
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    )
)

_FANGS = re.compile(
    r"^h(?:xx|\*\*)p(?=s?\[?:)|^fxp(?=s?\[?:)|\[:(?://)?\]"
    r"| ?[\[({]{1,3} ?(?:\.|dot) ?[\])}]{1,3} ?| ?[\[({] ?(?:@|at) ?[\])}] ?",
    re.IGNORECASE,
)
_CONTROL = re.compile("[\x00-\x1f\x7f\ud800-\udfff]")
_V4 = re.compile(r"([0-9]{1,3}(?:\.[0-9]{1,3}){3})(?:[:|]([0-9]{1,5})|/([0-9]{1,2}))?")
_OCTET = r"(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
_PLAIN_V4 = re.compile(rf"({_OCTET})(?:\.{_OCTET}){{3}}")
_NAME = re.compile(r"(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?\.)+[a-z][a-z0-9-]{0,61}[a-z0-9]")
_URL = re.compile(
    r"([a-z][a-z0-9+.-]{1,15})://(?:[^/?#\\]*@)?(\[[^\]/?#@\\]*\]|[^:/?#@\[\]\\]*)"
    r"(?::([0-9]{0,5}))?([/?#].*)?",
    re.IGNORECASE | re.DOTALL,
)
_MAIL = re.compile(r"([^\s@<>\"(),:;\\\[\]]{1,64})@([^@\s]+)")
_HEX = re.compile(r"[0-9a-f]+")
_JA4 = re.compile(
    r"[tqd](?:1[0-3]|s[23]|d[1-3]|00)[di][0-9]{4}[0-9a-z]{2}_[0-9a-f]{12}_[0-9a-f]{12}"
)
_HOST_KINDS = (None, "host", "name")
_HASHES = {32: "md5", 40: "sha1", 64: "sha256"}
_DEFAULT_PORTS = {"http": 80, "https": 443, "ftp": 21}


def normalise(kind: str | None, text: str) -> Value | Refusal:
    """Return the value in the form our tables use, with the port where the text names one.

    `kind` is one of table `indicator`, or `host` (an address, network or name), or None: guessed
    from the form, where 32 hex digits are an MD5. Normalising a result's value gives it again.

    - Defanged text is repaired. `*.` and `.` before a name and a dot after it are dropped.
    - An address in a network's notation loses its host bits; an IPv4-mapped one becomes IPv4.
    - A URL keeps its path and query as they are and loses user, fragment and the scheme's own
      port; without a scheme it is taken as http, the only one a sensor can read a path of.
    - Refused: what would match the user's own hosts or half the world.
    """
    text = text.strip()
    if kind in _HOST_KINDS and (plain := _already_plain(text)):
        return plain
    text = refang(text)
    if not text:
        return Refusal("it is empty")
    if len(text) > LONGEST:
        return Refusal(f"it is longer than {LONGEST} characters")
    check = _CHECKS.get(kind or _guess(text))
    if check is None:
        return Refusal(f"no table holds {kind!r}")
    return check(text)


def _already_plain(text: str) -> Value | None:
    """Return most of what block lists hold, in a third of the time of the full checks."""
    if found := _PLAIN_V4.fullmatch(text):
        return None if int(found[1]) in _CAREFUL else Value("address", text)
    if len(text) > 253 or not _NAME.fullmatch(text) or text[text.rfind(".") + 1 :] in _LOCAL:
        return None
    return None if _is_suffix(text) else Value("name", text)


def refang(text: str) -> str:
    """Undo defanging: hxxp, fxp, [.], (.), {.}, [dot], [:], [://], [@], [at]."""
    if not ("[" in text or "(" in text or "{" in text or text[1:2] in ("x", "X", "*")):
        return text
    while (plain := _FANGS.sub(_plain, text)) != text:
        text = plain
    return text


def _plain(found: re.Match[str]) -> str:
    fang = found[0].lower()
    if fang.startswith("h"):
        return "http"
    if fang == "fxp":
        return "ftp"
    if ":" in fang:
        return fang.strip("[]")
    return "@" if "@" in fang or "at" in fang else "."


def _guess(text: str) -> str:
    if "://" in text:
        return "url"
    if len(text) in _HASHES and _HEX.fullmatch(text.lower()):
        return _HASHES[len(text)]
    if len(text) == 36 and _JA4.fullmatch(text.lower()):
        return "ja4"
    if "/" in text and not _V4.fullmatch(text) and text.count(":") < 2:
        return "url"
    return "mail" if "@" in text else "host"


def _host(text: str) -> Value | Refusal:
    if found := _V4.fullmatch(text):
        address, port, length = found.groups()
        return _network(text) if length else _address(address, port or "")
    if text.startswith("[") or text.count(":") > 1:
        return _v6(text)
    name, mark, port = text.replace("|", ":").partition(":")
    return _name(name, port if mark else "0")


def _v6(text: str) -> Value | Refusal:
    """Read `addr`, `addr/length`, `[addr]`, `[addr]:port`, `addr|port`."""
    if text.startswith("["):
        address, _, rest = text[1:].partition("]")
        if rest[:1] not in ("", ":"):
            return Refusal("it is no address with a port")
        return _address(address, rest[1:])
    if "/" in text:
        return _network(text)
    address, _, port = text.partition("|")
    return _address(address, port)


def _address(text: str, port: str) -> Value | Refusal:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return Refusal("it is no address")
    if isinstance(address, ipaddress.IPv6Address):
        if address.scope_id is not None:
            return Refusal(_PRIVATE, known=True)
        address = address.ipv4_mapped or address
    if address.version == 6 or address.packed[0] in _CAREFUL:
        for network, reason in _UNUSABLE:
            if address in network:
                return Refusal(reason, known=True)
    return _with_port("address", str(address), port)


def _network(text: str) -> Value | Refusal:
    try:
        network = ipaddress.ip_network(text, strict=False)
    except ValueError:
        return Refusal("it is no network")
    if isinstance(network, ipaddress.IPv6Network):
        mapped = network.network_address.ipv4_mapped
        if mapped and network.prefixlen >= 96:
            network = ipaddress.IPv4Network((mapped, network.prefixlen - 96))
    if network.prefixlen == network.max_prefixlen:
        return _address(str(network.network_address), "")
    if network.prefixlen < (widest := _WIDEST[network.version]):
        return Refusal(f"a network wider than /{widest} would match too much", known=True)
    for unusable, reason in _UNUSABLE:
        if network.version == unusable.version and network.overlaps(unusable):
            return Refusal(reason, known=True)
    return Value("cidr", str(network))


def _with_port(kind: str, value: str, port: str) -> Value | Refusal:
    if not port:
        return Value(kind, value)
    if not (port.isascii() and port.isdigit() and len(port) <= 5 and int(port) <= 65535):
        return Refusal(f"{port[:20]!r} is no port")
    return Value(kind, value, int(port) or None)  # sources write 0 for "not known"


def _name(text: str, port: str = "") -> Value | Refusal:
    name = _bare_name(text.removeprefix("*").removeprefix("."))
    if isinstance(name, Refusal):
        return name
    if _is_suffix(name):
        return Refusal(_SUFFIX, known=True)
    return _with_port("name", name, port)


def _bare_name(text: str) -> str | Refusal:
    """Return a full name, lower case and in ASCII, that is nobody's local one."""
    name = text.lower() if text.isascii() else _in_ascii(text)
    name = name.removesuffix(".")
    if name.rpartition(".")[2] in _LOCAL:
        return Refusal(_LOCAL_NAME, known=True)
    if len(name) > 253 or not _NAME.fullmatch(name):
        return Refusal("it is no address, full name, URL or hash")
    return name


def _in_ascii(text: str) -> str:
    """Return an international name's ASCII form, "" where it has none.

    As IDNA 2003, but the German sharp s and the Greek final sigma stay themselves, as registries
    and resolvers treat them since IDNA 2008.
    """
    try:
        return ".".join(_label(label) for label in re.split("[.\u3002\uff0e\uff61]", text))
    except UnicodeError:
        return ""


def _label(label: str) -> str:
    if label.isascii():
        return label.lower()
    parts = re.split("([\u00df\u03c2])", label)
    plain = "".join(part if at % 2 else idna.nameprep(part) for at, part in enumerate(parts))
    return plain if plain.isascii() else "xn--" + plain.encode("punycode").decode("ascii")


@cache
def _suffixes() -> PublicSuffixList:
    return PublicSuffixList()


def _is_suffix(name: str) -> bool:
    return _suffixes().privatesuffix(name) is None


def _url(text: str) -> Value | Refusal:
    found = _URL.fullmatch(text if "://" in text else f"http://{text}")
    if not found or _CONTROL.search(text):
        return Refusal("it is no URL")
    scheme, rest = found[1].lower(), found[4] or ""
    host = _url_host(found[2])
    if isinstance(host, Refusal):
        return host
    port = _with_port("url", "", found[3] or "")
    if isinstance(port, Refusal):
        return port
    number = None if port.port == _DEFAULT_PORTS.get(scheme) else port.port
    path = rest.partition("#")[0].rstrip()
    path = path if path.startswith("/") else f"/{path}"
    return Value("url", f"{scheme}://{host}{f':{number}' if number else ''}{path}", number)


def _url_host(text: str) -> str | Refusal:
    """Return the host as it stands in a URL; a public suffix is a host like any other there."""
    if text.startswith("[") or _V4.fullmatch(text):
        found = _address(text.strip("[]"), "")
        if isinstance(found, Refusal):
            return found
        return f"[{found.value}]" if ":" in found.value else found.value
    return _bare_name(text)


def _hash(kind: str, length: int) -> Callable[[str], Value | Refusal]:
    def check(text: str) -> Value | Refusal:
        value = text.lower()
        if len(value) != length or not _HEX.fullmatch(value):
            return Refusal(f"it is no {kind}: {length} hex digits")
        if value in _EMPTY_HASHES:
            return Refusal(_EMPTY_FILE, known=True)
        return Value(kind, value)

    return check


def _any_hash(text: str) -> Value | Refusal:
    kind = _HASHES.get(len(text))
    return _CHECKS[kind](text) if kind else Refusal("it is no MD5, SHA-1 or SHA-256")


def _ja4(text: str) -> Value | Refusal:
    value = text.lower()
    return Value("ja4", value) if _JA4.fullmatch(value) else Refusal("it is no JA4 fingerprint")


def _mail(text: str) -> Value | Refusal:
    found = _MAIL.fullmatch(text)
    if not found or _CONTROL.search(text):
        return Refusal("it is no mail address")
    name = _bare_name(found[2])
    if isinstance(name, Refusal):
        return name
    return Value("mail", f"{found[1].lower()}@{name}")


def _only(*kinds: str) -> Callable[[str], Value | Refusal]:
    def check(text: str) -> Value | Refusal:
        found = _host(text)
        if isinstance(found, Refusal) or found.kind in kinds:
            return found
        return Refusal(f"it is no {kinds[0]}")

    return check


_CHECKS: dict[str, Callable[[str], Value | Refusal]] = {
    "host": _host,
    "address": _only("address", "cidr"),
    "cidr": _only("cidr", "address"),
    "name": _host,  # sources write addresses into their name columns
    "url": _url,
    "hash": _any_hash,
    "md5": _hash("md5", 32),
    "sha1": _hash("sha1", 40),
    "sha256": _hash("sha256", 64),
    "ja3": _hash("ja3", 32),
    "ja4": _ja4,
    "mail": _mail,
}
