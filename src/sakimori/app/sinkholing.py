"""Running a sinkhole: its settings, what is proposed, what it still needs, and the deed.

Nothing is bound before a named person approved it; what anybody can reach also needs the authority
that it rests on.
"""

from __future__ import annotations

import json
import os
import pwd
import resource
import signal
import sys
import tomllib
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from sakimori.errors import ConfigError, RefusedError, SakimoriError, StateError
from sakimori.takedown.sinkhole import clock, servers
from sakimori.takedown.sinkhole.config import settings_of
from sakimori.takedown.sinkhole.log import Journal, problems
from sakimori.takedown.sinkhole.secret import key_of
from sakimori.takedown.sinkhole.server import Server, Sockets, listed, run, seal
from sakimori.takedown.sinkhole.tls import context_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from sakimori.takedown.sinkhole.config import Settings

SCHEMA_VERSION = 1
KEY_FILE = "secret.key"
_OTHER_FILES = 100  # that are no connections
_INHERITED = "SINKHOLE_SOCKETS"  # not SAKIMORI_: it is no setting, but our own word to ourselves
# What can be sent, by the names that the log uses; `takedown.sinkhole.replies` makes them.
REPLIES = (
    "dns-answer", "dns-nodata", "dns-truncated", "dns-refused", "dns-formerr", "dns-notimp",
    "http-page", "http-page-head", "http-404", "http-404-head", "http-204", "http-400",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Ended:
    """How a run ended, and how many hits it answered, wrote, and could not write."""

    why: str
    answered: int
    logged: int
    missed: int


def load(file: Path | None, given: Mapping[str, Mapping[str, Any]] | None = None) -> Settings:
    """Return settings from a TOML file, with values by section over them. Raises ConfigError."""
    values: dict[str, Any] = {}
    if file is not None:
        try:
            values = tomllib.loads(file.read_text("utf-8"))
        except OSError as error:
            raise ConfigError(error.strerror or "cannot be read", where=str(file)) from error
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise ConfigError(f"not valid TOML: {error}", where=str(file)) from error
    for section, some in (given or {}).items():
        if not isinstance(values.get(section, {}), dict):
            raise ConfigError(f"{section} is no section", where=str(file))
        told = {name: value for name, value in some.items() if value not in (None, [], ())}
        if told:
            values[section] = {**values.get(section, {}), **told}
    return settings_of(values, str(file) if file else "options")


def needs(settings: Settings, *, public: bool, now: datetime) -> list[str]:
    """Return what still lacks before it may run; nothing: it may."""
    who = settings.sinkhole
    listens = listed(settings)
    found = [
        ("a port to listen on", not listens),
        ("names to answer for (zones)", not who.zones and any("dns" in s for s, _, _ in listens)),
        ("who operates it (operator)", not who.operator.strip()),
        ("whom to write to (contact)", not who.contact),
        ("a person who approves it (approved_by)", not who.approved_by.strip()),
        ("an end that is still to come (expires)", bool(who.end and who.end <= now)),
        ("your word that others may reach it (--public)", who.is_public and not public),
        ("the authority it rests on", who.is_public and not who.authority.strip()),
        ("an end (expires)", who.is_public and not who.end),
    ]
    return [words for words, lacks in found if lacks]


def proposal(settings: Settings, *, public: bool, now: datetime | None = None) -> dict[str, Any]:
    """Return what would be run, as plain JSON values: see schemas/sinkhole.schema.json."""
    who, capture = settings.sinkhole, settings.capture
    return {
        "schema": SCHEMA_VERSION,
        "sensor": who.sensor,
        "listens": [{"service": s, "address": a, "port": p} for s, a, p in listed(settings)],
        "zones": list(who.zones),
        "answers": [str(a) for a in (who.ipv4, who.ipv6) if a],
        "replies": list(REPLIES),
        "calls_out": False,
        "operator": who.operator,
        "contact": who.contact,
        "authority": who.authority,
        "approved_by": who.approved_by,
        "expires": who.end.isoformat().replace("+00:00", "Z") if who.end else None,
        "public": who.is_public,
        "log": str(settings.log.folder),
        "keeps_whole_addresses": not settings.privacy.truncate,
        "capture": {"reason": capture.reason, "until": capture.until} if capture else None,
        "undo": "stop the process (SIGTERM), then point the names elsewhere before they lapse",
        "needs": needs(settings, public=public, now=now or datetime.now(UTC)),
    }


def sink(
    load_settings: Callable[[], Settings],
    state: Path | None,
    *,
    public: bool,
    say: Callable[[str], None],
) -> Ended:
    """Run until it is told to stop, or expires. SIGHUP loads the settings anew and never returns.

    `state` keeps the key of the hashes and the certificate; None: a hidden folder in the log's.
    Raises RefusedError when something is lacking, ConfigError when a port cannot be opened.
    """
    settings = load_settings()
    lacking = needs(settings, public=public, now=datetime.now(UTC))
    if lacking:
        raise RefusedError(f"not run: it needs {'; '.join(lacking)}")
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # until it can be heeded; else it would kill
    sockets = Sockets(settings, _inherited())
    try:
        _become(settings.sinkhole.run_as)
        _raise_files(settings.limits.connections, say)
        home = state or settings.log.folder / ".state"
        key = key_of(home / KEY_FILE)
        journal = _journal(settings, say)
    except BaseException:
        sockets.close()
        raise
    server = Server(settings, key, journal, sockets, home)
    seal()

    def may_restart() -> bool:
        try:
            fresh = load_settings()
            lacks = needs(fresh, public=public, now=datetime.now(UTC))
        except SakimoriError as error:
            lacks = [str(error)]
        if lacks:
            say(f"not restarted, the old settings stay: {'; '.join(lacks)}")
            journal.event("not-restarted", why=lacks)
        return not lacks

    why = run(server, lambda: _started(server, say), may_restart)
    if why == "restart":
        _again(sockets)
    return Ended(why, server.answered, journal.lines, journal.missed)


def server_files(
    server: str, settings: Settings, folder: Path
) -> tuple[dict[str, str], tuple[str, ...]]:
    """Return the files of another server's configuration, and what it cannot do. See `servers`."""
    return servers.configuration(server, settings, folder), servers.LIMITS[server]


def certificate(settings: Settings, folder: Path) -> Path:
    """Make the sinkhole's own certificate in a folder, if it has none, for a server to use."""
    context_of(folder, settings.sinkhole)
    return folder / "sinkhole.pem"


def write_files(folder: Path, files: Mapping[str, str]) -> list[Path]:
    """Write files into a folder, each aside and then renamed. Raises StateError."""
    written = []
    for name, text in files.items():
        path, aside = folder / name, folder / f".{name}.new"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            aside.write_text(text, "utf-8")
            aside.replace(path)
        except OSError as error:
            raise StateError(error.strerror or "cannot be written", where=str(path)) from error
        written.append(path)
    return written


def check(folder: Path) -> list[str]:
    """Return what is wrong with a sinkhole's log. Raises SourceError where there is none."""
    return problems(folder)


def _journal(settings: Settings, say: Callable[[str], None]) -> Journal:
    log, who = settings.log, settings.sinkhole
    journal = Journal(
        log.folder,
        who.sensor,
        rotate_bytes=int(log.rotate_mb * 1e6),
        rotate_seconds=log.rotate_seconds,
    )
    journal.on_trouble = say
    journal.event(
        "authority", operator=who.operator, approved_by=who.approved_by, authority=who.authority,
        expires=who.expires, zones=who.zones, clock=clock.state(),
    )  # fmt: skip
    return journal


def _started(server: Server, say: Callable[[str], None]) -> None:
    for (_, service, sock), (_, address, _) in zip(
        server.sockets.found, listed(server.settings), strict=True
    ):
        say(f"listening: {service} on {address} port {sock.getsockname()[1]}")


def _inherited() -> dict[str, int]:
    """Return the sockets that the process before left us."""
    told = os.environ.pop(_INHERITED, "")
    try:
        found = json.loads(told) if told else {}
    except ValueError:
        return {}
    return {str(key): int(handle) for key, handle in found.items()}


def _again(sockets: Sockets) -> None:
    """Become a fresh process of the same command, with the sockets open all the while."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # this lasts into the fresh process
    told = os.environ | {_INHERITED: json.dumps(sockets.inheritable())}
    os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], told)  # noqa: S606 - ourselves


def _become(user: str) -> None:
    """Give up root for a user once the ports are open. Raises ConfigError."""
    if not user or os.geteuid() != 0:
        return
    try:
        found = pwd.getpwnam(user)
    except KeyError as error:
        raise ConfigError(f"no user is named {user!r}", hint="run_as in [sinkhole]") from error
    os.setgroups([])
    os.setgid(found.pw_gid)
    os.setuid(found.pw_uid)


def _raise_files(connections: int, say: Callable[[str], None]) -> None:
    """Allow as many open files as the system does: each connection is one."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    if 0 <= most < connections + _OTHER_FILES:
        say(f"only {most} files may be open, too few for {connections} connections: see ulimit -n")
