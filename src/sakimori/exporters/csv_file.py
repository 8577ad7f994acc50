"""CSV, one row per controller or bot, safe to open in a spreadsheet."""

from __future__ import annotations

import csv
import io

from sakimori.exporters._contract import Item, Sharing, stamp
from sakimori.hostile import csv_safe

NAME = "csv"
TITLE = "CSV"
ROLES: tuple[str, ...] = ("controller", "bot")

COLUMNS = ("role", "kind", "value", "port", "score", "families", "botnet", "does", "peers",
           "first_seen", "last_seen", "tlp")  # fmt: skip


def export(sharing: Sharing) -> str:
    """Return a table with a header, also of nothing."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows(_row(item) for item in sharing.items)
    return text.getvalue()


def _row(item: Item) -> list[str]:
    cells = (
        item.role, item.kind, item.value, "" if item.port is None else str(item.port),
        f"{item.score:.4g}", " ".join(item.families), item.botnet, " ".join(item.does),
        " ".join(item.peers), stamp(item.first_seen) or "", stamp(item.last_seen) or "",
        str(item.tlp),
    )  # fmt: skip
    return [csv_safe(cell) for cell in cells]
