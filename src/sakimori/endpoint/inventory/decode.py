"""From bytes to text, where nobody wrote down which encoding the console had."""

from __future__ import annotations

import codecs
import re
import unicodedata
from dataclasses import dataclass

from sakimori.endpoint.inventory.labels import meanings, normal

_MARKS = (
    (codecs.BOM_UTF8, "utf-8", "UTF-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le", "UTF-32 LE"),
    (codecs.BOM_UTF16_LE, "utf-16-le", "UTF-16 LE"),
    (codecs.BOM_UTF16_BE, "utf-16-be", "UTF-16 BE"),
)
# Where two fit equally well, the first wins. UTF-8 stands for files with a few broken characters; the
# OEM pages that a console writes in come before those of programs and editors.
CODE_PAGES = {
    "utf-8": "UTF-8", "cp850": "CP850", "cp437": "CP437", "cp932": "CP932", "cp936": "CP936",
    "cp949": "CP949",    "cp950": "CP950", "cp866": "CP866", "cp852": "CP852", "cp1252": "CP1252", "cp1251": "CP1251",
    "cp1250": "CP1250", "euc_jp": "EUC-JP",
}  # fmt: skip
_SAMPLE = 65_536  # bytes that are looked at to decide
# ASCII that a program printed before its own UTF-16 ("Please wait while WMIC is being installed.")
_PREFIX = re.compile(
    rb"(?s)\A[\x09\x0a\x0d\x20-\x7e]{1,400}?(?=(?:[\x09\x0a\x0d\x20-\x7e]\x00){6})"
)
_COLON = re.compile(r"[:\uff1a]")
_LETTERS = ("Lu", "Ll", "Lo", "Lt", "Lm")


@dataclass(frozen=True, slots=True)
class Decoded:
    """Text without its mark, the name of its encoding, and how that was found: a code of NOTES."""

    text: str
    encoding: str
    how: str  # "" where there was nothing to decide
    broken: int = 0  # characters that the encoding does not have


def decode(data: bytes) -> Decoded | None:
    """Return bytes as text; None where they are no text in any encoding that we know.

    A byte-order mark decides; else the pattern of NUL bytes (UTF-16); else UTF-8 where it is whole;
    else the code page that reads most of the known labels and gives the most plausible letters.
    """
    for mark, codec, name in _MARKS:
        if data.startswith(mark):
            return _known(data[len(mark) :], codec, name, "")
    prefix = _PREFIX.match(data[:_SAMPLE])
    if prefix is not None:
        rest = _known(data[prefix.end() :], "utf-16-le", "UTF-16 LE", "encoding-mixed")
        return Decoded(prefix[0].decode("ascii") + "\n" + rest.text, rest.encoding, rest.how)
    wide = _wide(data[:_SAMPLE])
    if wide:
        read = _known(data, *wide, "encoding-nul")
        return None if _junk(read.text[:_SAMPLE].encode("utf-8", "replace")) else read
    if b"\0" in data[:_SAMPLE]:
        return None
    return _narrow(data)


def _known(data: bytes, codec: str, name: str, how: str) -> Decoded:
    text = data.decode(codec, "replace").lstrip("\ufeff")
    return Decoded(text, name, how, text.count("\ufffd"))


def _wide(sample: bytes) -> tuple[str, str] | None:
    """UTF-16 by its NULs: they stand at every second byte of what is ASCII, never at the other."""
    even, odd = sample[0::2], sample[1::2]
    if len(odd) < 8:
        return None
    high, low = odd.count(0) / len(odd), even.count(0) / len(even)
    if high > 0.15 and low < 0.01:
        return "utf-16-le", "UTF-16 LE"
    if low > 0.15 and high < 0.01:
        return "utf-16-be", "UTF-16 BE"
    return None


def _narrow(data: bytes) -> Decoded | None:
    if data.isascii():
        return None if _junk(data[:_SAMPLE]) else Decoded(data.decode("ascii"), "ASCII", "")
    try:
        return Decoded(data.decode("utf-8"), "UTF-8", "")
    except UnicodeDecodeError:
        pass
    if _junk(data[:_SAMPLE]):
        return None
    codec, labelled = _best(data[:_SAMPLE])
    text = data.decode(codec, "replace")
    how = "encoding-labels" if labelled else "encoding-letters"
    return Decoded(text, CODE_PAGES[codec], how, text.count("\ufffd"))


def _junk(sample: bytes) -> bool:
    """Whether it has control bytes as no text has."""
    control = sum(sample.count(c) for c in range(32) if c not in b"\t\n\r\f\x1a\x1b")
    return control > max(2, len(sample) // 500)


def _best(sample: bytes) -> tuple[str, int]:
    """The code page that reads most labels, by letters where several do; and how many it reads."""
    texts = {codec: sample.decode(codec, "replace") for codec in CODE_PAGES}
    labels = {codec: _labels(text) for codec, text in texts.items()}
    most = max(labels.values())
    return max(
        (codec for codec in CODE_PAGES if labels[codec] == most),
        key=lambda codec: _plausible(texts[codec]),
    ), most


def _labels(text: str) -> int:
    """Count labels with a character beyond ASCII: only these tell code pages apart."""
    return sum(
        normal(label) in meanings()
        for line in text.splitlines()
        if not line.isascii()
        for label in (line.strip('"').split('","') if line[0] == '"' else _COLON.split(line, 1)[:1])
        if not label.isascii()
    )


def _plausible(text: str) -> float:
    """Points for letters beside letters of one script; costs for signs, boxes and broken characters."""
    points, before = 0.0, ""
    for char in text:
        if not char.isascii():
            points += _worth(char, before)
        before = char
    return points


def _worth(char: str, before: str) -> float:
    kind = unicodedata.category(char)
    if char == "\ufffd" or kind in ("Cc", "Co", "Cn"):
        return -10.0
    if char == "\u00a0":
        return 0.5 if before.isdigit() else 0.2
    if kind not in _LETTERS:
        return -1.0
    if before.isdigit() or (char.isupper() and before.islower()):
        return -0.5
    return 1.0 if char <= "\u04ff" else 2.0  # a double-byte letter stands for two bytes
