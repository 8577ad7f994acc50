"""How well beacons are ranked on a day made up for it, beside RITA's formula on the same day.

    python bench/beacon.py [--seed N ...] [--rows 1000000] [--keep DIR]

A day of about `--rows` connections of 666 hosts to a few thousand places is made from the seed,
written as a Zeek conn.log, imported, and the beacon detector runs on it alone. In it are 87 calls
home in the classes below, about 1,500 pairs of benign timers, 37 of them vendors' agents of one
host each that nothing in a flow tells from a call home, and browsing. RITA's formula is restated
here from its description (RITA v5: timestamps, sizes, histogram, hours; threat points; prevalence
modifier) and ranks the same pairs of host and address.

Made-up days flatter whoever makes them: they compare two ways of counting, and say little about
how either does on a real network. The detector was tuned on seeds 1 to 3 and 101 to 103;
report others (the default is 201 to 203).
"""

from __future__ import annotations

import argparse
import math
import sys
import tempfile
import time
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

import sakimori
from sakimori import detectors
from sakimori.detectors import beacon

HOSTS = 666
DAY = 86_400.0
BEGIN = 1_760_918_400.0  # 2025-10-20T00:00:00Z
CUTS = (50, 100, 150, 200, 500)
STEADY, JITTERS = (30, 60, 120, 300, 900, 3600), (0.0, 0.1, 0.2, 0.3, 0.5)
Numbers = Any  # a numpy array


@dataclass
class Day:
    """Connections as they are made; `truth` names the class of each planted pair."""

    rng: np.random.Generator
    parts: list[dict[str, Any]] = field(default_factory=list)
    truth: dict[tuple[str, str], str] = field(default_factory=dict)
    rows: int = 0

    def add(self, host: int, peer: str, times: Numbers, **more: Any) -> None:
        """Add connections of a host to an address; `more` are other columns' values."""
        times = times[(times >= 0) & (times < DAY)]
        columns = {"proto": "tcp", "port": 443, "state": "SF", "size": 0, **more}
        self.parts.append({"host": address_of(host), "peer": peer, "times": times, **columns})
        self.rows += len(times)


def address_of(host: int) -> str:
    return f"10.20.{host // 200}.{host % 200 + 10}"


def outside(rng: np.random.Generator) -> str:
    """Return a /24 without its last part."""
    return f"{rng.integers(60, 200)}.{rng.integers(0, 256)}.{rng.integers(0, 256)}"


def timer(rng: np.random.Generator, period: float, jitter: float, begin: float, end: float) -> Any:
    """Return the calls of a timer from a random moment in its first period on."""
    count = int((end - begin) / period * 1.5 / (1 - jitter / 2)) + 2
    gaps = period * (1 + rng.uniform(-jitter, jitter, count))
    times = begin + rng.uniform(0, period) + np.concatenate([[0.0], np.cumsum(gaps)])
    return times[times < end]


def sizes(rng: np.random.Generator, count: int) -> Any:
    """Return bytes sent: one size, and now and then an answer to an order."""
    usual = int(rng.integers(200, 1500))
    return np.where(rng.random(count) < 0.95, usual, usual + rng.integers(50, 20_000, count))


def on_hours(rng: np.random.Generator) -> Any:
    """Return when each host is on: a third always, most for a working day, some in the evening."""
    kind = rng.choice(3, HOSTS, p=[0.35, 0.5, 0.15])
    begin = np.select([kind == 0, kind == 1], [0.0, rng.normal(8.5, 0.8, HOSTS)],
                      rng.normal(17, 1, HOSTS))  # fmt: skip
    length = np.select([kind == 0, kind == 1], [24.0, rng.normal(8.5, 0.7, HOSTS)],
                       rng.normal(5, 1, HOSTS))  # fmt: skip
    return np.clip(np.stack([begin, begin + np.maximum(length, 3)], axis=1), 0, 24) * 3600


