"""ClamAV body signatures (.ndb) as YARA rules, where YARA can say the same.

    Name:TargetType:Offset:HexSignature[:MinLevel[:MaxLevel]]

Source: ClamAV documentation, "Body-based signature content format" and "Extended signature format".
Targets 3 (HTML), 4 (mail) and 7 (text) are matched by ClamAV against normalised content, which a file
as it lies on disk is not: those lines are reported as not expressible.
"""

from __future__ import annotations

import re

from sakimori.endpoint.scan._names import family_of
from sakimori.endpoint.scan._sources import Source, Warned

_TARGETS = {
    "0": "", "1": "uint16(0) == 0x5a4d", "2": "uint32be(0) == 0xd0cf11e0",
    "5": "(uint32be(0) == 0x89504e47 or uint32be(0) == 0x47494638 or uint16be(0) == 0xffd8 or"
         " uint16be(0) == 0x424d or uint32be(0) == 0x49492a00 or uint32be(0) == 0x4d4d002a)",
    "6": "uint32be(0) == 0x7f454c46",
    "9": "(uint32be(0) == 0xfeedface or uint32be(0) == 0xfeedfacf or uint32be(0) == 0xcefaedfe or"
         " uint32be(0) == 0xcffaedfe or uint32be(0) == 0xcafebabe)",
    "10": "uint32be(0) == 0x25504446",
    "11": "(uint16be(0) == 0x4657 or uint16be(0) == 0x4357 or uint16be(0) == 0x5a57)",
    "12": "uint32be(0) == 0xcafebabe",
}  # fmt: skip
_WHY_NOT = {"3": "normalised HTML", "4": "mail", "7": "normalised text", "13": "an internal type"}
_ENTRY = {"1": "pe.entry_point", "6": "elf.entry_point"}
_PIECE = re.compile(
    r"(?P<byte>[0-9a-fA-F?]{2})|(?P<star>\*)|\{(?P<gap>[^}]*)\}|\[(?P<range>\d+-\d+)\]"
    r"|(?P<not>!)?\((?P<group>[^()]*)\)"
)
_GAP = re.compile(r"(?P<low>\d*)(?P<dash>-?)(?P<high>\d*)")
_LONGEST = 100_000  # characters of one signature
_MOST_GAP = 2**31 - 1


class _NotSoError(Exception):
    """YARA cannot say this."""


def as_yara(source: Source) -> tuple[str, list[Warned]]:
    """Return the file as YARA source, a rule a line on the same line; and what is not expressible.

    A signature keeps its name in the metadata `signature`; the rule's name is made from its line.
    """
    rules: list[str] = []
    warned: list[Warned] = []
    for number, raw in enumerate(source.data.decode("utf-8-sig", errors="replace").split("\n"), 1):
        line = raw.strip()
        rule = ""
        if line and not line.startswith("#"):
            try:
                rule = _rule(line, number)
            except _NotSoError as error:
                warned.append(Warned(f"{source.path}:{number}", str(error)))
        rules.append(rule)
    return "\n".join(rules), warned


def _rule(line: str, number: int) -> str:
    fields = line.split(":")
    if not 4 <= len(fields) <= 6 or not fields[0]:
        raise _NotSoError("no Name:Target:Offset:HexSignature")
    name, target, offset, signature = fields[:4]
    if target not in _TARGETS:
        raise _NotSoError(f"target {target} ({_WHY_NOT.get(target, 'unknown')}) is not expressible")
    place = _place(offset, target)
    pattern = _pattern(signature)
    checks = [check for check in (_TARGETS[target], f"$a{place}") if check]
    imports = {"pe", "elf"} & set(re.findall(r"\b(pe|elf)\.", place))
    head = "".join(f'import "{module}" ' for module in sorted(imports))
    meta = f'signature = "{_quoted(name)}" family = "{_quoted(family_of(name))}"'
    return (
        f"{head}rule ndb_{number} {{ meta: {meta} strings: $a = {{ {pattern} }}"
        f" condition: {' and '.join(checks)} }}"
    )


