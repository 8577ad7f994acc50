"""Write docs/examples/rustock-2011.csv: `python docs/examples/make_rustock.py`.

Published are levels, not days. This puts days between them: the level of its period, a weekly cycle
of 5 % and a day's noise of 4 %, both made up and the same every time. Column `kind` says which rows
are published figures.
"""  # noqa: INP001 - a script, not a package

from __future__ import annotations

import csv
import math
import random
from datetime import date, timedelta
from pathlib import Path

FILE = Path(__file__).parent / "rustock-2011.csv"
CUT = date(2011, 3, 16)
SPAM = "global spam, messages a day"
BOTS = "Rustock, addresses seen by the sinkhole"
LEVELS = (  # from this day on, messages a day: see docs/guides/effect.md for the sources
    (date(2011, 1, 31), 52e9),
    (date(2011, 3, 17), 33e9),
    (date(2011, 4, 1), 36.9e9),
    (date(2011, 5, 1), 41.7e9),
    (date(2011, 6, 1), 39.2e9),
)
FIRST_DAY = 0.753  # of the level before, on the day of the cut
SINKHOLE = ((date(2011, 3, 26), 1_601_619), (date(2011, 6, 18), 702_860))
END = date(2011, 6, 18)


def days(start: date) -> list[date]:
    """Return the days from `start` to the end."""
    return [start + timedelta(n) for n in range((END - start).days + 1)]


def shaken(level: float, day: date, dice: random.Random) -> int:
    """Return a level with the made-up weekly cycle and noise, to three figures."""
    week = 0.05 * math.cos(2 * math.pi * (day.weekday() - 2) / 7)
    value = level * (1 + week) * math.exp(dice.gauss(0, 0.04))
    digits = 2 - math.floor(math.log10(value))
    return round(round(value * 10**digits) / 10**digits)


def main() -> None:
    """Write the file."""
    dice = random.Random(2011)  # noqa: S311 - no secret
    rows: list[tuple[str, date, int, str]] = []
    for day in days(LEVELS[0][0]):
        level = [value for since, value in LEVELS if since <= day][-1]
        level = 52e9 * FIRST_DAY if day == CUT else level
        rows.append((SPAM, day, shaken(level, day, dice), "made up around a published level"))
    (first, many), (last, few) = SINKHOLE
    fall = math.log(few / many) / (last - first).days
    for day in days(first):
        known = dict(SINKHOLE).get(day)
        value = known or shaken(many * math.exp(fall * (day - first).days), day, dice)
        kind = "published" if known else "made up between two published figures"
        rows.append((BOTS, day, value, kind))
    with FILE.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("series", "date", "value", "kind"))
        writer.writerows(rows)


if __name__ == "__main__":
    main()
