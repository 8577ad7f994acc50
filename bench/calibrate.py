"""How much each kind of evidence says, and whether the scores mean what they claim.

    python bench/calibrate.py [DIR ...] [--seeds N] [--hosts N]

Hosts with known truth: the captures in `../shared/data/network` (or those named) and simulated days
(`--seeds` of them, `--hosts` hosts each). Three tables:

1.  per detector, how many bots and clean hosts have a finding, and the log of the ratio of the two
    rates in nats, beside the weight its file states. A family, or a botnet of a simulation, is one
    bot, however many hosts it has: ten clones are no ten witnesses. Rates are (n + 1/2) / (N + 1),
    so that none is zero. Captures and simulations count apart: the second are our own invention.
2.  all weights fitted together (the judge's formula: heaviest finding of a kind, sum over kinds),
    pulled towards the stated ones with a spread of SPREAD nats, because bots are few.
3.  the slope: how much steeper than the plain sum the log-odds are, by maximum likelihood over the
    sums as they stand, captures and simulations apart and together (Platt 1999).
4.  reliability: of hosts with a score from .. to .., the share that are bots, and what the scores
    said on average; captures and simulations weighed as above.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections import defaultdict
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np

import sakimori
import sakimori.errors
from sakimori.detectors import load_all
from sakimori.simulate import BOTNETS, Plan, simulate
from sakimori.verdicts.evidence import BASE, CAP, PRIOR, logistic, weigh
from sakimori.verdicts.judge import judge_hosts

SHARED = Path(__file__).resolve().parents[2] / "shared/data/network"
SPREAD = 1.5  # nats that a fitted weight may well differ from the stated one
STRONG = 0.6  # score from which a finding counts as plain in table 1
BINS = (0.02, 0.1, 0.3, 0.5, 0.7, 0.9, 0.97, 1.0001)


@dataclass(frozen=True, slots=True)
class Subject:
    """One host with known truth. `family` tells bots of one make; `real`: from a capture."""

    family: str
    is_bot: bool
    real: bool
    score: float
    total: float  # nats before the slope
    scores: dict[str, float]  # detector -> score of its heaviest finding
    nats: dict[str, float]  # detector -> nats of its heaviest finding


def subjects_of(folder: Path, real: bool, families: dict[str, str]) -> list[Subject]:
    """Hunt in a folder and return its hosts with their truth; hosts of unknown truth left out."""
    truth = json.loads((folder / "truth.json").read_text())
    logs = folder / "input" if (folder / "input").is_dir() else folder
    with sakimori.open(internal=truth["internal"] or None) as workspace:
        workspace.import_([str(logs)])
        report = workspace.hunt()
        judged = judge_hosts(workspace.findings(), lambda _host: True)
        inside = {h.host: h for h in judged if _inside(workspace, h.host)}
        everybody = report.clean + len(report.hosts)
    bots = set(truth["infected"])
    clean = set(inside) - bots if truth["clean"] == "all" else set(truth["clean"])
    named = folder.name if real else ""
    out = [_subject(families.get(b, named), True, real, inside.get(b)) for b in bots]
    out += [_subject(f"{folder.name} clean", False, real, inside.get(c)) for c in clean]
    silent = everybody - len(out) if truth["clean"] == "all" else 0
    return out + [_subject(f"{folder.name} clean", False, real, None)] * max(0, silent)


def _inside(workspace: sakimori.Workspace, host: str) -> bool:
    from sakimori.app.workspace import _inside as inside_of

    return inside_of(workspace._internal())(host)


def _subject(family: str, is_bot: bool, real: bool, host: object) -> Subject:
    scores: dict[str, float] = {}
    nats: dict[str, float] = {}
    for finding in getattr(host, "findings", ()):
        weight = weigh(finding)
        if weight.nats > nats.get(finding.detector, 0.0):
            nats[finding.detector] = weight.nats
            scores[finding.detector] = finding.score
    total = PRIOR + sum(min(w.nats, CAP) for w in getattr(host, "counted", ()))
    return Subject(family, is_bot, real, logistic(total), total, scores, nats)


def weights_of(subjects: list[Subject]) -> np.ndarray:
    """Return a weight per subject such that one family is one bot; every clean host is one."""
    size: dict[str, int] = defaultdict(int)
    for s in subjects:
        size[s.family] += s.is_bot
    return np.array([1 / size[s.family] if s.is_bot else 1.0 for s in subjects])


def ratios(subjects: list[Subject]) -> None:
    """Print table 1."""
    print(f"{'detector':16} {'kind':13} {'stated':>6}   captures: bots, clean, nats"
          f"    simulated: bots, clean, nats   (score >= {STRONG})")  # fmt: skip
    weight = weights_of(subjects)
    for name, detector in sorted(load_all().items(), key=lambda kv: (kv[1].KIND, kv[0])):
        cells = []
        for real in (True, False):
            mass = {}
            for is_bot in (True, False):
                part = np.array([s.real is real and s.is_bot is is_bot for s in subjects])
                hit = np.array([s.scores.get(name, 0.0) >= STRONG for s in subjects])
                mass[is_bot] = (weight[part & hit].sum(), weight[part].sum())
            (b, bots), (c, clean) = mass[True], mass[False]
            nats = np.log((b + 0.5) / (bots + 1)) - np.log((c + 0.5) / (clean + 1))
            cells.append(f"{b:5.1f}/{bots:3.0f} {c:4.0f}/{clean:5.0f} {nats:5.1f}")
        print(f"{name:16} {detector.KIND:13} {BASE[name]:6.1f}   {'        '.join(cells)}")


def fitted(subjects: list[Subject]) -> dict[str, float]:
    """Return the weights that fit best, detectors in BASE's order; by coordinate search."""
    names = list(BASE)
    kinds = {d.NAME: d.KIND for d in load_all().values()}
    # What a finding weighs beside its score (circumstances) is kept: nats scale with the weight.
    stated = np.array([BASE[n] for n in names])
    share = np.array([[s.nats.get(n, 0.0) for n in names] for s in subjects]) / stated
    truth = np.array([s.is_bot for s in subjects])
    mass = weights_of(subjects)
    odds = 1 / (1 + np.exp(-PRIOR))  # so that bots are as rare as the prior says
    mass = np.where(truth, mass * odds / mass[truth].sum(), mass * (1 - odds) / mass[~truth].sum())
    mass *= truth.sum() / odds  # in units of one bot
    mass = np.minimum(mass, 25.0)
    groups = [
        [i for i, n in enumerate(names) if kinds[n] == k] for k in sorted(set(kinds.values()))
    ]

    def loss(w: np.ndarray) -> float:
        nats = share * w
        total = PRIOR + sum(np.minimum(nats[:, g].max(axis=1), CAP) for g in groups)
        miss = np.where(truth, np.logaddexp(0, -total), np.logaddexp(0, total))
        return float((mass * miss).sum() + (((w - stated) / SPREAD) ** 2).sum() / 2)

    w, step = stated.copy(), 1.0
    best = loss(w)
    while step > 0.05:
        moved = False
        for i in range(len(w)):
            for sign in (step, -step):
                tried = w.copy()
                tried[i] = max(0.0, tried[i] + sign)
                if (value := loss(tried)) < best - 1e-9:
                    w, best, moved = tried, value, True
        step = step if moved else step / 2
    return dict(zip(names, w.tolist(), strict=True))


