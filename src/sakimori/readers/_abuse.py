"""Abuse feeds' own words to ours: categories, ways, confidence, restriction; and the rest as JSON.

Sources: the Reference Security Incident Taxonomy's types as IntelMQ writes them; n6's REST
documentation (category, origin, confidence, restriction); XARF 4.2's types; FIRST's TLP 2.0.
"""

from __future__ import annotations

import json
import re
from functools import reduce
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from sakimori.readers._columns import by_value, flat
from sakimori.tables import CATEGORIES, WAYS

if TYPE_CHECKING:
    from collections.abc import Mapping

_CATEGORY_OF: dict[str, str] = {
    # Reference taxonomy
    "infected-system": "bot", "c2-server": "controller", "malware-distribution": "malware-host",
    "malware-configuration": "controller", "scanner": "scanner", "sniffing": "attacker",
    "social-engineering": "phishing", "brute-force": "attacker", "exploit": "attacker",
    "ids-alert": "attacker", "application-compromise": "compromised", "burglary": "compromised",
    "privileged-account-compromise": "compromised", "system-compromise": "compromised",
    "unprivileged-account-compromise": "compromised", "ddos": "attacker", "dos": "attacker",
    "ddos-amplifier": "vulnerable", "vulnerable-system": "vulnerable", "weak-crypto": "vulnerable",
    "information-disclosure": "vulnerable", "potentially-unwanted-accessible": "exposed",
    "masquerade": "spoofer", "phishing": "phishing", "spam": "spam", "blocklist": "blocklisted",
    "proxy": "proxy", "tor": "proxy", "data-leak": "account", "dga-domain": "controller",
    "copyright": "other", "undetermined": "other",
    # n6
    "bots": "bot", "cnc": "controller", "amplifier": "vulnerable", "backdoor": "compromised",
    "deface": "compromised", "dns-query": "resolver", "dos-attacker": "attacker",
    "dos-victim": "target", "exposed": "exposed", "fraud": "phishing", "leak": "account",
    "malurl": "malware-host", "phish": "phishing", "sandbox-url": "sample", "scam": "phishing",
    "scanning": "scanner", "server-exploit": "attacker", "spam-url": "spam",
    "vulnerable": "vulnerable", "webinject": "target",
    # XARF, its types with - for _
    "botnet": "bot", "compromised-server": "compromised", "infected-host": "bot",
    "login-attack": "attacker", "port-scan": "scanner", "reconnaissance": "scanner",
    "scraping": "scanner", "sql-injection": "attacker", "vulnerability-scan": "scanner",
    "malware": "malware-host", "remote-compromise": "compromised", "bulk-messaging": "spam",
    "open-service": "exposed", "misconfiguration": "vulnerable", "cve": "vulnerable",
    "exposed-data": "account", "suspicious-registration": "phishing",
    "brand-infringement": "phishing", "threat-intelligence": "blocklisted",
    # common in CSV
    "c2": "controller", "c&c": "controller", "drone": "bot", "infected": "bot",
}  # fmt: skip
_WAY_OF: dict[str, str] = {
    "c2": "c2-log", "dropzone": "c2-log", "c2-log": "c2-log", "p2p-crawler": "crawler",
    "p2p-drone": "drone", "av": "sensor", "ids": "sensor", "waf": "sensor",
    "automated-scan": "scan", "vulnerability-scan": "scan", "firewall-logs": "sensor",
    "ids-detection": "sensor", "flow-analysis": "sensor", "traffic-analysis": "sensor",
    "automated-filter": "sensor", "user-complaint": "report", "user-report": "report",
    "researcher-analysis": "report", "threat-intelligence": "report", "spam-analysis": "spamtrap",
}  # fmt: skip
_TLP_OF: dict[str, str] = {
    "white": "clear", "clear": "clear", "green": "green", "amber": "amber", "red": "red",
    "amber+strict": "amber+strict", "amber-strict": "amber+strict",
    # n6: for all; for those who need to know it; for the operators only
    "public": "clear", "need-to-know": "amber", "internal": "red",
}  # fmt: skip
_RATED = {"low": 0.3, "medium": 0.6, "high": 0.9}
_SPECIAL = r'["\\\x00-\x1f]'


