"""What a signature's name and metadata say: family, technique, author, licence, reference."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_FAMILY = ("family", "malware_family", "malware", "malware_name", "malpedia_family", "threat_name")
_TECHNIQUE = ("technique", "mitre_att", "mitre_attack", "mitre", "attack", "attack_id", "ttp")
_AUTHOR = ("author", "authors")
_LICENCE = ("license", "licence")
_REFERENCE = ("reference", "reference1", "references", "ref", "url")
_ATTACK = re.compile(r"\bT\d{4}(?:\.\d{3})?\b")
# ClamAV's convention since 2014: Platform.Category.Family-number-revision
_CLAMAV = re.compile(r"(?:[A-Z][A-Za-z0-9]*\.){2}([A-Za-z][\w]*)-\d+(?:-\d+)?")


def family_of(name: str) -> str:
    """Return the family in a hash's or body signature's name.

    `Win.Trojan.Zbot-1234-0` is Zbot, by ClamAV's convention; any other name is what its writer
    calls the malware, and stands as it is.
    """
    found = _CLAMAV.fullmatch(name)
    return found[1] if found else name


def told(metadata: Sequence[tuple[str, Any]]) -> Mapping[str, str]:
    """Return family, technique, author, licence and reference of a YARA rule's metadata.

    The family is only what the metadata names; a rule's name is not guessed from.
    """
    given = {key.lower(): value for key, value in reversed(metadata)}
    technique = _ATTACK.search(_first(given, _TECHNIQUE))
    return {
        "family": _first(given, _FAMILY),
        "technique": technique[0] if technique else "",
        "author": _first(given, _AUTHOR),
        "licence": _first(given, _LICENCE),
        "reference": _first(given, _REFERENCE),
    }


def _first(given: Mapping[str, Any], names: Sequence[str]) -> str:
    for name in names:
        value = given.get(name)
        if isinstance(value, bytes):
            value = value.decode("utf-8", errors="replace")
        if isinstance(value, str) and value.strip():
            return value.strip()
    return ""
