"""Which container some bytes are, by what they hold and never by a name."""

from __future__ import annotations

import re
import struct

TAIL = 66_000  # bytes at the end in which a zip's directory end lies: 22 and a comment of 64 KiB

_MAGIC: dict[bytes, tuple[tuple[bytes, str], ...]] = {
    b"\x1f\x8b": ((b"\x1f\x8b\x08", "gz"),),
    b"BZ": ((b"BZh", "bz2"),),
    b"\xfd7": ((b"\xfd7zXZ\0", "xz"),),
    b"\x28\xb5": ((b"\x28\xb5\x2f\xfd", "zstd"),),
    b"7z": ((b"7z\xbc\xaf\x27\x1c", "7z"),),
    b"PK": (
        (b"PK\3\4", "zip"),
        (b"PK\5\6", "zip"),
        (b"PK\x07\x08PK\3\4", "zip"),
        (b"PK00PK\3\4", "zip"),
    ),
    b"MS": ((b"MSCF\0\0\0\0", "cab"),),
    b"\xd0\xcf": ((b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "ole"),),
    b"MZ": ((b"MZ", "exe"),),
    b"]\0": ((b"]\0", "lzma"),),
    b"Fr": ((b"From ", "mbox"),),
} | {bytes((low, 0x2A)): ((bytes((low, 0x2A, 0x4D, 0x18)), "zstd"),) for low in range(0x50, 0x60)}

_FIELDS = (
    rb"received|from|to|cc|subject|date|message-id|mime-version|return-path|delivered-to|reply-to"
    rb"|sender|content-type|content-transfer-encoding|x-[a-z0-9-]{1,40}|dkim-signature"
    rb"|authentication-results|arc-[a-z-]{4,30}|envelope-to|received-spf|user-agent|list-id"
)
_MAIL = re.compile(rb"(?i)(?:\xef\xbb\xbf)?(?:" + _FIELDS + rb"):[ \t\r]")
_HEADER = re.compile(
    rb"(?im)^(received|from|to|subject|date|message-id|mime-version|content-type):"
)
_MBOX = re.compile(rb"From [^\n]{0,300}\n[\x21-\x39\x3b-\x7e]{1,80}:")
_STARTS = "re fr to cc su da me mi de se co x- dk au ar en us li \u00ef\u00bb"
_MAIL_STARTS = {
    case(word).encode("latin-1")
    for word in _STARTS.split()
    for case in (str.lower, str.upper, str.title)
}
_OLD_ENDS = {b"\0 ", b" \0"}
_OCTAL = re.compile(rb"[ 0-7]{1,6}[ 0-7\0]{2}$")


def kind_of(head: bytes, size: int, tail: bytes = b"") -> str | None:
    """Name the container whose first bytes are `head`, or None.

    `head`: the first 64 KiB (iso needs 32,774 bytes, the others 512). `size`: of the whole file. `tail`:
    its last bytes, as many as are at hand; with at least 22 of them, a zip behind anything else (a
    picture, a script, an ELF program) is seen by its directory's end. Without `tail` such a zip is
    seen only behind MZ ("exe": looked through for zip, 7z and cab). Costs about a microsecond.
    """
    first = head[:2]
    if first in _MAGIC:
        for magic, kind in _MAGIC[first]:
            if head.startswith(magic) and _confirmed(kind, head, size):
                return kind
    if head[257:262] == b"ustar" or (head[154:156] in _OLD_ENDS and _old_tar(head)):
        return "tar"
    if head[32769:32774] == b"CD001":
        return "iso"
    if tail[-22:-18] == b"PK\5\6" or (first == b"\x7fE" and _behind(head, tail)):
        return "zip"
    return "eml" if first in _MAIL_STARTS and _is_mail(head) else None


def _behind(head: bytes, tail: bytes) -> bool:
    """Whether a zip's directory ends somewhere in the tail of a Linux program."""
    return head.startswith(b"\x7fELF") and len(tail) > 22 and tail.rfind(b"PK\5\6") >= 0


def _is_mail(head: bytes) -> bool:
    found = _HEADER.finditer(head[:8192]) if _MAIL.match(head) else ()
    return len({header[1].lower() for header in found}) >= 2


def _confirmed(kind: str, head: bytes, size: int) -> bool:
    """Whether more than a short magic number speaks for it."""
    if kind == "bz2":
        return head[3:4] in b"123456789" and head[4:10] in {b"1AY&SY", b"\x17rE8P\x90"}
    if kind == "lzma":
        return _lzma(head, size)
    if kind == "mbox":
        return _MBOX.match(head) is not None
    return True


def _lzma(head: bytes, size: int) -> bool:
    """An .lzma file has no magic: its dictionary's size must be 2^n or 2^n + 2^(n-1)."""
    if size < 18 or len(head) < 14:
        return False
    dictionary, length = struct.unpack_from("<IQ", head, 1)
    odd = dictionary // 3 if dictionary % 3 == 0 else dictionary
    usual = dictionary >= 4096 and odd & (odd - 1) == 0
    return usual and head[13] == 0 and (length == 2**64 - 1 or length < 1 << 38)


def _old_tar(head: bytes) -> bool:
    """A tar of before 1988 has no magic either: its header's checksum must be right."""
    field = head[148:156]
    if len(head) < 512 or not _OCTAL.match(field):
        return False
    said = field.strip(b" \0")
    return (
        head[0] != 0 and bool(said) and int(said, 8) == sum(head[:148]) + 256 + sum(head[156:512])
    )
