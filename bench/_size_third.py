"""A third made-up botnet: a table of bots by hours, and an address for each lease or each time on line.

The plainest world: all bots live through the window, a fifth sit behind shared addresses, twenty to each. They
call by chance in any hour, or hourly in a daily window of their own. A private address lasts for a lease by the
provider's clock, or as long as the bot is on line (a dial-up or PPPoE line that gets a new one each time).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

KINDS = ("chance", "window", "reconnect")


@dataclass(frozen=True)
class Third:
    bots: int = 2000
    days: int = 14
    kind: str = "chance"
    lease: float = 24.0  # h; ignored by reconnect
    window: int = 6  # h a day on line, of window and reconnect
    first: int = 0  # UTC hour in which the earliest window starts
    starts: int = 24  # hours of the day that windows start in
    active: float = 1.0  # of the days, of window and reconnect
    moves: bool = False  # windows start anew each day
    shared: float = 0.2
    sharers: float = 20.0
    pool: float = 130.0  # addresses for each bot
    asns: int = 1
    seed: int = 1


def run(plan: Third) -> dict[str, np.ndarray | float]:
    rng = np.random.default_rng(plan.seed)
    n, hours = plan.bots, plan.days * 24
    if plan.kind == "chance":
        calls = rng.random((n, hours)) < 0.25
        turn = np.zeros((n, hours), np.int64)
    else:
        calls, turn = _windows(plan, rng)
    bot, hour = np.nonzero(calls)
    time = (hour + rng.random(len(hour))) * 3600.0
    if plan.kind == "reconnect":
        spell = turn[bot, hour]
    else:
        phase = rng.random(n) * plan.lease
        spell = ((time / 3600.0 + phase[bot]) // plan.lease).astype(np.int64)
    _, which = np.unique(bot * 100_000 + spell, return_inverse=True)
    private = rng.integers(0, int(n * plan.pool), int(which.max()) + 1)[which]
    net = rng.integers(0, plan.asns, n)
    behind = rng.random(n) < plan.shared
    gates = max(1, round(n * plan.shared / plan.sharers))
    gate = rng.integers(0, gates, n)
    net[behind] = gate[behind] % plan.asns
    ip = np.where(behind[bot], -1 - gate[bot], private * plan.asns + net[bot])
    order = np.argsort(time)
    per_hour = calls.sum(axis=0)
    per_day = calls.reshape(n, plan.days, 24).any(axis=2).sum(axis=0)
    return {
        "time": time[order], "ip": ip[order], "bot": bot[order], "asn": 64500 + net[bot][order],
        "footprint": int(calls.any(axis=1).sum()), "daily": float(per_day.mean()),
        "peak": int(per_hour.max()), "peak_hour": int(per_hour.max()),
    }  # fmt: skip


def _windows(plan: Third, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return which bot calls in which hour, and in which of its times on line."""
    n, hours = plan.bots, plan.days * 24
    calls, turn = np.zeros((n, hours), bool), np.zeros((n, hours), np.int64)
    own = rng.integers(0, plan.starts, n)
    for day in range(-1, plan.days):
        start = rng.integers(0, plan.starts, n) if plan.moves else own
        start = day * 24 + (plan.first + start) % 24
        who = np.flatnonzero(rng.random(n) < plan.active)
        for step in range(plan.window):
            at = start[who] + step
            inside = (at >= 0) & (at < hours)
            calls[who[inside], at[inside]] = True
            turn[who[inside], at[inside]] = day + 2
    return calls, turn


def drawn(seed: int, kinds: tuple[str, ...] = KINDS) -> Third:
    rng = np.random.default_rng(seed + 20_000)
    return Third(
        bots=int(rng.integers(1000, 3000)),
        days=int(rng.choice([7, 14, 28])),
        kind=kinds[seed % len(kinds)],
        lease=float(rng.choice([6.0, 24.0, 168.0])),
        window=int(rng.choice([4, 6, 6, 9])),
        first=int(rng.integers(0, 24)),
        starts=int(rng.choice([10, 16, 24])),
        active=float(rng.choice([1.0, 0.85, 0.7])),
        moves=bool(rng.random() < 0.5),
        shared=float(rng.choice([0.2, 0.2, 0.0])),
        pool=float(rng.choice([20.0, 130.0])),
        asns=int(rng.choice([1, 1, 3])),
        seed=seed,
    )
