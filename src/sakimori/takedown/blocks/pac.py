"""A proxy auto-configuration file: blocked destinations go to a proxy that is not there.

Names with all below them; addresses and networks where a URL names them as its host (the file asks
no resolver); http URLs. Browsers hide the path of an https URL from it. ECMAScript 3, so that
Windows' own engine runs it. Source: the Netscape PAC format as browsers keep it.
"""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING

from sakimori.takedown.blocks import _plain, _text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sakimori.takedown.blocks._contract import BlockEntry, Options

NAME = "pac"
TITLE = "proxy auto-configuration"
SUPPORTS = ("address", "cidr", "name", "url")

settle = _text.unchanged
diff = partial(_text.patch_of, "//", NAME)

# Ranges are sorted and apart, so a search by halves finds the one that could hold an address.
_PROGRAM = """\
function has(map, key) {
  return Object.prototype.hasOwnProperty.call(map, key) && map[key] === 1;
}
function within(ranges, key) {
  var low = 0, high = ranges.length - 1;
  while (low <= high) {
    var middle = (low + high) >> 1;
    if (key < ranges[middle][0]) { high = middle - 1; }
    else if (key > ranges[middle][1]) { low = middle + 1; }
    else { return true; }
  }
  return false;
}
function v4(host) {
  var parts = /^([0-9]{1,3})\\.([0-9]{1,3})\\.([0-9]{1,3})\\.([0-9]{1,3})$/.exec(host);
  if (!parts) { return ""; }
  return hex(parts[1] * 256 + +parts[2]) + hex(parts[3] * 256 + +parts[4]);
}
function hex(number) {
  return ("0000" + number.toString(16)).slice(-4);
}
function groups(text) {
  if (text === "") { return []; }
  var parts = text.split(":"), found = [];
  for (var at = 0; at < parts.length; at++) {
    found.push(("0000" + parts[at]).slice(-4));
  }
  return found;
}
function v6(host) {
  if (host.indexOf(":") < 0) { return ""; }
  var halves = host.split("::"), left = groups(halves[0]);
  var right = halves.length > 1 ? groups(halves[1]) : [];
  while (left.length + right.length < 8) { left.push("0000"); }
  return left.concat(right).join("");
}
function named(host) {
  while (host !== "") {
    if (has(NAMES, host)) { return true; }
    var dot = host.indexOf(".");
    host = dot < 0 ? "" : host.substring(dot + 1);
  }
  return false;
}
function FindProxyForURL(url, host) {
  host = host.toLowerCase().replace(/^\\[|\\]$/g, "").replace(/\\.$/, "");
  url = url.split("#")[0].replace(/^(http:\\/\\/[^\\/?]*):80(?=[\\/?]|$)/, "$1");
  var four = v4(host), six = v6(host);
  if (named(host) || has(URLS, url) || (four !== "" && within(V4, four)) ||
      (six !== "" && within(V6, six))) {
    return BLOCKED;
  }
  return OTHERWISE;
}
"""


def refuses(entry: BlockEntry, _options: Options) -> str:
    """Refuse URLs whose path browsers hide."""
    if entry.value.startswith("https:"):
        return "browsers hide the path of an https URL from a PAC file"
    return ""


def full(entries: Sequence[BlockEntry], options: Options) -> str:
    """Return the file, with one entry a line."""
    lines = [_text.header("//", NAME), 'var BLOCKED = "PROXY 127.0.0.1:9";\n',
             f"var OTHERWISE = {json.dumps(options.otherwise)};\n"]  # fmt: skip
    for variable, kind in (("NAMES", "name"), ("URLS", "url")):
        lines.append(f"var {variable} = {{\n")
        lines += [
            f"{_quoted(entry.value)}: 1,{_comment(entry)}\n"
            for entry in _plain.of_kind(entries, kind)
        ]
        lines.append('"": 0};\n')  # old engines take no comma at the end
    ours = _plain.of_kind(entries, "address", "cidr")
    for variable, version, digits in (("V4", False, 8), ("V6", True, 32)):
        lines.append(f"var {variable} = [\n")
        lines += [
            f'["{first:0{digits}x}", "{last:0{digits}x}"],{_comment(entry, value=True)}\n'
            for depth, first, last, entry in _plain.depths(
                [e for e in ours if _plain.is_v6(e) == version]
            )
            if depth == 0
        ]
        lines.append('["g", "g"]];\n')  # after all hex digits
    return "".join(lines) + _PROGRAM


def undo(after: str, before: str | None, options: Options) -> str:
    """Return the earlier file, or one that blocks nothing."""
    return _text.restored(after, before, full((), options))


def _quoted(text: str) -> str:
    """Return a string for JavaScript that could also stand in a page."""
    return json.dumps(text).replace("<", "\\u003c")


def _comment(entry: BlockEntry, *, value: bool = False) -> str:
    remark = " - ".join(t for t in (entry.value if value else "", _text.remark(entry)) if t)
    return f" // {remark}" if remark else ""
