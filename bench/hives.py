"""How long hives take to read whole: here, by python-registry and by regipy, where they are installed.

PYTHONPATH=src python bench/hives.py FOLDER [--regipy PYTHON]

FOLDER holds hives, as files, `.xz` or `.tar.xz`. Ours includes SDDL of every key and every value's bytes.
`--regipy` names a Python that has regipy (it may be another one); it takes a minute for a large hive.
CPU seconds; "other" counts values whose bytes differ from python-registry's.
"""

from __future__ import annotations

import io
import json
import lzma
import subprocess
import sys
import tarfile
import tempfile
import time
from pathlib import Path

from sakimori.endpoint.registry.hive import keys_of, open_bytes
from sakimori.errors import SourceError

REGIPY = """
import json, sys, time
from regipy.registry import RegistryHive
start = time.process_time()
try:
    keys = values = 0
    for key in RegistryHive(sys.argv[1]).recurse_subkeys(as_json=False):
        keys += 1
        values += len(key.values)
    print(json.dumps([keys, values, time.process_time() - start]))
except Exception as error:
    print(json.dumps([type(error).__name__, str(error)[:60], 0]))
"""


def files(folder: Path) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        name = str(path.relative_to(folder))
        if name.endswith(".tar.xz"):
            with tarfile.open(path) as tar:
                for member in tar:
                    if member.isfile() and (file := tar.extractfile(member)):
                        found[f"{name.removesuffix('.tar.xz')}/{member.name}"] = file.read()
        else:
            data = path.read_bytes()
            found[name.removesuffix(".xz")] = (
                lzma.decompress(data) if name.endswith(".xz") else data
            )
    return found


def ours(
    data: bytes, logs: list[tuple[str, bytes]]
) -> tuple[str, float, dict[tuple[str, str], bytes]]:
    start = time.process_time()
    try:
        found = keys_of(open_bytes(data, "hive", logs), "X", "hive")
    except SourceError as error:
        return f"refused: {error}", time.process_time() - start, {}
    took = time.process_time() - start
    values = {(key.path, value.name): value.data for key in found.keys for value in key.values}
    told = found.problems[0].reason if found.problems else ""
    more = f" (+{len(found.problems) - 1})" if len(found.problems) > 1 else ""
    count = sum(len(key.values) for key in found.keys)
    return f"{len(found.keys):6} {count:6} {took:6.2f}  {told[:60]}{more}", took, values


def python_registry(data: bytes) -> tuple[str, dict[tuple[str, str], bytes]]:
    from Registry import Registry

    start, keys, count = time.process_time(), 0, 0
    values: dict[tuple[str, str], bytes] = {}
    try:
        stack = [("X", Registry.Registry(io.BytesIO(data)).root())]
        while stack and keys < 200_000:
            path, key = stack.pop()
            keys += 1
            for value in key.values():
                count += 1
                name = "" if value.name() == "(default)" else value.name()
                values[path, name] = value.raw_data()
            stack += [(f"{path}\\{child.name()}", child) for child in key.subkeys()]
    except Exception as error:  # noqa: BLE001 - it raises many kinds; that is what is compared
        return f"{type(error).__name__} after {keys} keys", values
    return f"{keys:6} {count:6} {time.process_time() - start:6.2f}", values


def regipy(program: str, data: bytes) -> str:
    with tempfile.NamedTemporaryFile(suffix=".hive") as file:
        file.write(data)
        file.flush()
        try:
            ran = subprocess.run(
                [program, "-W", "ignore", "-c", REGIPY, file.name],
                capture_output=True, text=True, timeout=300, check=False,
            )  # fmt: skip
            keys, values, took = json.loads(ran.stdout.splitlines()[-1])
        except (subprocess.TimeoutExpired, IndexError, ValueError):
            return "no answer in 300 s"
    return f"{keys:>6} {values:>6} {took:6.2f}" if took else f"{keys}: {values}"


def main() -> None:
    folder = Path(sys.argv[1])
    program = sys.argv[3] if sys.argv[2:3] == ["--regipy"] else None
    found = files(folder)
    print(f"{'file':32}   keys values  CPU s  problems | python-registry | other | regipy")
    for name, data in found.items():
        stem = name.lower()
        logs = [
            (n, d)
            for n, d in found.items()
            if n.lower().startswith(f"{stem}.") and ".log" in n.lower()
        ]
        line, _, values = ours(data, logs)
        if line.startswith("refused"):
            print(f"{name[-32:]:32} {line[:120]}")
            continue
        theirs, raw = python_registry(data)
        other = sum(1 for key, value in values.items() if key in raw and raw[key] != value)
        third = regipy(program, data) if program else "-"
        print(f"{name[-32:]:32} {line:60} | {theirs:22} | {other:5} | {third}", flush=True)


if __name__ == "__main__":
    main()