def category_of(word: str) -> str:
    """Return a feed's word for what an address did as one of `tables.CATEGORIES`."""
    plain = _plain(word)
    return plain if plain in CATEGORIES else _CATEGORY_OF.get(plain, "other")


def way_of(word: str) -> str | None:
    """Return a feed's word for how it was got as one of `tables.WAYS`; null: none of them."""
    plain = _plain(word)
    return plain if plain in WAYS else _WAY_OF.get(plain)


def restriction_of(word: str) -> str | None:
    """Return a TLP label or n6 restriction as TLP 2.0; null where it is neither."""
    return _TLP_OF.get(re.sub(r"^tlp[:\- ]*", "", _plain(word)))


def confidence_of(word: str) -> float | None:
    """Return low, medium, high, a share or a percentage as 0..1; null where it is none."""
    plain = _plain(word)
    if plain in _RATED:
        return _RATED[plain]
    try:
        number = float(plain.removesuffix("%"))
    except ValueError:
        return None
    share = number / 100 if number > 1 or plain.endswith("%") else number
    return share if 0 <= share <= 1 else None


def country_of(word: str) -> str | None:
    """Return two letters in capitals; null where it is something else."""
    plain = word.strip().upper()
    return plain if re.fullmatch(r"[A-Z]{2}", plain) else None


def asn_of(word: str) -> int | None:
    """Return 64500 of `64500` or `AS64500`; 0 is none."""
    found = re.fullmatch(r"(?:AS)?([0-9]{1,10})", word.strip().upper())
    return int(found[1]) or None if found else None


def _plain(word: str) -> str:
    return word.strip().lower().replace("_", "-").replace(" ", "-")


MEANINGS: dict[str, tuple[Any, pa.DataType]] = {
    "category": (category_of, pa.string()),
    "how": (way_of, pa.string()),
    "restriction": (restriction_of, pa.string()),
    "confidence": (confidence_of, pa.float64()),
    "country": (country_of, pa.string()),
    "asn": (asn_of, pa.int64()),
}


def meaning(name: str, text: Any) -> pa.Array:
    """Return a column of a feed's words as the event's column `name` says it."""
    convert, kind = MEANINGS[name]
    return by_value(text, convert, kind)


def domain(text: Any) -> pa.Array:
    """Return names in lower case without the final dot or a port; empty ones are null."""
    lower = pc.utf8_rtrim(pc.utf8_lower(pc.utf8_trim_whitespace(flat(text))), ".")
    lower = pc.replace_substring_regex(lower, r":[0-9]{1,5}$", "")
    return pc.if_else(pc.equal(lower, ""), pa.scalar(None, pa.string()), lower)


def as_extra(columns: Mapping[str, Any], length: int) -> pa.Array:
    """Return the cells of each row as a JSON object; null cells are left out; null: no cell."""
    parts = []
    for name, column in columns.items():
        array = flat(column)
        if array.null_count < len(array):
            key = f"{json.dumps(name, ensure_ascii=False)}:"
            parts.append(pc.binary_join_element_wise(f'{key}"', _escaped(array), '"', ""))
    if not parts:
        return pa.nulls(length, pa.string())
    body = pc.binary_join_element_wise(*parts, ",", null_handling="skip")
    whole = pc.binary_join_element_wise("{", body, "}", "")
    given = reduce(pc.or_, [pc.is_valid(part) for part in parts])
    return pc.if_else(given, whole, pa.scalar(None, pa.string()))


def _escaped(text: pa.Array) -> pa.Array:
    """Return texts as the inside of a JSON string."""
    special = pc.match_substring_regex(text, _SPECIAL)
    if not pc.any(special).as_py():
        return text
    quoted = by_value(
        pc.if_else(special, text, pa.scalar(None, pa.string())),
        lambda word: json.dumps(word, ensure_ascii=False)[1:-1],
        pa.string(),
    )
    return pc.coalesce(quoted, text)
