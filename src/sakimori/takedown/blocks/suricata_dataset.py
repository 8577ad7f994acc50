"""A Suricata dataset: names and JA4 as base64 strings, or addresses (`--dataset addresses`).

One file holds one type, so addresses need a second file. Sets match exactly: names below a listed
one are not in it. The diff is commands for `suricatasc`, which change the live set; the set is
`sakimori-strings` or `sakimori-addresses`. Source: Suricata 7 User Guide, Datasets.
"""

from __future__ import annotations

import base64
import re
from typing import TYPE_CHECKING

from sakimori.errors import SourceError
from sakimori.takedown.blocks import _text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sakimori.takedown.blocks._contract import BlockEntry, Options

NAME = "suricata-dataset"
TITLE = "Suricata dataset"
SUPPORTS = ("address", "name", "ja4")

_ADDRESS = re.compile(r"[0-9a-f]*[.:][0-9a-f.:]+")
_STRING = re.compile(rb"[a-z0-9_.-]+")
_TYPES = {"strings": "string", "addresses": "ip"}

settle = _text.unchanged


def refuses(entry: BlockEntry, options: Options) -> str:
    """Refuse what belongs into the other set."""
    belongs = "addresses" if entry.kind == "address" else "strings"
    if belongs != options.dataset:
        return f"it belongs into a set of its own: run again with --dataset {belongs}"
    return ""


def full(entries: Sequence[BlockEntry], options: Options) -> str:
    """Return the file for `load`. It can hold no remarks, so that it is nothing but values."""
    if options.dataset == "addresses":
        return "".join(f"{entry.value}\n" for entry in entries)
    return "".join(f"{base64.b64encode(e.value.encode()).decode()}\n" for e in entries)


def diff(before: str, after: str, options: Options) -> str:
    """Return commands for `suricatasc`, one a line."""
    old, new = _values(before), _values(after)
    tail = f"sakimori-{options.dataset} {_TYPES[options.dataset]}"
    gone = [f"dataset-remove {tail} {_ours(v, options)}\n" for v in old if v not in new]
    come = [f"dataset-add {tail} {value}\n" for value in new if value not in old]
    return "".join(gone + come)


def undo(after: str, before: str | None, options: Options) -> str:
    """Return the earlier file, or an empty one."""
    return _text.restored(after, before, full((), options))


def _values(text: str) -> dict[str, None]:
    return dict.fromkeys(line for line in text.split("\n") if line)


def _ours(line: str, options: Options) -> str:
    """Return a line, which goes into a command. Raises SourceError when `full` did not write it."""
    try:
        if options.dataset == "addresses":
            good = bool(_ADDRESS.fullmatch(line))
        else:
            good = bool(_STRING.fullmatch(base64.b64decode(line, validate=True)))
    except ValueError:
        good = False
    if not good:
        raise SourceError(f"{line[:60]!r} in the previous dataset is none of {options.dataset}")
    return line