def slope(subjects: list[Subject], title: str) -> None:
    """Print the slope that fits best, and what it would be with each family left out."""
    family = np.array([s.family for s in subjects])
    truth = np.array([s.is_bot for s in subjects])
    total = np.array([s.total for s in subjects])
    mass = weights_of(subjects)
    tried = np.arange(0.5, 4.01, 0.05)

    def best(part: np.ndarray) -> float:
        sign = np.where(truth[part], -1.0, 1.0)
        loss = [(mass[part] * np.logaddexp(0, sign * k * total[part])).sum() for k in tried]
        # One bot's worth of doubt that the plain sum is right, lest nothing bounds the slope.
        loss = np.array(loss) + (np.log(tried) / 0.5) ** 2 / 2
        return float(tried[int(loss.argmin())])

    every = np.ones(len(subjects), dtype=bool)
    without = [best(family != name) for name in sorted(set(family[truth]))]
    print(f"  {title:10} slope {best(every):.2f}; one family left out: {min(without):.2f} to"
          f" {max(without):.2f}")  # fmt: skip


def reliability(subjects: list[Subject], title: str) -> None:
    """Print table 3."""
    weight = weights_of(subjects)
    print(f"\n{title}: score, hosts, bots (families), share, mean score")
    for low, high in pairwise(BINS):
        inside = np.array([low <= s.score < high for s in subjects])
        if not inside.any():
            continue
        bots = sum(s.is_bot for s, i in zip(subjects, inside, strict=True) if i)
        families = sum(
            w for s, w, i in zip(subjects, weight, inside, strict=True) if i and s.is_bot
        )
        mean = np.mean([s.score for s, i in zip(subjects, inside, strict=True) if i])
        print(f"  {low:4.2f}-{min(high, 1):4.2f} {inside.sum():6} {bots:5} ({families:4.1f})"
              f"  {bots / inside.sum():5.2f}  {mean:5.2f}")  # fmt: skip


