"""How fast the whole way is, from raw logs to verdicts, against the floor.

    python bench/speed.py [DIR]
    python bench/speed.py --sizes 1,5,25,50

DIR holds Zeek TSV logs such as `amplify.py` writes; without it they are made in a temporary folder.
With --sizes (millions of records; 50 need 20 GB of disk for a while) one run of each size is shown,
so that growth can be seen: work per record must stay flat and memory bounded.
The floor is DuckDB, in the same run and with the same threads, parsing the same files into typed
columns and counting the values, and nothing else. Each measured run is its own process, so that
its peak memory is its own.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SHARED = Path(__file__).resolve().parents[2] / "shared/data/network"
KINDS = {"time": "DOUBLE", "interval": "DOUBLE", "count": "BIGINT", "port": "BIGINT",
         "bool": "VARCHAR"}  # fmt: skip


def floor(folder: Path) -> dict[str, float]:
    """Parse every column to its type and count its values: the least that reading costs."""
    import duckdb

    con = duckdb.connect(config={"memory_limit": "1GB", "preserve_insertion_order": False})
    begun, rows = time.perf_counter(), 0
    for log in sorted(folder.glob("*.log")):
        with log.open() as lines:
            head = [line.rstrip("\n").split("\t") for line, _ in zip(lines, range(8), strict=False)]
        fields = next(line[1:] for line in head if line[0] == "#fields")
        types = next(line[1:] for line in head if line[0] == "#types")
        columns = {f: KINDS.get(t, "VARCHAR") for f, t in zip(fields, types, strict=True)}
        counts = ", ".join(f'count("{f}")' for f in fields)
        found = con.execute(
            f"SELECT count(*), {counts} FROM read_csv(?, delim='\t', header=false, quote='',"
            " escape='', comment='#', nullstr='-', columns=?, auto_detect=false)",
            [str(log), columns],
        ).fetchone()
        rows += found[0]
    return {"seconds": time.perf_counter() - begun, "rows": rows, **usage()}


def whole(folder: Path) -> dict[str, float]:
    """Import and hunt, as the command does."""
    begun = time.perf_counter()
    import sakimori

    with sakimori.open() as workspace:
        outcomes = workspace.import_([str(folder)])
        imported = time.perf_counter()
        report = workspace.hunt()
        done = time.perf_counter()
    stages = {f"  {c.detector}": c.seconds for c in report.coverage if c.ran}
    rows = sum(sum(o.added.values()) for o in outcomes)
    return {"seconds": done - begun, "rows": rows, "import": imported - begun,
            "hunt": done - imported, **stages, **usage()}  # fmt: skip


def usage() -> dict[str, float]:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return {"cpu": used.ru_utime + used.ru_stime, "peak MB": used.ru_maxrss / 1024}


def measured(what: str, folder: Path) -> dict[str, float]:
    done = subprocess.run(
        [sys.executable, __file__, f"--{what}", str(folder)],
        check=True,
        capture_output=True,
        text=True,
    )
    return dict(json.loads(done.stdout.splitlines()[-1]))


def help_seconds() -> float:
    times = []
    for _ in range(5):
        begun = time.perf_counter()
        subprocess.run(
            [sys.executable, "-m", "sakimori", "--help"], check=True, capture_output=True
        )
        times.append(time.perf_counter() - begun)
    return sorted(times)[2]


def made(folder: Path, millions: float) -> None:
    """Write about so many million records of Zeek logs."""
    if not (SHARED / "amplify.py").exists():
        sys.exit(f"nothing at {SHARED}: name a folder of Zeek logs")
    print(f"making {millions:g} M records ...", file=sys.stderr)
    copies = [max(1, round(n * millions / 5.25)) for n in (300, 60, 2)]
    subprocess.run(
        [sys.executable, str(SHARED / "amplify.py"), str(folder), *map(str, copies)],
        check=True,
        capture_output=True,
    )


def growth(sizes: list[float]) -> None:
    """Print one line a size."""
    print(f"{'records':>12}{'seconds':>9}{'import':>8}{'hunt':>8}{'records/s':>11}{'us/rec':>8}"
          f"{'peak MB':>9}  slowest detectors, s")  # fmt: skip
    for millions in sizes:
        with tempfile.TemporaryDirectory() as folder:
            made(Path(folder), millions)
            run = measured("whole", Path(folder))
        stages = sorted(
            ((v, k.strip()) for k, v in run.items() if k.startswith("  ")), reverse=True
        )
        slow = ", ".join(f"{name} {seconds:.1f}" for seconds, name in stages[:5])
        rate = run["rows"] / run["seconds"]
        print(f"{run['rows']:12,.0f}{run['seconds']:9.1f}{run['import']:8.1f}{run['hunt']:8.1f}"
              f"{rate:11,.0f}{1e6 / rate:8.2f}{run['peak MB']:9,.0f}  {slow}", flush=True)  # fmt: skip


def main() -> None:
    if sys.argv[1:2] == ["--sizes"]:
        growth([float(size) for size in sys.argv[2].split(",")])
        return
    if len(sys.argv) > 2 and sys.argv[1] in ("--floor", "--whole"):
        print(json.dumps((floor if sys.argv[1] == "--floor" else whole)(Path(sys.argv[2]))))
        return
    with tempfile.TemporaryDirectory() as aside:
        folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(aside)
        if len(sys.argv) == 1:
            made(folder, 5.25)
        rounds = [(measured("floor", folder), measured("whole", folder)) for _ in range(3)]
    rounds.sort(key=lambda pair: pair[1]["seconds"] / pair[0]["seconds"])
    low, mine = rounds[1]
    print(f"{'':16}{'floor':>12}{'whole hunt':>12}")
    for key in ("rows", "seconds", "cpu", "peak MB"):
        print(f"{key:16}{low[key]:12,.1f}{mine[key]:12,.1f}")
    print(
        f"{'records/s':16}{low['rows'] / low['seconds']:12,.0f}{mine['rows'] / mine['seconds']:12,.0f}"
    )
    print(
        "ratio of times  "
        + " ".join(f"{b['seconds'] / a['seconds']:.2f}" for a, b in rounds)
        + "  (three rounds; the middle one is shown)"
    )
    print(
        "stages, s       "
        + ", ".join(
            f"{k.strip()} {v:.1f}"
            for k, v in mine.items()
            if k in ("import", "hunt") or k.startswith("  ")
        )
    )
    print(f"sakimori --help {help_seconds():.2f} s")


if __name__ == "__main__":
    main()