def plant(day: Day, on: Any, hosting: list[str]) -> None:
    """Add the calls home: 45 steady, 15 by day, 9 in the evening, 9 slow, 9 unanswered."""
    rng = day.rng
    plans = [("all day", STEADY[n % 6], JITTERS[n % 5]) for n in range(45)]
    plans += [("8 h a day", p, j) for p in (60, 300, 900) for j in (0.0, 0.1, 0.2, 0.3, 0.5)]
    plans += [("3 h in the evening", p, j) for p in (60, 300, 600) for j in (0.0, 0.1, 0.3)]
    plans += [("every 4 h", 14_400, j) for j in (0.0, 0.05, 0.1)] * 3
    plans += [("unanswered", p, j) for p in (30, 60, 300) for j in (0.0, 0.2, 0.5)]
    always = rng.permutation(np.flatnonzero(on[:, 1] - on[:, 0] > 80_000))
    by_day = rng.permutation(np.flatnonzero((on[:, 0] > 6 * 3600) & (on[:, 0] < 11 * 3600)))
    evening = rng.permutation(np.flatnonzero(on[:, 1] > 20.5 * 3600))
    for n, (name, period, jitter) in enumerate(plans):
        host = int({"8 h a day": by_day, "3 h in the evening": evening}.get(name, always)[n])
        begin, end = on[host]
        if name == "3 h in the evening":
            begin = end - 3 * 3600
        # A quarter are rented where ordinary web sites are rented too.
        net = hosting[int(rng.integers(len(hosting)))] if n % 4 == 0 else outside(rng)
        peer = f"{net}.{rng.integers(2, 250)}"
        times = timer(rng, period, jitter, begin, end)
        port = int(rng.choice([443, 80, 8080], p=[0.7, 0.2, 0.1]))
        if name == "unanswered":
            # The kernel tries again after 1, 2 and 4 s; some sensors log each try.
            tries = n % 3 == 0
            times = np.sort(np.concatenate([times + t for t in ((0, 1, 3, 7) if tries else (0,))]))
            day.add(host, peer, times, port=port, state="S0")
        else:
            day.add(host, peer, times, port=port, size=sizes(rng, len(times)))
        day.truth[address_of(host), peer] = name


@dataclass(frozen=True)
class Service:
    """A benign timer that many hosts share."""

    name: str
    pairs: int
    nets: int
    addresses: int  # in all nets
    periods: tuple[float, ...]
    jitter: float
    proto: str = "tcp"
    port: int = 443


SERVICES = (
    Service("time pool", 560, 28, 30, (64, 256, 1024, 1024, 2048), 0.02, "udp", 123),
    Service("update CDN", 320, 6, 16, (1800, 3600, 3600), 0.1),
    Service("AV cloud", 230, 2, 10, (300, 600, 900), 0.05),
    Service("push", 180, 3, 8, (240, 900, 1680), 0.05, port=5228),
    Service("telemetry", 185, 4, 9, (600, 900, 3600), 0.15),
)


def timers(day: Day, on: Any) -> None:
    """Add the benign timers, and 37 agents that one host each has."""
    rng = day.rng
    for service in SERVICES:
        nets = [outside(rng) for _ in range(service.nets)]
        pool = [f"{nets[n % len(nets)]}.{rng.integers(2, 250)}" for n in range(service.addresses)]
        for _ in range(service.pairs):
            host = int(rng.integers(HOSTS))
            peer = pool[int(rng.integers(len(pool)))]
            period = float(rng.choice(service.periods))
            times = timer(rng, period, service.jitter, *on[host])
            day.add(host, peer, times, proto=service.proto, port=service.port,
                    size=48 if service.port == 123 else sizes(rng, len(times)))  # fmt: skip
    for n in range(37):
        host = int(rng.integers(HOSTS))
        period = float(rng.choice([60, 300, 600, 900, 3600]))
        times = timer(rng, period, (0.0, 0.05, 0.1, 0.2)[n % 4], *on[host])
        day.add(host, f"{outside(rng)}.{rng.integers(2, 250)}", times, size=sizes(rng, len(times)))


