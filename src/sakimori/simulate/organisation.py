"""The make-believe organisation: its offices, its hosts, and when each is on and in use."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from numpy.random import Generator

    from sakimori.simulate.clock import Spans
    from sakimori.simulate.plan import Plan

HOUR = 3600.0
DAY = 24 * HOUR
DOMAIN = "corp.test"
SERVERS = ("resolver", "mail", "files", "web")
HOSTS_PER_OFFICE = 80
PATCHED = 12.6 * HOUR  # after midnight: when the first computer starts anew on a patch day
STARTING = 200.0  # s
BELL = 8.5 * HOUR  # after midnight: half of the people begin within minutes of it
# Of the hosts that are no servers; desktops are the rest.
_SHARES = {"laptop": 0.25, "phone": 0.14, "camera": 0.08, "printer": 0.05, "tv": 0.03}
_SUBNET = {"desktop": 1, "laptop": 1, "phone": 2, "camera": 3, "printer": 3, "tv": 3}


@dataclass(frozen=True, slots=True)
class Host:
    """One machine. `on`: when it is awake; `used`: when a person works at it."""

    name: str
    address: str
    kind: str
    on: Spans
    used: Spans


def hosts_of(plan: Plan, rng: Generator) -> tuple[Host, ...]:
    """Return the organisation's hosts: servers first, then by kind.

    Subnets: 10.0.0.0/24 servers; for each office of up to 80 hosts 10.<9 + n>.1.0/24 (or 10.<n>
    further on) for people's computers, .2 for phones, .3 for devices.
    """
    whole = _whole(plan)
    hosts = [
        Host(f"{kind}.{DOMAIN}", f"10.0.0.{10 + n}", kind, whole, ())
        for n, kind in enumerate(SERVERS)
    ]
    for n, kind in enumerate(_kinds(plan.hosts - len(SERVERS))):
        office = n // HOSTS_PER_OFFICE
        address = f"10.{10 + office}.{_SUBNET[kind]}.{20 + n % HOSTS_PER_OFFICE}"
        on, used = hours(plan, kind, rng)
        if kind in ("desktop", "laptop"):
            at = restarts(plan, address)
            on, used = _restarted(on, at), _restarted(used, at)
        hosts.append(Host(f"{kind}-{n:04d}.{DOMAIN}", address, kind, on, used))
    return tuple(hosts)


def restarts(plan: Plan, address: str) -> tuple[float, ...]:
    """Return when a computer starts anew after its updates: within an hour of each patch day."""
    share = zlib.crc32(f"patch {address}".encode()) / (1 << 32)
    return tuple(
        plan.start.timestamp() + day * DAY + PATCHED + share * HOUR
        for day in range(plan.days)
        if (plan.start + timedelta(days=day)).weekday() == plan.patch_weekday
    )


def _restarted(spans: Spans, moments: tuple[float, ...]) -> Spans:
    """Return the spans, cut for as long as a computer takes to start."""
    for at in moments:
        cut = [(begin, end) for begin, end in spans if not begin < at < end]
        for begin, end in spans:
            if begin < at < end:
                cut += [(begin, at), *([(at + STARTING, end)] if at + STARTING < end else [])]
        spans = tuple(sorted(cut))
    return spans


def _kinds(count: int) -> list[str]:
    """Return the kind of each host, kinds spread over the offices in turn."""
    left = {kind: max(1, round(share * count)) for kind, share in _SHARES.items()}
    left["desktop"] = count - sum(left.values())
    at = sorted(((i + 0.5) / number, kind) for kind, number in left.items() for i in range(number))
    return [kind for _, kind in at]


def hours(plan: Plan, kind: str, rng: Generator) -> tuple[Spans, Spans]:
    """Return when a host of this kind is on, and when it is used."""
    whole = _whole(plan)
    if kind in ("camera", "printer", "tv"):
        return whole, ()
    used: list[tuple[float, float]] = []
    present: list[tuple[float, float]] = []
    for day in range(plan.days):
        weekend = (plan.start + timedelta(days=day)).weekday() >= 5
        if rng.random() < (0.08 if weekend else 0.94):
            shift = _shift(whole[0][0] + day * DAY, kind, rng)
            used += shift
            present.append((shift[0][0], shift[-1][1]))
    if kind == "laptop":
        return tuple(used), tuple(used)
    left_on = kind == "desktop" and rng.random() < 0.25
    return (whole if left_on else tuple(present)), tuple(used)


def _shift(midnight: float, kind: str, rng: Generator) -> list[tuple[float, float]]:
    """Return a working day: log-on between 8 and 9 mostly, lunch, and for laptops some sleeps."""
    punctual = rng.random() < 0.5
    begin = midnight + BELL + (rng.normal(0, 120) if punctual else rng.normal(0.1, 0.25) * HOUR)
    lunch = midnight + rng.normal(12.1, 0.2) * HOUR
    back = lunch + rng.uniform(0.6, 1.1) * HOUR
    end = max(midnight + rng.normal(17.8, 0.8) * HOUR, back + HOUR)
    halves = [(begin, lunch), (back, end)]
    if kind != "laptop":
        return halves
    return [piece for half in halves for piece in _with_a_sleep(half, rng)]


def _with_a_sleep(half: tuple[float, float], rng: Generator) -> list[tuple[float, float]]:
    begin, end = half
    asleep = begin + rng.uniform(0.2, 0.6) * (end - begin)
    awake = asleep + rng.uniform(0.1, 0.3) * (end - begin)
    return [(begin, asleep), (awake, end)]


def _whole(plan: Plan) -> Spans:
    begin = plan.start.timestamp()
    return ((begin, begin + plan.days * DAY),)
