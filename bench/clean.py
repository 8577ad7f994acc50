"""How long looking, cleaning and undoing take, and whether a kill anywhere loses anything.

python bench/clean.py [KILLS]: the demo's machine, with its hive; then KILLS runs (50) that are killed at a
random moment, are gone on with or undone, and are compared with the machine as it was.
"""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from sakimori.app import clean_history as history
from sakimori.app import machine_cleaning as cleaning
from sakimori.app.machine_demo import Planted, plant
from sakimori.endpoint.registry.edit import HiveRegistry

WINLOGON = r"SOFTWARE\Microsoft\Windows NT\CurrentVersion\Winlogon"
CHILD = """
import signal, sys
from pathlib import Path
from sakimori.app import machine_cleaning as cleaning
folder = Path(sys.argv[1])
place = cleaning.Place(root=folder / "demo/root", hives={"SOFTWARE": folder / "demo/hives/SOFTWARE"})
looked = cleaning.look(folder / "store", place, ["sakimori-test"])
begun = False
def hook(step):
    global begun
    if not begun:
        begun = True
        signal.setitimer(signal.ITIMER_REAL, float(sys.argv[2]))  # its signal ends the process
cleaning.clean(folder / "store", looked, hook=hook)
"""


def state(planted: Planted) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for path in sorted(planted.root.rglob("*")):
        info = path.lstat()
        what: Any = None
        if path.is_symlink():
            what = path.readlink()
        elif path.is_file():
            what = path.read_bytes()
        time_ = None if path.is_dir() else info.st_mtime_ns
        found[str(path)] = (info.st_mode, info.st_uid, info.st_gid, time_, what)
    registry = HiveRegistry(planted.hives, now=cleaning.now())
    for key in (WINLOGON, r"SOFTWARE\Microsoft\Windows\CurrentVersion\Run"):
        found[key] = sorted((v.name, v.type, v.data) for v in registry.values(key) or ())
    return found


def timed(folder: Path) -> None:
    planted = plant(folder / "demo")
    place = cleaning.Place(root=planted.root, hives=planted.hives)
    rows = []
    for name, work in (
        ("look", lambda: cleaning.look(folder / "store", place)),
        ("clean", lambda: cleaning.clean(folder / "store", cleaning.look(folder / "store", place))),
        ("undo", lambda: cleaning.undo(folder / "store", history.runs(folder / "store")[0].run)),
    ):
        wall, cpu = time.perf_counter(), time.process_time()
        work()
        rows.append((name, time.perf_counter() - wall, time.process_time() - cpu))
    for name, wall, cpu in rows:
        print(f"{name:8} {wall:6.2f} s wall {cpu:6.2f} CPU s")


def killed(folder: Path, delay: float, *, go_on: bool) -> tuple[bool, bool]:
    """Return whether the run was killed, and whether all was put back."""
    planted = plant(folder / "demo")
    before = state(planted)
    words = [sys.executable, "-c", CHILD, str(folder), str(delay)]
    ended = subprocess.run(words, check=False, capture_output=True).returncode
    died = ended == -signal.SIGALRM
    run = next(p.name for p in (folder / "store/clean").iterdir() if p.is_dir())
    if go_on and history.runs(folder / "store")[0].state == "half-done":
        outcomes = {o.outcome for o in cleaning.resume(folder / "store", run).outcomes}
        if outcomes != {"done"} or planted.bot.exists():
            return died, False
    undone = {u.outcome for u in cleaning.undo(folder / "store", run)}
    return died, undone <= {"undone", "already"} and state(planted) == before


def main() -> None:
    kills = int(sys.argv[1]) if len(sys.argv) > 1 else 50
    with tempfile.TemporaryDirectory() as name:
        timed(Path(name))
    chance, ends = random.Random(7), []
    while sum(died for died, _ in ends) < kills:
        with tempfile.TemporaryDirectory() as name:
            ends.append(killed(Path(name), chance.uniform(0.001, 0.5), go_on=len(ends) % 2 == 0))
    print(f"killed {kills} of {len(ends)} runs: {sum(good for _, good in ends)} put back exactly")


if __name__ == "__main__":
    main()
