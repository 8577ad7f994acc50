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
    old, new = _values(before, options), _values(after, options)
    tail = f"sakimori-{options.dataset} {_TYPES[options.dataset]}"
    gone = [f"dataset-remove {tail} {value}\n" for value in old if value not in new]
    come = [f"dataset-add {tail} {value}\n" for value in new if value not in old]
    return "".join(gone + come)


def undo(after: str, before: str | None, options: Options) -> str:
    """Return the earlier file, or an empty one."""
    return _text.restored(after, before, full((), options))


def _values(text: str, options: Options) -> dict[str, None]:
    lines = text.split("\n")[:-1] if text.endswith("\n") else text.split("\n") if text else []
    for number, line in enumerate(lines, start=1):
        if not _is_ours(line, options.dataset):
            raise SourceError(f"line {number} of the previous dataset is none of {options.dataset}")
    return dict.fromkeys(lines)


def _is_ours(line: str, dataset: str) -> bool:
    """Whether a line is one that `full` could have written; it goes into commands as it is."""
    if dataset == "addresses":
        return bool(_ADDRESS.fullmatch(line))
    try:
        return bool(_STRING.fullmatch(base64.b64decode(line, validate=True)))
    except ValueError:
        return False
