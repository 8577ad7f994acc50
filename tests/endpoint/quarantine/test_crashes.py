"""SIGKILL at every step and at random moments: nothing is lost, and recovery ends what was begun."""

from __future__ import annotations

import os
import random
import shutil
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.endpoint.quarantine.conftest import Machine

    from sakimori.endpoint.quarantine import Quarantine

    Act = Callable[[Machine, Quarantine], object]

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
LARGE = random.Random(3).randbytes(300_000)  # two pieces


class Killer:
    """A hook that kills the process at one step."""

    def __init__(self, at: int) -> None:
        self.left = at

    def __call__(self, _step: str) -> None:
        if self.left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        self.left -= 1


def in_child(work: Callable[[], object]) -> int:
    """Run in a forked process; returns the signal that ended it, 0 when it ended by itself."""
    child = os.fork()
    if child == 0:
        _run(work)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0
    return os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0


def _run(work: Callable[[], object]) -> NoReturn:
    code = 1
    try:
        work()
        code = 0
    finally:
        os._exit(code)


# Each act with what is there before it


def take(machine: Machine, held: Quarantine) -> object:
    return machine.take(machine.files / "bad.bin", held)


def restore(machine: Machine, held: Quarantine) -> object:
    mine = next(e for e in held.entries() if e.path.endswith("bad.bin"))
    return held.restore(mine.id, now=machine.now)


def restore_over(machine: Machine, held: Quarantine) -> object:
    first = next(e for e in held.entries() if e.state == "taken")
    return held.restore(first.id, replace=True, now=machine.now)


def delete_copy(machine: Machine, held: Quarantine) -> object:
    copy = next(e for e in held.entries() if e.path.endswith("copy.bin"))
    return held.delete(copy.id, machine.now)


def alone(machine: Machine) -> None:
    machine.file(content=LARGE)


def with_copy_inside(machine: Machine) -> None:
    machine.file(content=LARGE)
    machine.take(machine.file("copy.bin", LARGE))


def inside(machine: Machine) -> None:
    machine.take(machine.file(content=LARGE))


def both_inside(machine: Machine) -> None:
    machine.take(machine.file("copy.bin", LARGE))
    machine.take(machine.file(content=LARGE))


def inside_and_another(machine: Machine) -> None:
    machine.take(machine.file(content=LARGE))
    machine.file(content=b"another")


ACTS = [
    pytest.param(take, alone, id="take"),
    pytest.param(take, with_copy_inside, id="take what is held already"),
    pytest.param(restore, inside, id="restore"),
    pytest.param(restore, both_inside, id="restore one of two"),
    pytest.param(restore_over, inside_and_another, id="restore over another"),
    pytest.param(delete_copy, both_inside, id="delete one of two"),
]


def everything(machine: Machine) -> dict[str, list[Any]]:
    """What every file is, wherever it is: by path, each whole state that is to be found."""
    found: dict[str, list[Any]] = {}
    for path in machine.files.iterdir():
        found.setdefault(path.name, []).append(machine.state_of(path))
    again = machine.home / "again"
    shutil.rmtree(again, ignore_errors=True)
    (again / "files").mkdir(parents=True)
    if machine.store.exists():
        shutil.copytree(machine.home / "store", again / "store")
    copied = type(machine)(again)
    held = copied.open()
    for number, entry in enumerate(held.entries()):
        if entry.state == "taken":
            there = copied.files / str(number)
            held.restore(entry.id, to=there, now=machine.now)
            name = Path(entry.path).name
            found.setdefault(name, []).append(machine.state_of(there))
    return {name: sorted(states, key=repr) for name, states in sorted(found.items())}


@pytest.mark.parametrize(("act", "before"), ACTS)
def test_a_kill_at_any_step_loses_nothing(
    act: Act, before: Callable[[Machine], None], in_memory: Machine, no_sync: None
) -> None:
    machine = in_memory
    before(machine)
    wanted = everything(machine)
    machine.steps.clear()
    act(machine, machine.open(machine.steps.append))
    steps = len(machine.steps)
    assert steps >= 5
    without = {n: k for n, k in wanted.items() if n != "copy.bin" or act is not delete_copy}
    for at in range(steps):
        _again(machine, before)
        assert in_child(lambda at=at: act(machine, machine.open(Killer(at)))) == signal.SIGKILL  # type: ignore[misc]
        held = machine.open()
        held.recover()
        assert held.check() == [], machine.steps[at]
        found = everything(machine)
        assert found in (wanted, without)
        assert held.recover() == []
        _again_if_rolled_back(machine, act)
        assert machine.open().check() == []


