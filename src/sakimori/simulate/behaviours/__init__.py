"""What an organisation's hosts do all day: one file per behaviour, each with NAME and `events`.

To add one: write `<name>.py`, list it in BUILTIN. `events` is pure: the same world and generator
give the same events. The resolver's own questions (`resolver.py`) follow from all others' and are
added last.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from sakimori.simulate.behaviours import (
    administration,
    antivirus,
    backup,
    bittorrent,
    calls,
    discovery,
    gadgets,
    log_on,
    mail,
    newsletter,
    noise,
    ntp,
    outage,
    patch_day,
    push,
    telemetry,
    updates,
    web,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.random import Generator

    from sakimori.simulate.events import Events
    from sakimori.simulate.world import World


class Behaviour(Protocol):
    """What the simulator needs of a behaviour."""

    NAME: str

    @property
    def events(self) -> Callable[[World, Generator], Events]:
        """What all hosts do of this kind in the whole time."""


BUILTIN: tuple[Behaviour, ...] = (
    web,
    ntp,
    updates,
    patch_day,
    antivirus,
    telemetry,
    push,
    log_on,
    mail,
    newsletter,
    calls,
    backup,
    bittorrent,
    gadgets,
    administration,
    outage,
    discovery,
    noise,
)
