"""Names of Linux distributions and of processors, as their own files write them."""

from __future__ import annotations

import re
import shlex

from sakimori.endpoint.inventory.windows import architecture_of


def os_release(text: str) -> dict[str, str]:
    """Return the values of an os-release file. Lines that are no assignment are left out.

    Source: os-release(5), systemd.
    """
    found: dict[str, str] = {}
    for line in text.splitlines():
        key, equals, value = line.strip().partition("=")
        if not equals or not re.fullmatch("[A-Z][A-Z0-9_]*", key):
            continue
        try:
            words = shlex.split(value, posix=True)
        except ValueError:
            words = [value.strip("\"'")]
        found[key] = " ".join(words)
    return found


def name_of(values: dict[str, str]) -> str | None:
    """Return the distribution's name without its version: "Debian GNU/Linux"."""
    return values.get("NAME") or values.get("PRETTY_NAME") or values.get("ID") or None


def machine_of(text: str) -> str | None:
    """Return one spelling of a processor: x64 for amd64 and x86_64; others as they are written."""
    plain = text.strip()
    if plain in ("", "all", "noarch", "any", "(none)"):
        return None
    return architecture_of(plain) or plain


def commonest(names: list[str]) -> str | None:
    """Return the processor that most packages are for; None where none names one."""
    known = [name for one in names if (name := machine_of(one))]
    return max(sorted(set(known)), key=known.count) if known else None


# What a maintainer, a version or a release tag gives away of the distribution.
_MARKS = (
    (r"@lists\.ubuntu\.com|@ubuntu\.com|ubuntu\d", "ubuntu"),
    (r"@(?:lists\.)?debian\.org|\+deb\d+u|@lists\.alioth", "debian"),
    (r"\.fc\d{2}\b", "fedora"),
    (r"\.amzn\d", "amzn"),
    (r"\.(?:module\+)?el\d", "redhat"),
    (r"\.(?:oe|mga|mdv|alt)\d", ""),
)


def distribution_of(text: str) -> str:
    """Return the ID of the distribution that packages were built for; "" where nothing tells."""
    counts = {name: len(re.findall(mark, text, re.IGNORECASE)) for mark, name in _MARKS if name}
    best = max(counts, key=lambda name: counts[name])
    return best if counts[best] else ""
