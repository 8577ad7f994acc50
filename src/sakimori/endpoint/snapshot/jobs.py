r"""Scheduled jobs: crontabs, the cron folders, anacron, at, and systemd's timers.

The key is `FILE: COMMAND`, so that a new time for the same command is a change and not another job.
Scheduled tasks of Windows are registry keys (`Schedule\TaskCache`) and files. Sources: crontab(5), anacrontab(5),
at(1), systemd.timer(5).
"""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING, Any

from sakimori.endpoint.snapshot.rows import numbered
from sakimori.endpoint.snapshot.services import directives

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sakimori.endpoint.snapshot.ground import Ground
    from sakimori.endpoint.snapshot.model import Record

_TABLES = ("/var/spool/cron/crontabs", "/var/spool/cron", "/var/spool/cron/tabs", "/etc/crontabs")
_PERIODS = ("hourly", "daily", "weekly", "monthly", "yearly")
_AT = ("/var/spool/cron/atjobs", "/var/spool/at")
_TIMERS = ("/etc/systemd/system", "/run/systemd/system", "/usr/local/lib/systemd/system",
           "/usr/lib/systemd/system", "/lib/systemd/system")  # fmt: skip
_SETTING = re.compile(r"([A-Za-z_]\w*|\"[^\"]*\"|'[^']*')\s*=\s*(.*)\Z", re.DOTALL)
Row = tuple[str, dict[str, Any]]


def collect(ground: Ground) -> Iterator[Record]:
    """Yield a record for each job."""
    found = [*_system(ground), *_personal(ground), *_folders(ground), *_anacron(ground),
             *_at(ground), *_timers(ground)]  # fmt: skip
    yield from numbered("job", found)


def _system(ground: Ground) -> Iterator[Row]:
    tables = [path for path in ground.within("job", "/etc/cron.d") if ground.is_file(path)]
    for path in ("/etc/crontab", *tables):
        for line in ground.lines("job", path):
            yield crontab(path, line, None)


def _personal(ground: Ground) -> Iterator[Row]:
    for folder in _TABLES:
        for path in ground.within("job", folder):
            if ground.is_file(path):
                for line in ground.lines("job", path):
                    yield crontab(path, line, path.rpartition("/")[2])


def crontab(path: str, line: str, user: str | None) -> Row:
    """Return a line of a crontab as a job or setting. `user` None: the line names it (system tables)."""
    setting = _SETTING.match(line)
    if setting:
        return f"{path}: {setting[1]}", {"source": path, "value": setting[2]}
    times = 1 if line.startswith("@") else 5
    parts = line.split(None, times if user is not None else times + 1)
    wanted = times + (1 if user is not None else 2)
    if len(parts) < wanted:
        return f"{path}: {line}", {"source": path, "unreadable": line}
    schedule, command = " ".join(parts[:times]), parts[-1]
    who = user if user is not None else parts[times]
    return f"{path}: {command}", {
        "source": path, "schedule": schedule, "user": who, "command": command,
    }  # fmt: skip


def _folders(ground: Ground) -> Iterator[Row]:
    for period in _PERIODS:
        for path in ground.within("job", f"/etc/cron.{period}"):
            yield from _script(ground, path, {"schedule": period, "user": "root"})
        for path in ground.within("job", f"/etc/periodic/{period}"):
            yield from _script(ground, path, {"schedule": period, "user": "root"})


def _script(ground: Ground, path: str, state: dict[str, Any]) -> Iterator[Row]:
    if path.endswith("/.placeholder") or not ground.is_file(path):
        return
    data = ground.read("job", path)
    digest = None if data is None else hashlib.sha256(data).hexdigest()
    yield path, {"source": path, **state, "sha256": digest}


def _anacron(ground: Ground) -> Iterator[Row]:
    path = "/etc/anacrontab"
    for line in ground.lines("job", path):
        setting = _SETTING.match(line)
        parts = line.split(None, 3)
        if setting or len(parts) < 4:
            value = setting[2] if setting else line
            yield f"{path}: {setting[1] if setting else line}", {"source": path, "value": value}
        else:
            yield f"{path}: {parts[3]}", {
                "source": path, "schedule": f"every {parts[0]} days, {parts[1]} minutes later",
                "user": "root", "command": parts[3], "id": parts[2],
            }  # fmt: skip


def _at(ground: Ground) -> Iterator[Row]:
    for folder in _AT:
        for path in ground.within("job", folder):
            name = path.rpartition("/")[2]
            if name.startswith("."):
                continue
            yield from _script(ground, path, {"schedule": "once", "minute": _minute(name)})


def _minute(name: str) -> int | str:
    """Return the minute since 1970 that the name of an at job tells, "" where it tells none."""
    match = re.fullmatch(r"[a-zA-Z=][0-9a-f]{5}([0-9a-f]{8})", name)
    return int(match[1], 16) if match else ""


def _timers(ground: Ground) -> Iterator[Row]:
    seen: set[str] = set()
    for folder in _TIMERS:
        for path in ground.within("job", folder):
            name = path.rpartition("/")[2]
            if not name.endswith(".timer") or name in seen:
                continue
            seen.add(name)
            text = ground.text("job", path) if ground.is_file(path) else None
            if text is not None:
                starts = directives(text).get("Unit", [name.removesuffix(".timer") + ".service"])
                schedule = {k: v for k, v in directives(text).items() if k.startswith("On")}
                yield name, {"source": path, "schedule": schedule, "starts": starts[-1]}
