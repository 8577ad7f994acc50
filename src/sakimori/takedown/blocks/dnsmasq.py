"""Configuration of dnsmasq: names with all below them, and answers that hold an address.

Names answer NXDOMAIN, or lead to the sinkhole's addresses; an answer with a listed address becomes
NXDOMAIN (`bogus-nxdomain`, networks since 2.86). Source: dnsmasq(8).
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from sakimori.takedown.blocks import _text
from sakimori.takedown.blocks._contract import is_address

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sakimori.takedown.blocks._contract import BlockEntry, Options

NAME = "dnsmasq"
TITLE = "dnsmasq configuration"
SUPPORTS = ("address", "cidr", "name")

settle = _text.unchanged
diff = partial(_text.patch_of, "#", NAME)


def refuses(entry: BlockEntry, options: Options) -> str:
    """Refuse a sinkhole that is a name: `address=` holds addresses."""
    if entry.kind == "name" and options.sinkhole and not is_address(options.sinkhole[0]):
        return "dnsmasq cannot lead to a name; give the sinkhole's addresses"
    return ""


def full(entries: Sequence[BlockEntry], options: Options) -> str:
    """Return a file for conf-dir. dnsmasq reads it when it starts."""
    lines = [_text.header("#", NAME, "put it into /etc/dnsmasq.d and restart dnsmasq")]
    for entry in entries:
        remark = _text.remark(entry)
        end = f" # {remark}\n" if remark else "\n"
        if entry.kind == "name":
            answers = options.sinkhole or ("",)
            lines += [f"address=/{entry.value}/{answer}{end}" for answer in answers]
        else:
            lines.append(f"bogus-nxdomain={entry.value}{end}")
    return "".join(lines)


def undo(after: str, before: str | None, options: Options) -> str:
    """Return the earlier file, or one that blocks nothing."""
    return _text.restored(after, before, full((), options))
