"""Handing evidence over, as a record: who gave it to whom, why, and under which TLP."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sakimori.errors import ConfigError
from sakimori.takedown.evidence.record import Entry, Object

if TYPE_CHECKING:
    from datetime import datetime

TLP = ("CLEAR", "GREEN", "AMBER", "AMBER+STRICT", "RED")  # FIRST, Traffic Light Protocol 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Transfer:
    """One handing over. `receipt` is what the receiver gave: a number or a name of a file."""

    giver: str
    receiver: str
    why: str
    tlp: str
    receipt: str = ""
    what: str = ""  # such as the SHA-256 of the bundle

    def __post_init__(self) -> None:
        """Refuse a transfer without people, reason or a TLP label that exists."""
        if not (self.giver.strip() and self.receiver.strip() and self.why.strip()):
            raise ConfigError(
                "a transfer needs who gives, who receives, and why",
                hint="--from NAME --to NAME --why REASON",
            )
        if self.tlp not in TLP:
            raise ConfigError(f"{self.tlp!r} is no TLP label", hint=", ".join(TLP))


def transfer(
    given: Transfer, *, actor: str, time: datetime, tool: str, objects: tuple[Object, ...] = ()
) -> Entry:
    """Return the record of a transfer; `objects` may hold the receipt as a file."""
    body = {
        "from": given.giver, "to": given.receiver, "why": given.why, "tlp": given.tlp,
        "receipt": given.receipt, "what": given.what,
    }  # fmt: skip
    return Entry(kind="custody", actor=actor, time=time, tool=tool, body=body, objects=objects)
