"""A run of cleaning as a row of table `tool_run`, and scan rules as recipes ask for them."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from sakimori.app import scanning

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from sakimori.app.machine_cleaning import Cleaned, Looked
    from sakimori.config import Machine


def run_of(looked: Looked, cleaned: Cleaned | None) -> scanning.Run:
    """Return the record of a run, also of one that only looked or found nothing.

    `scanned` counts the recipes' items that were looked for, since a recipe looks at places, not files.
    """
    items = sum(len(one.recipe.items) for one in looked.chosen)
    done = [o for o in cleaned.outcomes if o.outcome == "done"] if cleaned else []
    return scanning.Run(
        ts=looked.begun,
        id=cleaned.run if cleaned else f"look-{looked.begun:%Y%m%d-%H%M%S}-{secrets.token_hex(3)}",
        tool="clean",
        definitions=looked.definitions,
        scanned=items - len(looked.found.unseen),
        found=len(looked.found.findings),
        cleaned=len(done),
        families=tuple(dict.fromkeys(f.family for f in looked.found.findings)),
        seconds=looked.seconds,
    )


def rules_by(
    rules: Sequence[Path], hashes: Sequence[Path], machine: Machine
) -> Callable[[Path], frozenset[str]]:
    """Return a scanner that gives the rules that hit one file; nothing is kept in the cache."""

    def hit(path: Path) -> frozenset[str]:
        asked = scanning.Asked(
            paths=(str(path),), rules=tuple(rules), hashes=tuple(hashes), workers=1, caching=False
        )
        return frozenset(found.rule for found in scanning.scan(asked, machine).hits)

    return hit
