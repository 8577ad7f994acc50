"""Security descriptors as SDDL: what a key's owner, group, DACL and SACL say, in comparable text.

Windows' own notation ([MS-DTYP] 2.5.1), plus three of ours where it has no words: `data:HEX` for
what follows a SID (conditions, resource attributes), `(0xTT;flags;data:HEX)` for entries of an unknown
type, and `raw:HEX` in place of the DACL for a descriptor that cannot be read at all.
Not said: defaulted flags, ACL revision, slack after the last entry, the order of the parts.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass

from sakimori.endpoint.registry.sids import sid_bytes, sid_text

_TYPES = {
    0: "A", 1: "D", 2: "AU", 3: "AL", 5: "OA", 6: "OD", 7: "OU", 8: "OL", 9: "XA", 10: "XD",
    11: "ZA", 13: "XU", 0x11: "ML", 0x12: "RA", 0x13: "SP", 0x14: "TL", 0x15: "FL",
}  # fmt: skip
_CODES = {word: code for code, word in _TYPES.items()}
_OBJECT = frozenset((5, 6, 7, 8, 11))  # these carry up to two GUIDs
_FLAGS = (
    (0x01, "OI"), (0x02, "CI"), (0x04, "NP"), (0x08, "IO"), (0x10, "ID"),
    (0x20, "CR"), (0x40, "SA"), (0x80, "FA"),
)  # fmt: skip
_RIGHTS = (
    (0x1, "CC"), (0x2, "DC"), (0x4, "LC"), (0x8, "SW"), (0x10, "RP"), (0x20, "WP"), (0x40, "DT"),
    (0x80, "LO"), (0x100, "CR"), (0x10000, "SD"), (0x20000, "RC"), (0x40000, "WD"), (0x80000, "WO"),
    (0x10000000, "GA"), (0x20000000, "GX"), (0x40000000, "GW"), (0x80000000, "GR"),
)  # fmt: skip
_WHOLE = {
    0xF003F: "KA", 0x20019: "KR", 0x20006: "KW", 0x1F01FF: "FA", 0x120089: "FR",
    0x120116: "FW", 0x1200A0: "FX",
}  # fmt: skip
_BITS = {word: bit for bit, word in _RIGHTS} | {word: bit for bit, word in _WHOLE.items()}
_BITS["KX"] = 0x20019  # execute is read, for keys
_LABEL = ((1, "NW"), (2, "NR"), (4, "NX"))
_BITS |= {word: bit for bit, word in _LABEL}
_FLAG_BITS = {word: bit for bit, word in _FLAGS}
# Control bits: present, then the letters before the first entry.
_ACL_BITS = {
    "D": (0x0004, ((0x1000, "P"), (0x0100, "AR"), (0x0400, "AI"))),
    "S": (0x0010, ((0x2000, "P"), (0x0200, "AR"), (0x0800, "AI"))),
}
_NONE = "NO_ACCESS_CONTROL"
_RAW = "raw:"
_PART = re.compile(r"(?=[OGDS]:)")


@dataclass(frozen=True, slots=True)
class Security:
    """The four parts as SDDL (`BA`, `SY`, `D:P(A;...)`, `S:...`); "" for a part that is not there.

    `problem` says why the bytes cannot be read; then `dacl` is `raw:` with all of them in hexadecimal, so that
    two broken descriptors still differ, and the other parts are None.
    """

    owner: str | None
    group: str | None
    dacl: str | None
    sacl: str | None
    problem: str = ""

    @property
    def sddl(self) -> str:
        """The parts as one string."""
        owner = f"O:{self.owner}" if self.owner else ""
        group = f"G:{self.group}" if self.group else ""
        return f"{owner}{group}{self.dacl or ''}{self.sacl or ''}"


def from_bytes(raw: bytes) -> Security:
    """Read a self-relative security descriptor. Never raises: see `Security.problem`."""
    try:
        return _read(raw)
    except (ValueError, struct.error) as error:
        return Security(None, None, f"{_RAW}{raw.hex()}", None, str(error))


def to_bytes(security: Security) -> bytes:
    """Return the descriptor's bytes. Raises ValueError where a part is no SDDL.

    Parts that are None or "" are left out. `raw:HEX` gives those bytes back.
    """
    if security.dacl and security.dacl.startswith(_RAW):
        return bytes.fromhex(security.dacl[len(_RAW) :])
    control = 0x8000
    parts = {}
    for letter, text in (("S", security.sacl), ("D", security.dacl)):
        bits, parts[letter] = _acl_bytes(letter, text) if text else (0, b"")
        control |= bits
    parts["O"] = sid_bytes(security.owner) if security.owner else b""
    parts["G"] = sid_bytes(security.group) if security.group else b""
    offsets, body = {}, b""
    for letter in "SDOG":
        offsets[letter] = 20 + len(body) if parts[letter] else 0
        body += parts[letter]
    return struct.pack("<BBH4I", 1, 0, control, *(offsets[letter] for letter in "OGSD")) + body


def parse(sddl: str) -> Security:
    """Split one SDDL string into its parts, in normal form. Raises ValueError.

    `parse(s).sddl` is how this module writes `s`: entries as written, names and rights in their usual form.
    """
    if sddl.startswith(_RAW):
        return from_bytes(bytes.fromhex(sddl[len(_RAW) :]))
    found: dict[str, str] = {}
    for piece in filter(None, _PART.split(_no_space(sddl))):
        if piece[:2] not in ("O:", "G:", "D:", "S:") or piece[0] in found:
            raise ValueError(f"{piece[:40]!r} is no part of a descriptor, or is there twice")
        found[piece[0]] = piece[2:]
    acls = {letter: f"{letter}:{found[letter]}" if letter in found else "" for letter in "DS"}
    plain = Security(found.get("O", ""), found.get("G", ""), acls["D"], acls["S"])
    return _read(to_bytes(plain))


def _no_space(text: str) -> str:
    return re.sub(r"\s+", "", text)


def _read(raw: bytes) -> Security:
    if len(raw) < 20:
        raise ValueError(f"a descriptor of {len(raw)} bytes is too short")
    revision, _, control, owner, group, sacl, dacl = struct.unpack_from("<BBH4I", raw)
    if revision != 1 or not control & 0x8000:
        raise ValueError(f"revision {revision}, control 0x{control:04x}: not self-relative")
    return Security(
        sid_text(raw, owner)[0] if owner else "",
        sid_text(raw, group)[0] if group else "",
        _acl_text("D", raw, dacl, control),
        _acl_text("S", raw, sacl, control),
    )


def _acl_text(letter: str, raw: bytes, at: int, control: int) -> str:
    present, letters = _ACL_BITS[letter]
    if not control & present:
        return ""
    head = f"{letter}:" + "".join(word for bit, word in letters if control & bit)
    if not at:
        return head + _NONE
    if at + 8 > len(raw):
        raise ValueError(f"list {letter} at {at} lies outside the descriptor")
    _, _, size, count, _ = struct.unpack_from("<BBHHH", raw, at)
    end = at + size
    if end > len(raw) or size < 8:
        raise ValueError(f"list {letter} of {size} bytes is cut off")
    entries, at = [], at + 8
    for number in range(count):
        length = int.from_bytes(raw[at + 2 : at + 4], "little")
        if length < 4 or at + length > end:
            raise ValueError(f"entry {number + 1} of list {letter} is cut off")
        entries.append(_ace_text(raw[at : at + length]))
        at += length
    return head + "".join(entries)


def _ace_text(ace: bytes) -> str:
    kind = ace[0]
    flags = "".join(word for bit, word in _FLAGS if ace[1] & bit)
    word = _TYPES.get(kind)
    if word is None or len(ace) < 16:
        return f"(0x{kind:x};{flags};data:{ace[4:].hex()})"
    mask = int.from_bytes(ace[4:8], "little")
    try:
        guids, at = _guids_text(ace) if kind in _OBJECT else (";", 8)
        sid, at = sid_text(ace, at)
    except (ValueError, struct.error):
        return f"(0x{kind:x};{flags};data:{ace[4:].hex()})"
    more = f";data:{ace[at:].hex()}" if at < len(ace) else ""
    return f"({word};{flags};{_rights_text(mask, kind)};{guids};{sid}{more})"


def _rights_text(mask: int, kind: int) -> str:
    if kind == 0x11 and mask and mask < 8:
        return "".join(word for bit, word in _LABEL if mask & bit)
    if mask in _WHOLE:
        return _WHOLE[mask]
    words = [(bit, word) for bit, word in _RIGHTS if mask & bit]
    if sum(bit for bit, _ in words) != mask or not mask:
        return f"0x{mask:x}"
    return "".join(word for _, word in words)


def _guids_text(ace: bytes) -> tuple[str, int]:
    present = int.from_bytes(ace[8:12], "little")
    if present & ~3:
        raise ValueError("object flags that nobody defined")
    at, words = 12, ["", ""]
    for number in range(2):
        if present >> number & 1:
            words[number] = _guid_text(ace[at : at + 16])
            at += 16
    return ";".join(words), at


def _guid_text(raw: bytes) -> str:
    a, b, c = struct.unpack_from("<IHH", raw)
    return f"{a:08x}-{b:04x}-{c:04x}-{raw[8:10].hex()}-{raw[10:16].hex()}"


def _acl_bytes(letter: str, text: str) -> tuple[int, bytes]:
    """Return the control bits and the bytes of `D:...` or `S:...`; no bytes for NO_ACCESS_CONTROL."""
    present, letters = _ACL_BITS[letter]
    if text[:2].upper() != f"{letter}:":
        raise ValueError(f"{text[:40]!r} does not begin with {letter}:")
    head, *entries = _no_space(text[2:]).split("(")
    control = present
    words = re.fullmatch(rf"((?:P|AR|AI)*)({_NONE})?", head, re.IGNORECASE)
    if words is None or (words[2] and entries):
        raise ValueError(f"{head[:40]!r} is no beginning of a list")
    for word in re.findall("P|AR|AI", words[1].upper()):
        control |= next(bit for bit, name in letters if name == word)
    if words[2]:
        return control, b""
    aces = [_ace_bytes(entry) for entry in entries]
    body = b"".join(aces)
    if len(body) + 8 > 0xFFFF:
        raise ValueError("the list is longer than 64 KiB")
    revision = 4 if any(ace[0] in _OBJECT for ace in aces) else 2
    return control, struct.pack("<BBHHH", revision, 0, len(body) + 8, len(aces), 0) + body


def _ace_bytes(entry: str) -> bytes:
    if not entry.endswith(")"):
        raise ValueError(f"{entry[:40]!r} is not closed")
    fields = entry[:-1].split(";")
    if len(fields) == 3 and fields[0].lower().startswith("0x"):
        return _pack_ace(
            int(fields[0], 16), fields[1], bytes.fromhex(fields[2].removeprefix("data:"))
        )
    if len(fields) not in (6, 7) or fields[0].upper() not in _CODES:
        raise ValueError(f"{entry[:40]!r} is no entry of a list that can be written")
    kind = _CODES[fields[0].upper()]
    body = struct.pack("<I", _rights_mask(fields[2]))
    if kind in _OBJECT:
        body += _guids_bytes(fields[3], fields[4])
    body += sid_bytes(fields[5])
    if len(fields) == 7:
        if not fields[6].startswith("data:"):
            raise ValueError(f"conditions are written as data:HEX, not {fields[6][:40]!r}")
        body += bytes.fromhex(fields[6][5:])
    return _pack_ace(kind, fields[1], body)


def _pack_ace(kind: int, flags: str, body: bytes) -> bytes:
    words = re.findall("..?", flags.upper())
    if unknown := [word for word in words if word not in _FLAG_BITS]:
        raise ValueError(f"unknown inheritance flag {unknown[0]!r}")
    if kind > 255 or len(body) > 0xFFF0:
        raise ValueError("an entry is too large")
    return struct.pack("<BBH", kind, sum({_FLAG_BITS[w] for w in words}), 4 + len(body)) + body


def _rights_mask(text: str) -> int:
    if re.fullmatch("0x[0-9a-fA-F]{1,8}|[0-9]{1,10}", text):
        mask = int(text, 0)
        if mask >= 1 << 32:
            raise ValueError(f"rights {text!r} are more than 32 bits")
        return mask
    mask = 0
    for word in re.findall("..?", text.upper()):
        if word not in _BITS:
            raise ValueError(f"unknown right {word!r}")
        mask |= _BITS[word]
    return mask


def _guids_bytes(first: str, second: str) -> bytes:
    raw = [_guid_bytes(text) if text else b"" for text in (first, second)]
    return struct.pack("<I", bool(raw[0]) | bool(raw[1]) << 1) + b"".join(raw)


def _guid_bytes(text: str) -> bytes:
    if not re.fullmatch("[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", text):
        raise ValueError(f"{text[:40]!r} is no GUID")
    a, b, c, *rest = text.split("-")
    return struct.pack("<IHH", int(a, 16), int(b, 16), int(c, 16)) + bytes.fromhex("".join(rest))
