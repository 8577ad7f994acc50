"""The process: sockets, the event loop, signals, an orderly end.

A restart (SIGHUP) hands its listening sockets to the program that takes its place, so what arrives
in between waits in the kernel and is answered by the new one. Beside that, sockets are opened with
SO_REUSEPORT: a second process can be started before the first is told to stop (SIGTERM). Either
way what was accepted is finished, within `drain_seconds`, and the log is closed with its count.
"""

from __future__ import annotations

import asyncio
import signal
import socket
import sys
import time
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any

from sakimori.errors import ConfigError, RefusedError
from sakimori.takedown.sinkhole.capture import Captures
from sakimori.takedown.sinkhole.http import HttpCall
from sakimori.takedown.sinkhole.station import Station
from sakimori.takedown.sinkhole.tcp import DnsCall, Listener
from sakimori.takedown.sinkhole.tls import TlsCall, context_of
from sakimori.takedown.sinkhole.udp import UdpPort

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from sakimori.takedown.sinkhole.config import Settings
    from sakimori.takedown.sinkhole.log import Journal

_BACKLOG = 1_024
_RECEIVE_BUFFER = 4 << 20
_TICK = 1.0
# What a process that only answers has no need of. Answers go out by sendto and write.
_FORBIDDEN = frozenset(
    ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "urllib.Request",
     "subprocess.Popen", "os.system", "os.posix_spawn", "os.fork", "ftplib.connect", "smtplib.connect")
)  # fmt: skip


def listed(settings: Settings) -> list[tuple[str, str, int]]:
    """Return what is listened on, as service (dns-udp, dns-tcp, http, https, tcp), address, port."""
    ports = settings.ports
    wanted: list[tuple[str, int | None]] = [
        ("dns-udp", ports.dns), ("dns-tcp", ports.dns), ("http", ports.http),
        ("https", ports.https), *(("tcp", port) for port in ports.tcp),
    ]  # fmt: skip
    return [
        (service, address, port)
        for address in settings.sinkhole.addresses
        for service, port in wanted
        if port is not None
    ]


class Sockets:
    """The sockets that are listened on; opened anew, or inherited from the process before."""

    def __init__(self, settings: Settings, inherited: Mapping[str, int] | None = None) -> None:
        """Open them. Raises ConfigError when one cannot be."""
        self.found: list[tuple[str, str, socket.socket]] = []  # key, service, socket
        left = dict(inherited or {})
        try:
            for number, (service, address, port) in enumerate(listed(settings)):
                key = f"{number}/{service}/{address}/{port}"
                if key in left:
                    sock = socket.socket(fileno=left.pop(key))
                elif service == "dns-tcp" and not port:  # the same port as over UDP
                    sock = _opened(service, address, self.found[-1][2].getsockname()[1])
                else:
                    sock = _opened(service, address, port)
                sock.setblocking(False)
                self.found.append((key, service, sock))
        except BaseException:
            self.close()
            raise
        for handle in left.values():  # a port that is no longer wanted
            socket.socket(fileno=handle).close()

    def inheritable(self) -> dict[str, int]:
        """Return the handles by key, made so that a program that takes our place has them."""
        for _, _, sock in self.found:
            sock.set_inheritable(True)
        return {key: sock.fileno() for key, _, sock in self.found}

    def close(self) -> None:
        """Close all."""
        for _, _, sock in self.found:
            sock.close()


def _opened(service: str, address: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ip_address(address).version == 6 else socket.AF_INET
    kind = socket.SOCK_DGRAM if service == "dns-udp" else socket.SOCK_STREAM
    sock = socket.socket(family, kind)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        if kind == socket.SOCK_DGRAM:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER)
        else:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((address, port))
        if kind == socket.SOCK_STREAM:
            sock.listen(_BACKLOG)
    except OSError as error:
        sock.close()
        raise ConfigError(
            f"cannot listen on {address} port {port} ({service}): {error.strerror}",
            hint="is the address this machine's, the port free, and the user allowed to"
            " (ports below 1024 need CAP_NET_BIND_SERVICE)?",
        ) from error
    return sock


