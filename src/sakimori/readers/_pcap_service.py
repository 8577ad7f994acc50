"""Which protocol a flow speaks, by what it says. A guess is never made: null is the answer then.

Sources: RFC 8489 (STUN), RFC 9000 and IANA's QUIC versions, RFC 5905 (NTP), RFC 2131 (DHCP),
bittorrent.org BEP 3 and 5, RFC 4253 (SSH), RFC 5321 (SMTP), RFC 959 (FTP).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from sakimori.readers import _pcap_dns
from sakimori.readers._pcap_bytes import MalformedError
from sakimori.readers._pcap_http import REQUEST, RESPONSE
from sakimori.readers._pcap_irc import CLIENT, SERVER
from sakimori.readers._pcap_tls import starts_tls

if TYPE_CHECKING:
    from sakimori.readers._packets import Packet

ENOUGH_BYTES = 8192  # of one side without recognising anything

_STUN_COOKIE = b"\x21\x12\xa4\x42"
_DHCP_COOKIE = b"\x63\x82\x53\x63"
_QUIC_VERSIONS = frozenset((1, 0x6B33_43CF, 0x709A_50C4))
_GREETING = re.compile(rb"220[ -][^\r\n]*\r?\n")
_SMTP_COMMAND = re.compile(rb"(?i)(?:EHLO|HELO|LHLO)\b[^\r\n]*\r?\n")
_SMTP_WORDS = re.compile(rb"(?i)^220[ -][^\r\n]*\bE?SMTP\b")
_FTP_COMMAND = re.compile(rb"(?i)(?:USER [^ \r\n]+|FEAT|AUTH (?:TLS|SSL)|SYST)\r?\n")
_FTP_WORDS = re.compile(rb"(?i)^220[ -][^\r\n]*\bFTP")
_TORRENT = b"\x13BitTorrent protocol"
_DHT = (b"d1:ad2:id20:", b"d1:rd2:id20:", b"d1:eli20")


def of_stream(called: bytes, caller: bytes, ports: tuple[int, int]) -> str | None:
    """Return what a TCP conversation speaks, from the first bytes of both sides.

    None: cannot be told yet or at all. `ports`: the caller's, the called side's.
    """
    for first in (caller, called):
        if starts_tls(first):
            return "ssl"
        if first.startswith(b"SSH-"):
            return "ssh"
        if first.startswith(_TORRENT):
            return "bittorrent"
    if REQUEST.match(caller) or RESPONSE.match(called):
        return "http"
    return _by_lines(called, caller) or _dns_stream(called, caller, ports)


def _by_lines(called: bytes, caller: bytes) -> str | None:
    if CLIENT.search(caller) or SERVER.search(called):
        return "irc"
    if _GREETING.match(called):
        if _SMTP_COMMAND.match(caller) or _SMTP_WORDS.match(called):
            return "smtp"
        if _FTP_COMMAND.match(caller) or _FTP_WORDS.match(called):
            return "ftp"
    return "smtp" if _SMTP_COMMAND.match(caller) else None


def _dns_stream(called: bytes, caller: bytes, ports: tuple[int, int]) -> str | None:
    if 53 not in ports:
        return None
    for first in (caller, called):
        if len(first) >= 14 and len(first) - 2 >= (first[0] << 8 | first[1]) >= 12:
            return "dns" if _is_dns(first[2:]) else None
    return None


def of_datagram(packet: Packet) -> str | None:
    """Return what a UDP datagram is, or None."""
    data = packet.payload
    ports = {packet.sport, packet.dport}
    if ports & _pcap_dns.PORTS and _is_dns(data):
        return "dns"
    if _is_stun(data):
        return "stun"
    if _is_quic(data, ports):
        return "quic"
    if data.startswith(_DHT):
        return "bittorrent"
    return _by_port(data, ports) or ("dns" if _pcap_dns.is_query(data) else None)


def _by_port(data: bytes, ports: set[int]) -> str | None:
    if 123 in ports and len(data) >= 48 and 1 <= data[0] >> 3 & 7 <= 4 and data[0] & 7:
        return "ntp"
    if ports & {67, 68} and data[236:240] == _DHCP_COOKIE:
        return "dhcp"
    return None


def _is_dns(data: bytes) -> bool:
    try:
        message = _pcap_dns.parse(data)
    except MalformedError:
        return False
    return bool(message.questions or message.answers)


def _is_stun(data: bytes) -> bool:
    return (
        len(data) >= 20
        and data[0] < 0x40
        and data[4:8] == _STUN_COOKIE
        and (data[2] << 8 | data[3]) + 20 == len(data)
    )


def _is_quic(data: bytes, ports: set[int]) -> bool:
    """Whether a datagram is a QUIC long header of a known version, or Google's older one."""
    if len(data) < 20:
        return False
    if data[0] & 0xC0 == 0xC0:
        version = int.from_bytes(data[1:5], "big")
        known = version in _QUIC_VERSIONS or version >> 8 == 0xFF0000
        return known or (data[1:2] in b"QT" and data[2:5].isdigit())
    return bool(
        443 in ports and data[0] & 0x09 == 0x09 and data[9:10] == b"Q" and data[10:13].isdigit()
    )
