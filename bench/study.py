"""How often `study` calls a tie where there is none, finds one where there is, and covers the true ratio.

    python bench/study.py [--sets 1000] [--machines 600]

Made-up machines: three operating systems with their own risks, an update on 60 %, a family on 12 % (35 % of
those with the update where the two go together), and seven more updates that do nothing. One process.
"""

from __future__ import annotations

import argparse
import math
import random
import time
from collections import Counter

from sakimori.endpoint.study.judge import study
from sakimori.endpoint.study.rows import collected
from sakimori.endpoint.study.tables import Table, exact, pooled_ratio, risk_ratio

RISK = {"Windows XP": 0.08, "Windows Vista": 0.04, "Windows 7": 0.02}
OTHERS = [f"KB{number}" for number in range(1, 8)]


def machines(
    dice: random.Random, count: int, family: float, update: float, *, linked: bool
) -> list[dict[str, object]]:
    rows = []
    for number in range(count):
        system = dice.choice(list(RISK))
        has = dice.random() < 0.6
        infected = dice.random() < (0.35 if linked and has else 0.12)
        risk = min(0.95, RISK[system] * (family if infected else 1) * (update if has else 1))
        installed = ["KB976098"] * has + [kb for kb in OTHERS if dice.random() < 0.5]
        rows.append({"machine": f"m{number}", "os": system, "symptom": int(dice.random() < risk),
                     "updates": installed, "family": ["Daonol"] * infected})  # fmt: skip
    return rows


SCENES = [
    ("nothing does it", 1, 1, False), ("nothing does it, the two go together", 1, 1, True),
    ("the family does it (x 6), linked", 6, 1, True), ("the family does it (x 12), linked", 12, 1, True),
    ("the update does it (x 4), linked", 1, 4, True), ("the update does it (x 8), linked", 1, 8, True),
    ("both do it (x 6, x 4), linked", 6, 4, True),
]  # fmt: skip


def scenes(sets: int, count: int) -> None:
    print(f"sets of {count} machines, 9 exposures each; share of sets, %")
    print(
        f"{'':40} {'family tied':>12} {'update tied':>12} {'others tied':>12} {'any false':>10} {'update cleared':>15}"
    )
    for name, family, update, linked in SCENES:
        told: Counter[str] = Counter()
        tried = sets if family == update == 1 else max(sets // 4, 1)
        for seed in range(tried):
            rows = machines(random.Random(f"{name} {seed}"), count, family, update, linked=linked)
            found = {e.name: e.verdict for e in study(collected([("", r) for r in rows])).exposures}
            tied = {n for n, v in found.items() if v == "tied"}
            true = {"Daonol"} if family > 1 else set()
            true |= {"KB976098"} if update > 1 else set()
            told["family"] += "Daonol" in tied
            told["update"] += "KB976098" in tied
            told["others"] += bool(tied & set(OTHERS))
            told["false"] += bool(tied - true)
            told["cleared"] += found["KB976098"] == "not tied"
        line = [100 * told[k] / tried for k in ("family", "update", "others", "false", "cleared")]
        print(
            f"{name:40} {line[0]:12.1f} {line[1]:12.1f} {line[2]:12.1f} {line[3]:10.1f} {line[4]:15.1f}"
        )


def _drawn(dice: random.Random, n1: int, n0: int, p0: float, ratio: float) -> Table:
    a = sum(dice.random() < p0 * ratio for _ in range(n1))
    c = sum(dice.random() < p0 for _ in range(n0))
    return Table(a, n1 - a, c, n0 - c)


def coverage(sets: int) -> None:
    print("\ncoverage of the 95 % interval and level of the exact test at 5 %, in %")
    print(f"{'':44} {'true ratio':>10} {'covered':>8} {'p < 0.05':>9}")
    shapes = [
        ("one table, 100 + 100, risk 0.1", [(100, 100, 0.1)]), ("one table, 30 + 300, risk 0.05", [(30, 300, 0.05)]),
        ("one table, 15 + 15, risk 0.1", [(15, 15, 0.1)]),
        ("three strata, 40-120 each, risk 0.02-0.2", [(80, 40, 0.02), (60, 120, 0.08), (50, 50, 0.2)]),
        ("ten strata of 20, risk 0.1", [(10, 10, 0.1)] * 10),
    ]  # fmt: skip
    for name, strata in shapes:
        for ratio in (1.0, 2.0, 4.0):
            dice = random.Random(f"{name} {ratio}")
            covered = below = 0
            for _ in range(sets):
                tables = [_drawn(dice, n1, n0, p, ratio) for n1, n0, p in strata]
                found = risk_ratio(tables[0]) if len(tables) == 1 else pooled_ratio(tables)
                assert found is not None
                covered += found.low <= ratio <= found.high
                below += exact(tables) < 0.05
            error = 100 * math.sqrt(0.05 * 0.95 / sets)
            print(
                f"{name:44} {ratio:10.1f} {100 * covered / sets:8.1f} {100 * below / sets:9.1f}   (+- {error:.1f})"
            )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--sets", type=int, default=1000)
    parser.add_argument("--machines", type=int, default=600)
    asked = parser.parse_args()
    started = time.process_time()
    scenes(asked.sets, asked.machines)
    coverage(max(asked.sets, 2000))
    print(f"\n{time.process_time() - started:.0f} CPU s")


if __name__ == "__main__":
    main()
