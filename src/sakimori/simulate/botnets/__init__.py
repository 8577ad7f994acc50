"""Botnets to hunt: one file each. They are rows in logs; nothing here opens a connection.

To add one: write `<name>.py` with NAME, DOES, TECHNIQUE, LIVES_ON and `infect` (copy `beacon.py`)
and list it at the end of BUILTIN: its place decides which outside addresses it gets.
"""

from __future__ import annotations

from sakimori.simulate.botnets import (
    banker,
    beacon,
    dga,
    dns_tunnel,
    irc_scanner,
    orders,
    p2p_clickfraud,
    spam,
)
from sakimori.simulate.botnets._contract import Botnet, Infection

__all__ = ["BUILTIN", "Botnet", "Infection"]

BUILTIN: tuple[Botnet, ...] = (
    spam,
    banker,
    p2p_clickfraud,
    irc_scanner,
    dns_tunnel,
    dga,
    beacon,
    orders,
)
