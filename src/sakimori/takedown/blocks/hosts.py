"""A hosts file, for machines without a resolver of ours.

It blocks exactly the names listed: a hosts file cannot hold the names below them.
Source: hosts(5).
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from sakimori.takedown.blocks import _text
from sakimori.takedown.blocks._contract import is_address

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sakimori.takedown.blocks._contract import BlockEntry, Options

NAME = "hosts"
TITLE = "hosts file"
SUPPORTS = ("name",)

_NOWHERE = ("0.0.0.0", "::")  # noqa: S104 - answers that lead nowhere; nothing listens there

settle = _text.unchanged
diff = partial(_text.patch_of, "#", NAME)


def refuses(_entry: BlockEntry, options: Options) -> str:
    """Refuse a sinkhole that is a name: a hosts file holds addresses."""
    if options.sinkhole and not is_address(options.sinkhole[0]):
        return "a hosts file cannot lead to a name; give the sinkhole's addresses"
    return ""


def full(entries: Sequence[BlockEntry], options: Options) -> str:
    """Return one line per name and address it leads to."""
    lines = [_text.header("#", NAME, "names below these are not blocked by a hosts file")]
    for entry in entries:
        remark = _text.remark(entry)
        end = f" # {remark}\n" if remark else "\n"
        lines += [f"{address} {entry.value}{end}" for address in options.sinkhole or _NOWHERE]
    return "".join(lines)


def undo(after: str, before: str | None, options: Options) -> str:
    """Return the earlier file, or one without names."""
    return _text.restored(after, before, full((), options))