def _again(machine: Machine, before: Callable[[Machine], None]) -> None:
    shutil.rmtree(machine.home)
    machine.files.mkdir(parents=True)
    before(machine)


def _again_if_rolled_back(machine: Machine, act: Act) -> None:
    """The same act, a second time, ends well where it was rolled back."""
    held = machine.open()
    inside = [e for e in held.entries() if e.state == "taken"]
    there = (machine.files / "bad.bin").exists()
    done = there if act in (restore, restore_over) else not there
    if act is delete_copy:
        done = not any(e.path.endswith("copy.bin") for e in inside)
    if not done:
        act(machine, held)


@pytest.mark.parametrize(("act", "before"), ACTS[1:3])
def test_a_kill_in_the_recovery_itself_loses_nothing(
    act: Act, before: Callable[[Machine], None], in_memory: Machine, no_sync: None
) -> None:
    machine = in_memory
    before(machine)
    wanted = everything(machine)
    machine.steps.clear()
    act(machine, machine.open(machine.steps.append))
    kills = 0
    for at in range(3, len(machine.steps), 3):
        for then in range(0, 12, 2):
            _again(machine, before)
            in_child(lambda at=at: act(machine, machine.open(Killer(at))))  # type: ignore[misc]
            ended = in_child(lambda then=then: machine.open(Killer(then)).recover())  # type: ignore[misc]
            held = machine.open()
            held.recover()
            assert held.check() == []
            assert everything(machine) == wanted
            kills += ended == signal.SIGKILL
            if not ended:
                break
    assert kills


def test_the_next_change_ends_what_a_kill_left(in_memory: Machine) -> None:
    machine = in_memory
    path, other = machine.file(content=LARGE), machine.file("other.bin")
    machine.take(machine.file("first.bin"))
    at = machine.steps.index("moved aside")
    in_child(lambda: machine.take(path, machine.open(Killer(at))))
    assert not path.exists()
    held = machine.open()
    machine.take(other, held)
    assert [r.outcome for r in held.recovered] == ["in place"]
    assert path.read_bytes() == LARGE
    assert held.check() == []


def test_fifty_kills_at_random_moments_lose_nothing(in_memory: Machine) -> None:
    machine = in_memory
    chance = random.Random(20091125)
    files = [
        machine.file(f"{n}.bin", chance.randbytes(chance.choice([0, 9, 70_000]))) for n in range(4)
    ]
    wanted = {path.name: machine.state_of(path) for path in files}
    killed, outcomes = 0, set()
    while killed < 50:
        killed += _killed_at_work(machine, files, chance)
        held = machine.open()
        outcomes |= {done.outcome for done in held.recover()}
        inside = {Path(e.path).name for e in held.entries() if e.state == "taken"}
        there = {path.name for path in machine.files.iterdir()}
        assert inside | there == set(wanted)
        assert not inside & there
        assert {n: machine.state_of(machine.files / n) for n in there} == {
            n: wanted[n] for n in there
        }
    assert machine.open().check() == []
    assert {"in place", "still taken"} <= outcomes
    held = machine.open()
    for entry in held.entries():
        if entry.state == "taken":
            held.restore(entry.id, now=machine.now)
    assert {path.name: machine.state_of(path) for path in files} == wanted


def _killed_at_work(machine: Machine, files: list[Path], chance: random.Random) -> bool:
    """Kill a child some steps and an instant after it began, however busy this machine is."""
    reads, writes = os.pipe()
    child = os.fork()
    if child == 0:
        _run(lambda: _to_and_fro(machine, files, lambda _step: _told(writes)))
    os.close(writes)
    for _ in range(chance.randrange(1, 40)):
        os.read(reads, 1)
    time.sleep(chance.random() * 0.001)
    os.kill(child, signal.SIGKILL)
    os.close(reads)
    return os.WIFSIGNALED(os.waitpid(child, 0)[1])


def _to_and_fro(machine: Machine, files: list[Path], hook: Callable[[str], None]) -> None:
    held = machine.open(hook)
    while True:
        for entry in held.entries():
            if entry.state == "taken":
                held.restore(entry.id, now=machine.now)
        for path in files:
            if path.exists():
                machine.take(path, held)


def _told(writes: int) -> None:
    os.write(writes, b".")
