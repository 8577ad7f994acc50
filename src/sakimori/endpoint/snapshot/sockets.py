"""Listening sockets of the live machine and the programs behind them."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Any

from sakimori.endpoint.snapshot.model import Record

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sakimori.endpoint.snapshot.ground import Ground


def collect(ground: Ground) -> Iterator[Record]:
    """Yield a record for each local address that takes calls: `tcp 0.0.0.0:22`, `udp [::]:123`.

    `programs` are the distinct [name, path] of the processes behind it; None where the system does not
    tell (other users' processes, without root). UDP counts as listening where it has no peer.
    """
    import psutil  # noqa: PLC0415 - slow to import

    try:
        found = psutil.net_connections("inet")
    except (psutil.Error, OSError) as error:
        ground.miss("socket", "", str(error) or "not allowed")
        return
    held: dict[str, set[int | None]] = {}
    for one in found:
        tcp = one.type == socket.SOCK_STREAM
        if one.laddr and not one.raddr and (one.status == psutil.CONN_LISTEN or not tcp):
            address = f"[{one.laddr.ip}]" if ":" in one.laddr.ip else one.laddr.ip
            key = f"{'tcp' if tcp else 'udp'} {address}:{one.laddr.port}"
            held.setdefault(key, set()).add(one.pid)
    for key, pids in sorted(held.items()):
        yield Record("socket", key, None, _state(ground, key, pids))


def _state(ground: Ground, key: str, pids: set[int | None]) -> dict[str, Any]:
    protocol, _, rest = key.partition(" ")
    address, _, port = rest.rpartition(":")
    programs: list[list[str]] | None = None
    if None in pids:
        ground.miss("socket", key, "the program behind it is not told")
    else:
        distinct = {_program(pid) for pid in pids if pid is not None}
        programs = [list(one) for one in sorted(distinct)]
    return {"protocol": protocol, "address": address, "port": int(port), "programs": programs}


def _program(pid: int) -> tuple[str, str]:
    import psutil  # noqa: PLC0415 - slow to import

    try:
        process = psutil.Process(pid)
        name = process.name()
    except (psutil.Error, OSError):
        return "", ""
    try:
        return name, process.exe()
    except (psutil.Error, OSError):
        return name, ""
