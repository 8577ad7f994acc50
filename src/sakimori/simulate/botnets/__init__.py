"""Botnets to hunt: one file each. They are rows in logs; nothing here opens a connection.

To add one: write `<name>.py` with NAME, DOES, TECHNIQUE, LIVES_ON and `infect` (copy `beacon.py`)
and list it at the end of BUILTIN: its place decides which outside addresses it gets.
"""

from __future__ import annotations

from sakimori.simulate.botnets import (
    banker,
    beacon,
    brute_forcer,
    dga,
    dns_tunnel,
    fast_flux,
    fronted,
    icmp_tunnel,
    irc_scanner,
    loader,
    mover,
    office_hours,
    orders,
    p2p_clickfraud,
    rat,
    sleeper,
    spam,
    stealer,
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
    rat,
    stealer,
    sleeper,
    office_hours,
    mover,
    fronted,
    brute_forcer,
    fast_flux,
    icmp_tunnel,
    loader,
)
