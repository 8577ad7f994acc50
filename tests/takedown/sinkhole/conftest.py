from __future__ import annotations

import asyncio
import json
import socket
import threading
from typing import TYPE_CHECKING, Any, Self

import pytest

from sakimori.takedown.sinkhole.config import Settings, settings_of
from sakimori.takedown.sinkhole.log import Journal, problems
from sakimori.takedown.sinkhole.server import Server, Sockets

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

KEY = b"k" * 32
IDENTITY = {
    "operator": "Example CERT", "contact": "abuse@example.net", "zones": ["bad.example", "worse.test"],
    "answers": ["192.0.2.1", "2001:db8::1"], "sensor": "s1",
}  # fmt: skip


def merged(**sections: Any) -> Settings:
    """Settings of a test sinkhole, with sections or single values over them."""
    values: dict[str, Any] = {"sinkhole": dict(IDENTITY)}
    for name, given in sections.items():
        values[name] = {**values.get(name, {}), **given}
    return settings_of(values)


class Live:
    """A sinkhole that runs in a thread, on ports that the system chose."""

    def __init__(self, folder: Path, **sections: Any) -> None:
        ports = {"dns": 0, "http": 0, "https": 0, "tcp": [0]}
        log = {"folder": str(folder / "log"), "drain_seconds": 0.2}
        self.settings = merged(ports=ports, log=log | sections.pop("log", {}), **sections)
        self.folder = folder
        self.said: list[str] = []
        self.journal = Journal(self.settings.log.folder, self.settings.sinkhole.sensor)
        self.journal.on_trouble = self.said.append
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self.server: Server

    def __enter__(self) -> Self:
        self._thread.start()
        sockets = Sockets(self.settings)

        async def start() -> Server:
            server = Server(self.settings, KEY, self.journal, sockets, self.folder)
            await server.start()
            return server

        self.server = self.call(start())
        self.ports = self.server.ports
        return self

    def __exit__(self, *_: object) -> None:
        self.call(self.server.stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.run_until_complete(self._loop.shutdown_default_executor())
        self._loop.close()

    def call(self, awaitable: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(awaitable, self._loop).result(20)

    def do(self, what: Callable[[], Any]) -> Any:
        """Run something in the sinkhole's own thread."""

        async def inside() -> Any:
            return what()

        return self.call(inside())

    def ask(self, message: bytes, timeout: float = 5.0) -> bytes:
        """Send a datagram and return its answer; b"": none came."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.settimeout(timeout)
            sock.sendto(message, ("127.0.0.1", self.ports["dns-udp"]))
            try:
                return sock.recv(65_535)
            except TimeoutError:
                return b""

    def talk(self, service: str, data: bytes, *, end: bool = True) -> bytes:
        """Send bytes over TCP, say that this is all, and return what comes until the end."""
        with socket.create_connection(("127.0.0.1", self.ports[service]), 5) as sock:
            sock.settimeout(8)
            try:
                sock.sendall(data)
                if end:
                    sock.shutdown(socket.SHUT_WR)
                return b"".join(iter(lambda: sock.recv(65_536), b""))
            except ConnectionError:
                return b""

    def rows(self) -> list[dict[str, Any]]:
        """Every hit in the log."""
        return [row for row in self.lines() if "event" not in row]

    def lines(self) -> list[dict[str, Any]]:
        """Every line of the log."""
        paths = sorted(self.settings.log.folder.glob("*.jsonl"))
        return [json.loads(line) for path in paths for line in path.read_text().splitlines()]

    def problems(self) -> list[str]:
        return problems(self.settings.log.folder)


@pytest.fixture
def live(tmp_path: Path) -> Callable[..., Live]:
    """`live(section={...})`: a sinkhole, to be used as a context manager."""
    return lambda **sections: Live(tmp_path, **sections)


@pytest.fixture(scope="session")
def settings() -> Callable[..., Settings]:
    """`settings(section={...})`: settings of a sinkhole for bad.example and worse.test."""
    return merged
