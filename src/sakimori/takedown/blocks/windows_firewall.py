"""A PowerShell script that makes Windows Firewall rules, both directions, in a group of its own.

Each address is in one of 256 rules, by its checksum, so that a change touches few rules. Rules do
not end by themselves: run the diff when entries have expired. Source: Microsoft Learn,
New-NetFirewallRule and Remove-NetFirewallRule.
"""

from __future__ import annotations

import re
import zlib
from typing import TYPE_CHECKING

from sakimori.errors import SourceError
from sakimori.takedown.blocks import _text

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sakimori.takedown.blocks._contract import BlockEntry, Options

NAME = "windows-firewall"
TITLE = "Windows Firewall rules (PowerShell)"
SUPPORTS = ("address", "cidr")

_GROUP = "Sakimori block"
_SET = re.compile(rf"Set-SakimoriBlock '({_GROUP} [0-9a-f]{{2}})' @\(('[0-9a-f.:/',]*')\)")
_FUNCTION = f"""\
$ErrorActionPreference = 'Stop'
function Set-SakimoriBlock([string]$Name, [string[]]$Addresses) {{
  foreach ($Direction in 'Outbound', 'Inbound') {{
    Remove-NetFirewallRule -Name "$Name $Direction" -ErrorAction SilentlyContinue
    if ($Addresses.Count -gt 0) {{
      New-NetFirewallRule -Name "$Name $Direction" -DisplayName "$Name $Direction" `
        -Group '{_GROUP}' -Direction $Direction -Action Block -RemoteAddress $Addresses | Out-Null
    }}
  }}
}}
"""
_CLEAR = f"Remove-NetFirewallRule -Group '{_GROUP}' -ErrorAction SilentlyContinue\n"
_FIXED = {*_FUNCTION.splitlines(), _CLEAR.strip(), ""}

settle = _text.unchanged


def refuses(_entry: BlockEntry, _options: Options) -> str:
    """Refuse nothing."""
    return ""


def full(entries: Sequence[BlockEntry], _options: Options) -> str:
    """Return a script that replaces all rules of the group."""
    rules: dict[str, list[str]] = {}
    for entry in entries:
        bucket = f"{zlib.crc32(entry.value.encode()) & 0xFF:02x}"
        rules.setdefault(bucket, []).append(entry.value)
    lines = (_set(f"{_GROUP} {bucket}", _quoted(rules[bucket])) for bucket in sorted(rules))
    return f"{_head(NAME)}{_FUNCTION}{_CLEAR}{''.join(lines)}"


def diff(before: str, after: str, _options: Options) -> str:
    """Return a script that replaces the rules that changed."""
    _text.check(before, "#", NAME)
    old, new = _parsed(before), _parsed(after)
    lines = [
        _set(name, new.get(name, ""))
        for name in sorted(old.keys() | new.keys())
        if old.get(name) != new.get(name)
    ]
    return f"{_head(f'{NAME} changes')}{_FUNCTION}{''.join(lines)}" if lines else ""


def undo(after: str, before: str | None, options: Options) -> str:
    """Return the earlier script, or one that removes the group."""
    return _text.restored(after, before, full((), options))


def _head(name: str) -> str:
    return _text.header("#", name, "run it as administrator in PowerShell")


def _quoted(values: Iterable[str]) -> str:
    return ",".join(f"'{value}'" for value in values)


def _set(name: str, quoted: str) -> str:
    return f"Set-SakimoriBlock '{name}' @({quoted})\n"


def _parsed(text: str) -> dict[str, str]:
    rules = {}
    for number, line in enumerate(text.split("\n"), start=1):
        if found := _SET.fullmatch(line):
            rules[found[1]] = found[2]
        elif line not in _FIXED and not line.startswith("#"):
            raise SourceError(f"line {number} of the previous script is not ours")
    return rules