def _quoted(text: str) -> str:
    return "".join(
        c if c.isalnum() or c in " ._-/+@!" else f"\\x{b:02x}"
        for c in text
        for b in (c.encode() if not c.isascii() else [ord(c)])[:1]
    )


def _place(offset: str, target: str) -> str:
    """Return ClamAV's offset as the end of a YARA condition."""
    base, _, shift = offset.partition(",")
    if base == "*":
        return ""
    if shift and not shift.isdecimal():
        raise _NotSoError(f"offset {offset!r} is not understood")
    at = _base(base, target)
    if base.startswith("SE"):
        section = f"pe.sections[{base[2:]}]"
        return f" in ({at}..{at} + {section}.raw_data_size)"
    return f" in ({at}..{at} + {int(shift)})" if shift else f" at {at}"


def _base(base: str, target: str) -> str:
    if base.isdecimal():
        return str(int(base))
    found = re.fullmatch(r"(EOF-|EP[+-]|S\d+\+|SL\+|SE)(\d+)", base)
    if found is None:
        raise _NotSoError(f"offset {base!r} is not expressible")
    kind, number = found[1], int(found[2])
    if kind == "EOF-":
        return f"filesize - {number}"
    if kind.startswith("EP"):
        if target not in _ENTRY:
            raise _NotSoError(f"offset {base!r} needs target 1 (PE) or 6 (ELF)")
        return f"{_ENTRY[target]} {kind[2]} {number}"
    if target != "1":
        raise _NotSoError(f"offset {base!r} is expressible for target 1 (PE) only")
    if kind == "SE":
        return f"pe.sections[{number}].raw_data_offset"
    index = "pe.number_of_sections - 1" if kind == "SL+" else kind[1:-1]
    return f"pe.sections[{index}].raw_data_offset + {number}"


def _pattern(signature: str) -> str:
    if len(signature) > _LONGEST:
        raise _NotSoError("the signature is longer than 100,000 characters")
    pieces, at = [], 0
    while at < len(signature):
        found = _PIECE.match(signature, at)
        if found is None:
            raise _NotSoError(f"{signature[at : at + 12]!r} in the signature is not expressible")
        pieces.append(_piece(found))
        at = found.end()
    while pieces and pieces[-1].startswith("["):
        pieces.pop()  # a gap at the end asks for bytes only, and YARA has no word for it
    if not pieces or pieces[0].startswith("["):
        raise _NotSoError("the signature begins with a gap, or is empty")
    return " ".join(pieces)


def _piece(found: re.Match[str]) -> str:
    if found["byte"]:
        return found["byte"].upper()
    if found["star"]:
        return "[-]"
    if found["gap"] is not None:
        return _gap(found["gap"])
    if found["range"]:
        return f"[{found['range']}]"
    return _group(found["group"], negated=bool(found["not"]))


def _gap(text: str) -> str:
    found = _GAP.fullmatch(text)
    if found is None or not (found["low"] or found["high"]):
        raise _NotSoError(f"gap {{{text}}} is not understood")
    low = int(found["low"] or 0)
    high = int(found["high"] or (_MOST_GAP if found["dash"] else low))
    if low > high or max(low, high if found["high"] else 0) > _MOST_GAP:
        raise _NotSoError(f"gap {{{text}}} is not possible")
    if not found["dash"]:
        return f"[{low}]"
    return f"[{low}-{high}]" if found["high"] else f"[{low}-]"


def _group(text: str, *, negated: bool) -> str:
    words = text.split("|")
    if not all(re.fullmatch(r"(?:[0-9a-fA-F?]{2})+", word) for word in words):
        raise _NotSoError(f"({text[:20]}) is not expressible: only bytes can be alternatives")
    spaced = [" ".join(w[i : i + 2].upper() for i in range(0, len(w), 2)) for w in words]
    if not negated:
        return f"( {' | '.join(spaced)} )"
    if len(words) == 1 and len(words[0]) == 2 and words[0] != "??":
        return f"~{words[0].upper()}"
    raise _NotSoError("! before more than one byte is not expressible")
