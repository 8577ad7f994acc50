"""Telling people: a log of JSON lines, the desktop, a webhook; none of them may hold the guard up."""

from __future__ import annotations

import json
import queue
import threading
import time
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import urlsplit

from sakimori.config import LOOPBACK
from sakimori.endpoint.run import run
from sakimori.errors import ConfigError, EngineError
from sakimori.hostile import visible

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

_TRIES = 4
_WAITING = 10_000  # notices that may wait for a channel


class Channel(Protocol):
    """One way to tell people."""

    name: str

    def tell(self, notice: Mapping[str, Any]) -> str:
        """Tell; returns "" or why it failed."""


class Log:
    """A file of JSON lines, one a notice; it is only added to."""

    name = "log"

    def __init__(self, file: Path) -> None:
        """Raises EngineError when it cannot be written."""
        self._file = file
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.open("a", encoding="utf-8").close()
        except OSError as error:
            raise EngineError(f"cannot be written: {error.strerror}", where=str(file)) from error

    def tell(self, notice: Mapping[str, Any]) -> str:
        """Add a line. Bytes of names that are no UTF-8 are written as JSON's escapes."""
        try:
            with self._file.open("a", encoding="ascii") as file:
                file.write(json.dumps(notice) + "\n")
        except OSError as error:
            return error.strerror or "cannot be written"
        return ""


class Desktop:
    """The notification area of who is logged in, through notify-send."""

    name = "desktop"

    def tell(self, notice: Mapping[str, Any]) -> str:
        """Show a notice; what attackers wrote is made visible and is no markup."""
        text = visible(str(notice["path"])).replace("&", "&amp;").replace("<", "&lt;")
        rule = visible(str(notice["rule"]), 80)
        ran = run(
            ["notify-send", "--app-name=Sakimori", "--urgency=critical", "--", f"{rule}", text],
            seconds=5,
            environment=_session(),
        )
        return "" if ran.ok else ran.reason or visible(ran.err.decode("utf-8", "replace"))


def _session() -> dict[str, str] | None:
    """Return the variables by which notify-send finds the desktop."""
    import os  # noqa: PLC0415 - only here

    names = ("PATH", "DISPLAY", "WAYLAND_DISPLAY", "XDG_RUNTIME_DIR", "DBUS_SESSION_BUS_ADDRESS")
    return {name: os.environ[name] for name in names if name in os.environ}


class Webhook:
    """A POST of the notice as JSON. Raises ConfigError for an address in clear."""

    name = "webhook"

    def __init__(self, address: str, timeout: float = 10.0) -> None:
        """Plain http is for this machine only."""
        import httpx  # noqa: PLC0415 - slow to import

        parts = urlsplit(address)
        if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in LOOPBACK):
            raise ConfigError(f"webhook {address!r} is no https:// address")
        self._address = address
        self._client = httpx.Client(timeout=timeout, follow_redirects=False)

    def tell(self, notice: Mapping[str, Any]) -> str:
        """Send it, trying again when the server is busy or away."""
        import httpx  # noqa: PLC0415

        reason = ""
        body = json.dumps(notice).encode()
        for attempt in range(_TRIES):
            time.sleep(0.0 if attempt == 0 else 0.5 * 2**attempt)
            try:
                answer = self._client.post(
                    self._address, content=body, headers={"content-type": "application/json"}
                )
            except httpx.HTTPError as error:
                reason = str(error) or type(error).__name__
                continue
            if answer.is_success:
                return ""
            reason = f"the server says {answer.status_code}"
            if answer.status_code < 500 and answer.status_code != 429:
                break
        return reason


class Teller:
    """Hands notices to channels, each in a thread of its own; says at the end what did not arrive."""

    def __init__(self, channels: Sequence[Channel]) -> None:
        """Begin with nothing to tell."""
        self._queues: list[tuple[Channel, queue.Queue[Mapping[str, Any] | None]]] = []
        self._threads: list[threading.Thread] = []
        self.failed: dict[str, tuple[int, str]] = {}  # by channel: how many, and the last reason
        self._lock = threading.Lock()
        for channel in channels:
            waiting: queue.Queue[Mapping[str, Any] | None] = queue.Queue(_WAITING)
            thread = threading.Thread(target=self._work, args=(channel, waiting), daemon=True)
            self._queues.append((channel, waiting))
            self._threads.append(thread)
            thread.start()

    def tell(self, notice: Mapping[str, Any]) -> None:
        """Hand a notice to every channel; returns at once."""
        for channel, waiting in self._queues:
            try:
                waiting.put_nowait(notice)
            except queue.Full:
                self._fail(channel, "too many notices wait")

    def close(self, seconds: float = 15.0) -> None:
        """Wait until all was told, `seconds` at most."""
        end = time.monotonic() + seconds
        for _, waiting in self._queues:
            waiting.put(None)
        for (channel, waiting), thread in zip(self._queues, self._threads, strict=True):
            thread.join(max(0.0, end - time.monotonic()))
            if thread.is_alive():
                self._fail(channel, f"{waiting.qsize()} notices were not told in time")

    def _work(self, channel: Channel, waiting: queue.Queue[Mapping[str, Any] | None]) -> None:
        while (notice := waiting.get()) is not None:
            if reason := channel.tell(notice):
                self._fail(channel, reason)

    def _fail(self, channel: Channel, reason: str) -> None:
        with self._lock:
            count, _ = self.failed.get(channel.name, (0, ""))
            self.failed[channel.name] = (count + 1, reason)