def browse(day: Day, on: Any, hosting: list[str], rows: int) -> None:
    """Add visits in bursts to places as popular as Zipf's law has it, until there are enough rows."""
    rng = day.rng
    nets = hosting + [outside(rng) for _ in range(1500)]
    places = np.array([f"{nets[int(rng.integers(len(nets)))]}.{rng.integers(2, 250)}"
                       for _ in range(6000)])  # fmt: skip
    popular = 1 / np.arange(1, 6001) ** 1.1
    popular /= popular.sum()
    left = max(rows - day.rows, 0)
    share = rng.lognormal(0, 0.8, HOSTS) * (on[:, 1] - on[:, 0])
    wanted = left * share / share.sum()
    for host in range(HOSTS):
        begin, end = on[host]
        liked = rng.choice(6000, 24, p=popular)
        visits = max(int(wanted[host] / 7), 2)
        # Sittings of activity, visits within them, and some seconds between the calls of a visit.
        sittings = rng.uniform(begin, end, max(visits // 30, 2))
        at = rng.choice(sittings, visits) + rng.exponential(900, visits)
        calls = rng.geometric(1 / 7, visits)
        times = np.repeat(at, calls) + rng.exponential(6, calls.sum())
        where = np.repeat(places[rng.choice(liked, visits)], calls)
        size = rng.lognormal(6.5, 1, len(times)).astype(int)
        within = times < end
        order = np.argsort(where[within], kind="stable")
        names, starts = np.unique(where[within][order], return_index=True)
        for name, t, s in zip(names, np.split(times[within][order], starts[1:]),
                              np.split(size[within][order], starts[1:]), strict=True):  # fmt: skip
            day.add(host, str(name), t, size=s, port=443 if hash_of(str(name)) % 5 else 80)


def hash_of(text: str) -> int:
    return sum((n + 1) * ord(c) for n, c in enumerate(text))


def make(seed: int, rows: int) -> Day:
    day = Day(np.random.default_rng(seed))
    on = on_hours(day.rng)
    hosting = [outside(day.rng) for _ in range(60)]
    plant(day, on, hosting)
    timers(day, on)
    browse(day, on, hosting, rows)
    return day


FIELDS = ("ts", "uid", "id.orig_h", "id.orig_p", "id.resp_h", "id.resp_p", "proto", "service",
          "duration", "orig_bytes", "resp_bytes", "conn_state", "orig_pkts", "resp_pkts")  # fmt: skip
TYPES = ("time", "string", "addr", "port", "addr", "port", "enum", "string", "interval", "count",
         "count", "string", "count", "count")  # fmt: skip


def write(day: Day, folder: Path) -> None:
    """Write the day as conn.log, in order of time."""
    rng = day.rng
    lines: list[tuple[float, str]] = []
    for part in day.parts:
        count = len(part["times"])
        size = (
            np.broadcast_to(part["size"], (count,)) if np.ndim(part["size"]) == 0 else part["size"]
        )
        answered = part["state"] == "SF"
        last = 0
        for n, at in enumerate(np.sort(part["times"])):
            # One try's repeats keep its source port.
            retry = not answered and n and at - part["times"][n - 1] < 5
            last = last if retry else int(rng.integers(1025, 65_000))
            sent = int(size[n]) if n < len(size) else 0
            got = 3 * sent if answered else 0
            lines.append((at, "\t".join((
                f"{BEGIN + at:.6f}", f"C{len(lines):x}", part["host"], str(last), part["peer"],
                str(part["port"]), part["proto"], "-", "0.5" if answered else "-", str(sent),
                str(got), part["state"], "6" if answered else "1", "5" if answered else "0"))))  # fmt: skip
    lines.sort()
    head = "\n".join(("#separator \\x09", "#set_separator\t,", "#empty_field\t(empty)",
                      "#unset_field\t-", "#path\tconn", "\t".join(("#fields", *FIELDS)),
                      "\t".join(("#types", *TYPES))))  # fmt: skip
    (folder / "conn.log").write_text(head + "\n" + "\n".join(line for _, line in lines) + "\n")


Ranked = list[tuple[str, str]]


def ours(folder: Path) -> tuple[Ranked, float]:
    """Return pairs of host and peer, the strongest finding first, and the detector's seconds."""
    detectors.BUILTIN = (beacon,)
    detectors.load_all.cache_clear()
    with sakimori.open(internal=["10.0.0.0/8"]) as workspace:
        workspace.import_([str(folder)])
        report = workspace.hunt()
        found = workspace.findings()
        seconds = sum(c.seconds for c in report.coverage)
        for part in report.coverage:
            if not part.ran:
                sys.exit(f"{part.detector}: {part.reason}")
    return [(f.host, f.peer) for f in sorted(found, key=lambda f: -f.score)], seconds


def ritas(day: Day) -> Ranked:
    """Return pairs of host and address by RITA's beacon points with its prevalence modifier."""
    times, size = defaultdict(list), defaultdict(list)
    for part in day.parts:
        key = (part["host"], part["peer"])
        times[key].append(part["times"])
        size[key].append(np.broadcast_to(part["size"], part["times"].shape))
    hosts = {host for host, _ in times}
    users = Counter(peer for _, peer in times)
    first = min(float(t.min()) for ts in times.values() for t in ts if len(t))
    last = max(float(t.max()) for ts in times.values() for t in ts if len(t))
    scored = []
    for key, parts in times.items():
        at = np.floor(np.sort(np.concatenate(parts)))
        if len(np.unique(at)) < 4 or len(at) >= 86_400:
            continue
        score = rita(at, np.sort(np.concatenate(size[key])), math.floor(first), math.floor(last))
        share = users[key[1]] / len(hosts)
        modifier = 0.15 if share <= 0.02 else -0.15 if share >= 0.5 else 0.0
        scored.append((points(score) + modifier, score, key))
    scored.sort(reverse=True)
    return [key for _, _, key in scored]


def rita(at: Any, size: Any, first: float, last: float) -> float:
    """Return RITA's beacon score of calls at whole seconds, with their sizes sorted."""
    gaps = np.sort(np.diff(at))
    by_time = (skewness(gaps[gaps > 0]) + spread(gaps[gaps > 0], 1.0)) / 2
    by_size = (skewness(size) + spread(size, 0.0)) / 2
    bars = np.histogram(at, 24, (first, last))[0]
    return (by_time + by_size + histogram(bars) + duration(at, first, last)) / 4


def quartiles(values: Any) -> tuple[float, float, float]:
    half = len(values) // 2
    return (float(np.median(values[:half])) if half else float(values[0]), float(np.median(values)),
            float(np.median(values[-half:])) if half else float(values[-1]))  # fmt: skip


def skewness(values: Any) -> float:
    q1, q2, q3 = quartiles(values)
    return 1.0 if q3 - q1 < 10 or q2 in (q1, q3) else 1 - abs((q1 + q3 - 2 * q2) / (q3 - q1))


def spread(values: Any, small: float) -> float:
    middle = float(np.median(values))
    if middle < 1:
        return small
    return max(0.0, (middle - float(np.median(np.abs(values - middle)))) / middle)


def histogram(bars: Any) -> float:
    by_cv = max(0.0, 1 - float(bars.std() / bars.mean()))
    full = bars[bars > 0]
    if len(full) < 11:
        return by_cv
    width = math.ceil(0.05 * full.max())
    two = sum(n for _, n in Counter((full // width).tolist()).most_common(2))
    return max(by_cv, min(1.0, two / (len(full) - 1)))


def duration(at: Any, first: float, last: float) -> float:
    hours = np.unique(((at - first) // 3600).astype(int)) % 24
    if len(hours) < 6:
        return 0.0
    used = np.isin(np.arange(48) % 24, hours)
    run = longest = 0
    for is_used in used:
        run = run + 1 if is_used else 0
        longest = max(longest, min(run, 24))
    return min(1.0, max((at[-1] - at[0]) / (last - first), longest / 12))


def points(score: float) -> float:
    """Return threat points of a beacon score."""
    return (
        float(np.interp(score, [0.5, 0.7, 0.9, 1.0], [0.2, 0.4, 0.6, 0.8])) if score >= 0.5 else 0.0
    )


def precision(ranked: Ranked, truth: dict[tuple[str, str], str]) -> float:
    """Return the average precision; what is not ranked adds nothing."""
    found, total = set(), 0.0
    for place, pair in enumerate(ranked, 1):
        if pair in truth and pair not in found:
            found.add(pair)
            total += len(found) / place
    return total / len(truth)


def print_table(seed: int, day: Day, columns: dict[str, Ranked]) -> None:
    truth = day.truth
    print(f"\nseed {seed}: {day.rows:,} rows, {len(truth)} planted")
    print(f"{'':34}" + "".join(f"{name:>12}" for name in columns))
    print(f"{'average precision':34}"
          + "".join(f"{precision(r, truth):12.2f}" for r in columns.values()))  # fmt: skip
    for cut in CUTS:
        counts = (len({p for p in r[:cut] if p in truth}) for r in columns.values())
        print(f"{f'planted in the first {cut}':34}" + "".join(f"{c:12}" for c in counts))
    for name, total in Counter(truth.values()).items():
        counts = (len({p for p in r[:200] if truth.get(p) == name}) for r in columns.values())
        print(f"{f'  of {total} {name}, in the first 200':34}" + "".join(f"{c:12}" for c in counts))
    print(f"{'pairs ranked':34}" + "".join(f"{len(r):12,}" for r in columns.values()), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, nargs="+", default=[201, 202, 203])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--keep", type=Path, help="write the logs here and leave them")
    given = parser.parse_args()
    for seed in given.seed:
        day = make(seed, given.rows)
        with tempfile.TemporaryDirectory() as made:
            folder = (given.keep or Path(made)) / f"beacon-{seed}"
            folder.mkdir(parents=True, exist_ok=True)
            write(day, folder)
            ranked, seconds = ours(folder)
        begun = time.perf_counter()
        columns = {"sakimori": ranked, "RITA": ritas(day)}
        print_table(seed, day, columns)
        spent = time.perf_counter() - begun
        print(f"{'seconds':34}{seconds:12.1f}{spent:12.1f}", flush=True)


if __name__ == "__main__":
    main()