def collected(arguments: argparse.Namespace, made: Path) -> list[Subject]:
    """Return every host with known truth."""
    folders = arguments.folders
    if not folders and SHARED.is_dir():
        folders = sorted(p.parent for p in SHARED.glob("*/truth.json"))
    elif not folders:
        print(f"no captures at {SHARED}: simulations only")
    subjects: list[Subject] = []
    for folder in folders:
        truth = json.loads((folder / "truth.json").read_text())
        if not truth.get("counted", True):
            continue
        try:
            subjects += subjects_of(folder, True, {})
        except sakimori.errors.SakimoriError as error:
            print(f"left out: {folder.name}: {error}")
    for seed in range(arguments.first, arguments.first + arguments.seeds):
        day = made / f"simulated-{seed}"
        truth = simulate(day, Plan(seed=seed, hosts=arguments.hosts))
        families = {bot.host: f"simulated {bot.family}" for bot in truth.bots}
        subjects += subjects_of(day, False, families)
    return subjects


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folders", nargs="*", type=Path)
    parser.add_argument("--seeds", type=int, default=4)
    parser.add_argument("--first", type=int, default=1000, help="the first seed")
    parser.add_argument("--hosts", type=int, default=80)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as made:
        subjects = collected(arguments, Path(made))
    bots = sum(s.is_bot for s in subjects)
    families = len({s.family for s in subjects if s.is_bot})
    print(f"{len(subjects)} hosts: {bots} bots of {families} families"
          f" ({len(BOTNETS)} of them simulated), {len(subjects) - bots} clean\n")  # fmt: skip
    ratios(subjects)
    print("\nfitted together:")
    for name, nats in fitted(subjects).items():
        print(f"  {name:16} stated {BASE[name]:4.1f}  fitted {nats:4.1f}")
    print("\nslope of the log-odds over the plain sum:")
    for title, real in (("captures", (True,)), ("simulated", (False,)), ("all", (True, False))):
        part = [s for s in subjects if s.real in real]
        if any(s.is_bot for s in part):
            slope(part, title)
    reliability([s for s in subjects if s.real], "captures")
    reliability([s for s in subjects if not s.real], "simulated")
    reliability(subjects, "all")


if __name__ == "__main__":
    main()
