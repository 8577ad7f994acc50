"""Kernel modules that are loaded, with their parameters and what taints the kernel.

Source: Linux `Documentation/admin-guide/tainted-kernels.rst`, `proc(5)`, `/sys/module`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from sakimori.endpoint.snapshot.model import Record

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sakimori.endpoint.snapshot.ground import Ground

_SIGNED = b"~Module signature appended~\n"
_TAINTS = {
    "P": "proprietary", "O": "from outside the kernel's tree", "F": "loaded by force",
    "C": "staging", "E": "unsigned", "X": "auxiliary", "N": "test",
}  # fmt: skip


def collect(ground: Ground) -> Iterator[Record]:
    """Yield a record for each loaded module and one, `(kernel)`, for the kernel that runs."""
    for path in ("/proc/sys/kernel/osrelease", "/proc/modules"):
        if not ground.has(path):
            ground.miss("module", "", f"there is no {path}")
            return
    release = (ground.text("module", "/proc/sys/kernel/osrelease") or "").strip()
    taint = (ground.text("module", "/proc/sys/kernel/tainted") or "").strip()
    command = (ground.text("module", "/proc/cmdline") or "").strip()
    yield Record(
        "module", "(kernel)", None, {"release": release, "tainted": taint, "command_line": command}
    )
    files = _files(ground, release)
    for line in sorted(ground.lines("module", "/proc/modules")):
        parts = line.split()
        if len(parts) >= 6:
            yield Record("module", parts[0], None, _state(ground, parts, files))


def _files(ground: Ground, release: str) -> dict[str, str]:
    """Return modules' files by name, as depmod listed them."""
    base = f"/lib/modules/{release}"
    paths = [line.partition(":")[0] for line in ground.lines("module", f"{base}/modules.dep")]
    return {_name(path): f"{base}/{path}" for path in paths}


def _name(path: str) -> str:
    return path.rpartition("/")[2].partition(".ko")[0].replace("-", "_")


def _state(ground: Ground, parts: list[str], files: dict[str, str]) -> dict[str, Any]:
    name = parts[0]
    state: dict[str, Any] = {"size": int(parts[1]) if parts[1].isdecimal() else parts[1]}
    flags = re.fullmatch(r"\(([A-Z+-]+)\)", parts[-1])
    if flags:
        state["taints"] = [_TAINTS.get(flag, flag) for flag in flags[1]]
    for item in ("version", "srcversion"):
        text = _small(ground, f"/sys/module/{name}/{item}")
        if text is not None:
            state[item] = text
    state["parameters"] = _parameters(ground, name)
    path = files.get(name)
    if path is not None:
        state["source"] = path
        data = ground.read("module", path) if path.endswith(".ko") else None
        if data is not None:
            state["signed"] = data.endswith(_SIGNED)
    return state


def _parameters(ground: Ground, name: str) -> dict[str, str]:
    found = {}
    for path in ground.within("module", f"/sys/module/{name}/parameters"):
        text = _small(ground, path)
        if text is not None:
            found[path.rpartition("/")[2]] = text
    return found


def _small(ground: Ground, path: str) -> str | None:
    """Return a short text of /sys; None where there is none or only root may read it: that is usual."""
    before = len(ground.gaps)
    text = ground.text("module", path) if ground.is_file(path) else None
    del ground.gaps[before:]
    return None if text is None else text.strip()[:500]