class Server:
    """A running sinkhole, within an event loop."""

    def __init__(
        self,
        settings: Settings,
        key: bytes,
        journal: Journal,
        sockets: Sockets,
        state: Path,
    ) -> None:
        """Take everything that it needs; `state` is where its certificate is kept."""
        self.settings, self.sockets, self.journal = settings, sockets, journal
        self._key, self._state = key, state
        self._udp: list[tuple[UdpPort, socket.socket]] = []
        self._servers: list[tuple[asyncio.Server, Callable[[], Any], socket.socket]] = []
        self._keeper: asyncio.Task[None] | None = None
        self.station: Station
        self.ended = asyncio.Event()
        self.why = ""

    async def start(self) -> None:
        """Begin to answer."""
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(self.on_fault)
        capture = self.settings.capture
        captures = Captures(capture, self.settings.sinkhole.sensor) if capture else None
        self.station = Station(self.settings, self._key, self.journal, loop, captures)
        for _, service, sock in self.sockets.found:
            if service == "dns-udp":
                port = UdpPort(self.station, sock)
                loop.add_reader(sock.fileno(), port.on_readable)
                self._udp.append((port, sock))
                continue
            factory = self._factory(service)
            # A copy, because closing the server closes its socket, and ours may be handed on.
            server = await loop.create_server(factory, sock=sock.dup(), backlog=_BACKLOG)
            self._servers.append((server, factory, sock))
        self._keeper = asyncio.create_task(self._keep())

    @property
    def ports(self) -> dict[str, int]:
        """The port of each service that is listened on; of several, the last."""
        return {service: sock.getsockname()[1] for _, service, sock in self.sockets.found}

    @property
    def answered(self) -> int:
        """How many replies were sent."""
        return self.station.outbox.answered + sum(port.answered for port, _ in self._udp)

    def end(self, why: str) -> None:
        """Ask for the end: "stop", "restart" or "expired"."""
        self.why = self.why or why
        self.ended.set()

    def on_fault(self, _loop: Any, context: dict[str, Any]) -> None:
        """Say that a part failed, and hang up on the connection it was about; the rest goes on."""
        error = context.get("exception")
        words = f"a part failed: {context.get('message')}: {error!r}"
        self.journal.event("fault", what=words[:500])
        self.journal.on_trouble(words)
        transport = context.get("transport")
        if transport is not None:
            transport.abort()

    async def stop(self) -> None:
        """Finish what was accepted, then close the log. A restart keeps the sockets open."""
        loop = asyncio.get_running_loop()
        leaves = self.why != "restart"
        for port, sock in self._udp:
            loop.remove_reader(sock.fileno())
            if leaves:
                port.on_readable()
        for server, factory, sock in self._servers:
            server.close()
            if leaves:
                await _accept_rest(loop, factory, sock)
        if leaves:
            self.sockets.close()
        await self._drain()
        if self._keeper:
            self._keeper.cancel()
        self.station.log_excess()
        self.station.outbox.flush()
        self.journal.close(why=self.why or "stop")
        if self.station.captures:
            self.station.captures.close()

    async def _drain(self) -> None:
        until = time.monotonic() + self.settings.log.drain_seconds
        self.station.is_ending = True
        while self.station.calls and time.monotonic() < until:
            self.station.outbox.flush()
            for call in [call for call in self.station.calls if call.is_idle]:
                call.say_goodbye()
            await asyncio.sleep(0.02)
        for call in list(self.station.calls):
            call.hang_up()
        while self.station.calls:
            await asyncio.sleep(0.005)
        await asyncio.sleep(0)

    def _factory(self, service: str) -> Callable[[], asyncio.Protocol]:
        station = self.station
        if service == "https":
            context = context_of(self._state, self.settings.sinkhole)
            return lambda: TlsCall(station, context)
        kinds = {"dns-tcp": DnsCall, "http": HttpCall, "tcp": Listener}
        kind = kinds[service]
        return lambda: kind(station)

    async def _keep(self) -> None:
        """Once a second: log what was over the limits; sync; end when it expires."""
        loop = asyncio.get_running_loop()
        end, synced = self.settings.sinkhole.end, time.monotonic()
        while True:
            await asyncio.sleep(_TICK)
            self.station.log_excess()
            if time.monotonic() - synced >= self.settings.log.sync_seconds:
                synced = time.monotonic()
                await loop.run_in_executor(None, self.journal.later())
            if end and time.time() >= end.timestamp():
                self.end("expired")


async def _accept_rest(
    loop: asyncio.AbstractEventLoop, factory: Callable[[], Any], sock: socket.socket
) -> None:
    """Take the connections that the kernel had accepted for us already."""
    for _ in range(_BACKLOG):
        try:
            conn, _ = sock.accept()
        except OSError:
            return
        conn.setblocking(False)
        await loop.connect_accepted_socket(factory, conn)


def seal() -> None:
    """Make this process unable to call out or start programs, for the rest of its life.

    An audit hook refuses (RefusedError) connecting, resolving names and starting processes. It
    guards Python code; the firewall rule of the guide guards the rest.
    """
    sys.addaudithook(_refuse)


def _refuse(event: str, _args: tuple[Any, ...]) -> None:
    if event in _FORBIDDEN:
        raise RefusedError(f"a sinkhole never calls out: {event}")


def run(server: Server, on_start: Callable[[], None], may_restart: Callable[[], bool]) -> str:
    """Run until a signal or the expiry; return why it ended: stop, restart or expired.

    SIGTERM and SIGINT stop it. SIGHUP restarts it, if `may_restart` says that the new settings are
    good; else it goes on as it is.
    """

    async def main() -> str:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, server.end, "stop")
        loop.add_signal_handler(
            signal.SIGHUP, lambda: server.end("restart") if may_restart() else None
        )
        await server.start()
        on_start()
        await server.ended.wait()
        await server.stop()
        return server.why

    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        return runner.run(main())


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop]:
    try:
        import uvloop  # noqa: PLC0415 - there is none for every system
    except ImportError:
        return asyncio.new_event_loop
    made: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
    return made
