from __future__ import annotations

import os
import shutil
import subprocess  # noqa: TID251 - programs to be stopped
import sys
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from sakimori.endpoint.recipes.processes import LinuxProcesses, OtherProcesses, Process

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
STUBBORN = "trap '' TERM; while :; do sleep 0.1; done"


@pytest.fixture
def program(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run a copy of sleep of our own."""
    copy = tmp_path / "badthing"
    shutil.copy("/bin/sleep", copy)
    started = subprocess.Popen([str(copy), "60"])  # noqa: S603 - our own program
    yield started
    started.kill()
    started.wait()


def found(pid: int) -> Process | None:
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        one = next((p for p in LinuxProcesses().all() if p.pid == pid), None)
        if one is not None and "python" not in one.exe:
            return one
        time.sleep(0.02)
    return None


def test_a_program_is_seen_and_ended(program: subprocess.Popen[bytes], tmp_path: Path) -> None:
    one = found(program.pid)
    assert one is not None
    assert (one.exe, one.command[1], one.deleted) == (str(tmp_path / "badthing"), "60", False)
    info = (tmp_path / "badthing").stat()
    assert one.inode == (info.st_dev, info.st_ino)
    assert LinuxProcesses().stop(one) == ""
    assert program.wait(5) < 0
    assert LinuxProcesses().stop(one) == "", "what is gone is gone"


def test_a_program_whose_file_is_gone_is_seen_as_such(
    program: subprocess.Popen[bytes], tmp_path: Path
) -> None:
    assert found(program.pid) is not None
    (tmp_path / "badthing").unlink()
    one = found(program.pid)
    assert one is not None
    assert one.deleted
    assert one.exe == str(tmp_path / "badthing")


def test_another_program_with_the_same_number_is_left_alone(
    program: subprocess.Popen[bytes],
) -> None:
    one = found(program.pid)
    assert one is not None
    assert "another program" in LinuxProcesses().stop(replace(one, start="1"))
    assert program.poll() is None


def test_this_program_and_those_above_it_are_not_seen() -> None:
    seen = {p.pid for p in LinuxProcesses().all()}
    assert not seen & {1, os.getpid(), os.getppid()}


def test_a_program_that_does_not_listen_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sakimori.endpoint.recipes.processes._PATIENCE", 0.3)
    started = subprocess.Popen(["/bin/sh", "-c", STUBBORN])  # noqa: S603 - our own program
    try:
        time.sleep(0.3)
        one = found(started.pid)
        assert one is not None
        assert LinuxProcesses().stop(one) == ""
        assert started.wait(5) == -9
    finally:
        started.kill()


def test_programs_are_seen_and_ended_without_proc_too(
    program: subprocess.Popen[bytes], tmp_path: Path
) -> None:
    assert found(program.pid) is not None
    one = next(p for p in OtherProcesses().all() if p.pid == program.pid)
    assert one.exe == str(tmp_path / "badthing")
    assert "another program" in OtherProcesses().stop(replace(one, start="1.0"))
    assert OtherProcesses().stop(one) == ""
    program.wait(5)


def test_a_running_program_of_a_bad_file_is_stopped_for_real(
    box: Any, program: subprocess.Popen[bytes], tmp_path: Path
) -> None:
    """The live machine's root, but only this folder's file can match."""
    from sakimori.endpoint.recipes import Tree, find  # noqa: PLC0415
    from sakimori.endpoint.recipes.system import System  # noqa: PLC0415

    assert found(program.pid) is not None
    items = f"- {{process: {tmp_path}/badthing, command: badthing, source: s}}"
    system = System(Tree(tmp_path.__class__("/")), processes=LinuxProcesses())
    seen = find([box.recipe(items)], system)
    assert [f.where for f in seen.findings] == [f"{program.pid} {tmp_path}/badthing"]
    box.plan(seen)
    box.parts["processes"] = LinuxProcesses()
    assert [o.outcome for o in box.act()] == ["done"]
    assert program.wait(5) < 0


def test_who_is_not_root_is_told_that_others_are_not_seen(
    box: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    box.parts["processes"] = LinuxProcesses()
    found = box.find("- {process: no-such-badthing, always-bad: true, source: s}")
    assert [u.reason for u in found.unseen] == [
        "other people's programs are not looked at: run it as root"
    ]
