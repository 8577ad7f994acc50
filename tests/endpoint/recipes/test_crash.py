"""A run that is killed anywhere can be gone on with, or undone: nothing is lost, nothing done twice."""

from __future__ import annotations

import os
import signal
import subprocess  # noqa: TID251 - a process that is killed for real
import sys
from itertools import count
from typing import Any

import pytest

ITEMS = r"""
- {file: /opt/badthing, contains: MARKER-of-it, source: s}
- {service: bad.service, contains: /opt/badthing, source: s}
- {job: cron, contains: /opt/badthing, source: s}
- {hosts: [evil.example], source: s}
- registry: SOFTWARE\Microsoft\Windows NT\CurrentVersion\Winlogon
  name: Shell
  bad: {contains: bad.exe}
  good: [explorer.exe]
  source: s
- {registry: 'SOFTWARE\A\B\C', delete-key: true, always-bad: true, source: s}
"""

STEPS = 41  # one more than a run has; undoing has a few more


class Pending:
    """A registry as hives are: changes last only when they are saved."""

    def __init__(self, kept: Any) -> None:
        from copy import deepcopy  # noqa: PLC0415 - only here

        self.kept = kept
        self.copy = deepcopy(kept)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.copy, name)

    def save(self) -> None:
        self.kept.__dict__.update(self.copy.__dict__)


def furnish(box: Any) -> None:
    box.put("/opt/badthing", "has the MARKER-of-it", mode=0o755)
    box.put("/etc/systemd/system/bad.service", "[Service]\nExecStart=/opt/badthing\n")
    box.link("/etc/systemd/system/multi-user.target.wants/bad.service", "../bad.service")
    box.put("/etc/crontab", "1 1 * * * root true\n* * * * * root /opt/badthing\n")
    box.put("/etc/hosts", "192.0.2.2 evil.example\n127.0.0.1 localhost\n192.0.2.1 evil.example\n")
    box.value(r"SOFTWARE\Microsoft\Windows NT\CurrentVersion\Winlogon", "Shell", "bad.exe")
    box.value(r"SOFTWARE\A\B\C", "P", "x")
    box.value(r"SOFTWARE\A\B\C\D", "", b"\1", 3)


def pending(box: Any) -> None:
    """Open the registry anew, as another process would."""
    kept = box.registry.kept if isinstance(box.registry, Pending) else box.registry
    box.registry = Pending(kept)


def until(killed: type[BaseException], number: int) -> Any:
    steps = count(1)

    def hook(step: str) -> None:
        if next(steps) == number:
            raise killed(step)

    return hook


def killed_at(box: Any, killed: type[BaseException], number: int, work: Any) -> bool:
    """Do `work`, killed at a step; gives whether it came that far. The registry is opened anew."""
    box.hook = until(killed, number)
    try:
        work()
    except killed:
        return True
    finally:
        box.hook = lambda _step: None
        pending(box)
    return False


def state(box: Any) -> Any:
    kept, box.registry = box.registry, box.registry.kept
    found = box.state()
    box.registry = kept
    return found


@pytest.mark.parametrize("number", range(1, STEPS, 4))
def test_a_run_that_is_killed_at_a_step_is_undone_exactly(
    box: Any, killed: type[BaseException], number: int
) -> None:
    _killed(box, killed, number, resume=False)


@pytest.mark.parametrize("number", range(3, STEPS, 4))
def test_a_run_that_is_killed_at_a_step_goes_on_and_is_undone(
    box: Any, killed: type[BaseException], number: int
) -> None:
    _killed(box, killed, number, resume=True)


def _killed(box: Any, killed: type[BaseException], number: int, *, resume: bool) -> None:
    furnish(box)
    pending(box)
    before = state(box)
    box.plan(box.find(ITEMS))
    assert killed_at(box, killed, number, box.act)
    if resume:
        outcomes = box.act()
        assert [o.outcome for o in outcomes] == ["done"] * 7, [o.reason for o in outcomes]
        pending(box)
        assert not box.find(ITEMS).findings
        assert not (box.root / "opt/badthing").exists()
    undone = box.undo()
    assert {u.outcome for u in undone} <= {"undone", "already"}, [
        (u.where, u.reason) for u in undone
    ]
    pending(box)
    assert state(box) == before


@pytest.mark.parametrize("number", range(2, STEPS, 6))
def test_undoing_that_is_killed_at_any_step_can_be_repeated(
    box: Any, killed: type[BaseException], number: int
) -> None:
    furnish(box)
    pending(box)
    before = state(box)
    box.clean(ITEMS)
    pending(box)
    assert killed_at(box, killed, number, box.undo)
    undone = box.undo()
    assert {u.outcome for u in undone} <= {"undone", "already"}, [u.reason for u in undone]
    pending(box)
    assert state(box) == before


def test_a_run_is_not_gone_on_with_while_it_is_being_undone(
    box: Any, killed: type[BaseException]
) -> None:
    furnish(box)
    pending(box)
    box.clean(ITEMS)
    pending(box)
    assert killed_at(box, killed, 9, box.undo)
    with pytest.raises(Exception, match="is being undone"):
        box.act()


def test_a_journal_line_that_was_cut_short_counts_as_not_written(box: Any) -> None:
    furnish(box)
    pending(box)
    before = state(box)
    box.clean(ITEMS)
    pending(box)
    path = box.journal.folder / "journal.jsonl"
    path.write_bytes(path.read_bytes()[:-30])
    assert box.journal.progress().state == "half-done"
    box.undo()
    pending(box)
    assert state(box) == before
    assert box.journal.progress().state == "undone"


CHILD = """
import os, sys
from pathlib import Path
from datetime import datetime, UTC
from sakimori.endpoint.quarantine import Quarantine
from sakimori.endpoint.recipes import Cleaner, Journal, System, Tree
folder, number = Path(sys.argv[1]), int(sys.argv[2])
seen = 0
def hook(step):
    global seen
    seen += 1
    if seen == number:
        os.kill(os.getpid(), 9)
system = System(Tree(folder / "root", hook))
keeper = Quarantine(folder / "quarantine", b"k" * 32, hook)
Cleaner(system, keeper, hook).carry_out(Journal(folder / "clean" / sys.argv[3]), datetime.now(UTC))
"""


@pytest.mark.skipif(os.name == "nt", reason="needs SIGKILL")
@pytest.mark.parametrize("number", [17])
def test_a_process_that_is_killed_for_real_leaves_a_run_that_is_undone(
    box: Any, number: int
) -> None:
    furnish(box)
    box.registry = None
    before = box.state()
    box.plan(box.find(ITEMS))
    words = [sys.executable, "-c", CHILD, str(box.folder), str(number), box.journal.folder.name]
    done = subprocess.run(words, check=False, timeout=60)  # noqa: S603 - our own program
    assert done.returncode == -signal.SIGKILL
    box.undo()
    assert box.state() == before
