"""A second made-up botnet, built another way than `simulate.population`: hour by hour, with a real pool.

Each hour every bot is on or off, every lease is kept, renewed or lost, and an address is free before it is
given again. Leases run out while a PC is off; some providers give the same address back. Gateways are
households of two or three as well as CGN addresses that a bot gets anew with each time on line. An estimator
fitted to one simulator only would fail here.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Second:
    bots: int = 1500
    days: int = 14
    lease: tuple[float, ...] = (24.0,)  # h, per ASN; 0: static; -1: a new address each time on line
    spread: float = 0.0  # of each lease's length, relative
    shared: float = 0.2
    sharers: float = 20.0
    cgn: bool = False
    style: str = "daily"  # daily: own hours; wave: all follow the day; steady: always
    awake: float = 10.0
    chance: float = 0.9  # of calling in an hour while on
    calls: float = 1.0  # in an hour with calls
    weekend: float = 1.0
    skip: float = 0.0  # of days
    turnover: float = 0.0  # share of bots replaced a day
    pool: float = 4.0  # addresses for each bot
    sticky: float = 0.0  # chance of getting the same address back
    seed: int = 1


def run(plan: Second) -> dict[str, np.ndarray | float]:  # noqa: PLR0915 - an hour, step by step
    rng = np.random.default_rng(plan.seed)
    n, hours = plan.bots, plan.days * 24
    net = rng.integers(0, len(plan.lease), n)
    length = np.array(plan.lease)[net]
    size = int(n * plan.pool) + 10
    free = rng.permutation(size * len(plan.lease))  # one pool for each ASN
    heaps = [list(free[free // size == k]) for k in range(len(plan.lease))]
    behind = rng.random(n) < plan.shared
    gateways = max(1, int(plan.shared * n / plan.sharers))
    gate = rng.integers(0, gateways, n)
    identity, fresh = np.arange(n), n
    middle = rng.normal(13, 3, n) if plan.style == "daily" else np.full(n, 13.0)
    awake = np.clip(rng.normal(plan.awake, 2.0, n), 2, 22)
    office = rng.random(n) >= plan.weekend
    address = np.full(n, -1)
    until = np.zeros(n)
    was_on = np.zeros(n, bool)
    out = []
    on_line = []
    for hour in range(hours):
        day, clock = divmod(hour, 24)
        if clock == 0:
            skips = rng.random(n) < plan.skip
            middle_today = middle + rng.normal(0, 0.7, n)
        new = rng.random(n) < plan.turnover / 24
        identity[new] = fresh + np.arange(new.sum())
        fresh += int(new.sum())
        off = (clock + 0.5 - middle_today + 12) % 24 - 12
        on = np.abs(off) < awake / 2 if plan.style == "daily" else np.ones(n, bool)
        on &= ~skips & ~(office & (day % 7 >= 5))
        on_line.append(int(on.sum()))
        wants = on & ~behind & ((until <= hour) | ((length < 0) & ~was_on))
        lost = np.flatnonzero((until <= hour) & (address >= 0) & ~behind & ~on)
        for k, heap in enumerate(heaps):
            for_this = lost[net[lost] == k]
            gone = for_this[rng.random(len(for_this)) >= plan.sticky]
            heap.extend(address[gone].tolist())
            address[gone] = -1
            mine = np.flatnonzero(wants & (net == k))
            keep = (address[mine] >= 0) & (rng.random(len(mine)) < plan.sticky)
            move = mine[~keep]
            returned = address[move][address[move] >= 0].tolist()
            at = rng.integers(0, max(1, len(heap)), len(move))
            taken = sorted(set(at.tolist()), reverse=True)[: len(heap)]
            got = [heap.pop(i) for i in taken]
            got += [heap.pop() for _ in range(len(move) - len(got))]
            rng.shuffle(got)
            address[move] = got
            heap.extend(returned)
            long = np.where(length[mine] > 0, length[mine], 1e9)
            drift = 1 + plan.spread * rng.uniform(-1, 1, len(mine))
            begun = until[mine] > 0
            until[mine] = hour + long * np.where(begun, drift, rng.random(len(mine)))
        if plan.cgn:
            roam = on & ~was_on & behind
            gate[roam] = rng.integers(0, gateways, int(roam.sum()))
        was_on = on
        wave = 0.35 + 0.65 * (1 + np.cos((clock - 13) / 24 * 2 * np.pi)) / 2
        chance = plan.chance * (wave if plan.style == "wave" else 1.0)
        call = np.flatnonzero(on & (rng.random(n) < chance))
        many = 1 + rng.poisson(max(0.0, plan.calls - 1), len(call))
        who = np.repeat(call, many)
        ip = np.where(behind[who], size * len(plan.lease) + gate[who], address[who])
        asn = np.where(behind[who], 64500 + gate[who] % len(plan.lease), 64500 + net[who])
        out.append((hour * 3600 + rng.random(len(who)) * 3600, ip, identity[who], asn))
    time, ip, bot, asn = (np.concatenate(part) for part in zip(*out, strict=True))
    order = np.argsort(time)
    per_day = np.unique((time // 86400).astype(int) * (fresh + 1) + bot)
    per_hour = np.unique((time // 3600).astype(int) * (fresh + 1) + bot)
    return {
        "time": time[order], "ip": ip[order], "bot": bot[order], "asn": asn[order],
        "footprint": len(np.unique(bot)), "daily": len(per_day) / plan.days,
        "peak": max(on_line), "peak_hour": int(np.bincount(per_hour // (fresh + 1)).max()),
    }  # fmt: skip


def drawn(seed: int) -> Second:
    rng = np.random.default_rng(seed + 10_000)
    leases = [6.0, 12.0, 24.0, 48.0, 96.0, 168.0]
    return Second(
        bots=int(np.exp(rng.uniform(np.log(500), np.log(3000)))),
        days=int(rng.choice([5, 7, 14, 28, 42])),
        lease=tuple(rng.choice(leases, int(rng.choice([1, 1, 2, 3])), replace=False).tolist()),
        spread=float(rng.choice([0.0, 0.3])),
        sharers=float(rng.choice([2.5, 5, 20, 50])),
        cgn=bool(rng.random() < 0.3),
        style=str(rng.choice(["daily", "daily", "wave", "steady"])),
        awake=float(rng.uniform(6, 15)),
        chance=float(rng.choice([0.3, 0.6, 0.9, 1.0])),
        calls=float(rng.choice([1, 1, 4])),
        weekend=float(rng.choice([1.0, 0.7])),
        skip=float(rng.choice([0.0, 0.0, 0.15])),
        turnover=float(rng.choice([0.0, 0.0, 0.01, 0.025])),
        pool=float(rng.choice([2.0, 6.0, 30.0])),
        sticky=float(rng.choice([0.0, 0.0, 0.5])),
        seed=seed,
    )
