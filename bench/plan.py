"""Planning speed and gap: `python bench/plan.py [--seconds 7]`.

Random botnets: resources with costs, groups with one to four paths of one to three resources and bots
after a heavy tail. Printed: seconds for the whole plan, bots isolated by the greedy plan and by the
final one, the proven bound, and the gap between them.
"""

from __future__ import annotations

import argparse
import random
import time

from sakimori.takedown.plan import Limits, graph_of, make_plan

SHAPES = [  # resources, groups, most paths, budget as a share of the whole cost
    (150, 2_000, 2, 0.2),
    (1_500, 20_000, 1, 0.2),
    (1_500, 20_000, 2, 0.2),
    (1_500, 20_000, 4, 0.35),
]


def instance(resources: int, groups: int, paths: int, share: float, seed: int) -> dict[str, object]:
    chance = random.Random(seed)
    listed = [
        {"id": f"r{n}", "kind": "address", "cost": chance.randint(1, 9),
         "collateral": chance.choice([0, 0, 0, 1, 5]), "partner": f"p{n % 30}"}
        for n in range(resources)
    ]  # fmt: skip
    return {
        "resources": listed,
        "groups": [
            {"id": f"g{n}", "bots": int(chance.paretovariate(1.2) * 3),
             "paths": [[f"r{chance.randrange(resources)}" for _ in range(chance.randint(1, 3))]
                       for _ in range(chance.randint(1, paths))]}
            for n in range(groups)
        ],
        "budget": round(share * sum(int(str(r["cost"])) for r in listed)),
    }  # fmt: skip


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--seconds", type=float, default=Limits().seconds)
    given = options.parse_args()
    print(f"{'resources':>9} {'groups':>7} {'paths':>5} {'seconds':>8} {'cpu s':>6} {'greedy':>9}"
          f" {'bots':>9} {'bound':>9} {'gap':>7}  optimal")  # fmt: skip
    for shape in SHAPES:
        graph = graph_of(instance(*shape, seed=1), "bench", Limits(seconds=given.seconds))
        began, spent = time.perf_counter(), time.process_time()
        plan = make_plan(graph)
        took, cpu = time.perf_counter() - began, time.process_time() - spent
        gap = (plan.bound - plan.bots) / plan.bound
        print(f"{shape[0]:9} {shape[1]:7} {shape[2]:5} {took:8.1f} {cpu:6.1f} {plan.greedy_bots:9.0f}"
              f" {plan.bots:9.0f} {plan.bound:9.0f} {gap:7.3%}  {plan.optimal}")  # fmt: skip


if __name__ == "__main__":
    main()
