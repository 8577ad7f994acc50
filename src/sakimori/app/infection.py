"""Infection rates: of the machines that were looked at, how many had something, per thousand."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from math import sqrt
from typing import TYPE_CHECKING, Any

from sakimori.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sakimori.app.workspace import Workspace

BY = ("country", "month", "product", "managed")
_Z = 1.959963984540054  # of a 95 % interval
_PARTS = {"month": "strftime(ts, '%Y-%m')"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """One group. `ccm`: machines with a finding per thousand machines, with its 95 % interval.

    A column that was not asked for is None; "" stands for runs that do not say.
    """

    country: str | None = None
    month: str | None = None
    product: str | None = None
    managed: str | None = None
    runs: int
    machines: int
    infected: int
    ccm: float
    ccm_low: float
    ccm_high: float


def wilson(part: int, whole: int) -> tuple[float, float]:
    """Return the 95 % interval of a share; (0, 1) for none of none. Source: Wilson 1927."""
    if not whole:
        return (0.0, 1.0)
    share = part / whole
    scale = 1 + _Z**2 / whole
    middle = (share + _Z**2 / (2 * whole)) / scale
    half = _Z * sqrt(share * (1 - share) / whole + _Z**2 / (4 * whole**2)) / scale
    low = 0.0 if part == 0 else max(0.0, middle - half)
    high = 1.0 if part == whole else min(1.0, middle + half)
    return low, high


def rates(workspace: Workspace, by: Sequence[str] = BY) -> list[Rate]:
    """Return the rate of every group in table `tool_run`, in order of the groups' names.

    A machine counts once in a group, however often it was looked at: as with the monthly removal
    tool whose reports gave the measure its name. Without "month" the time is all that was imported.
    Raises ConfigError for a column that is none of BY.
    """
    for name in by:
        if name not in BY:
            raise ConfigError(f"cannot group by {name!r}", hint=", ".join(BY))
    groups = [f"coalesce({_PARTS.get(name, name)}, '') AS {name}" for name in by]
    query = (
        f"SELECT {''.join(f'{group}, ' for group in groups)}"  # noqa: S608 - of BY's own words only
        " count(DISTINCT uid) AS runs, count(DISTINCT machine) AS machines,"
        " count(DISTINCT machine) FILTER (WHERE found > 0 OR cleaned > 0) AS infected"
        " FROM tool_run WHERE machine IS NOT NULL GROUP BY ALL ORDER BY ALL"
    )
    return [_rate(row) for row in workspace.sql(query).to_pylist() if row["machines"]]


def _rate(row: dict[str, Any]) -> Rate:
    low, high = wilson(row["infected"], row["machines"])
    return Rate(
        **row,
        ccm=1000 * row["infected"] / row["machines"],
        ccm_low=1000 * low,
        ccm_high=1000 * high,
    )


def as_object(found: Sequence[Rate]) -> dict[str, Any]:
    """Return rates as plain JSON values."""
    return {"rates": [asdict(rate) for rate in found]}
