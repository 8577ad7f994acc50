"""What was found, in the formats that others read. One file per format.

To add one: write `<format>.py` with NAME, TITLE and `export` (copy `ecs.py`), list it in BUILTIN, add
`tests/exporters/test_<format>.py`.
"""

from __future__ import annotations

from difflib import get_close_matches
from importlib.metadata import entry_points

from sakimori.errors import ConfigError
from sakimori.exporters import csv_file, ecs, intelmq, misp, n6, ocsf, stix
from sakimori.exporters._contract import TLP, Exporter, Item, Sharing, check_tlp, strictest
from sakimori.exporters._gate import Gate, gate
from sakimori.exporters._report import of_report

__all__ = [
    "BUILTIN", "TLP", "Exporter", "Gate", "Item", "Sharing", "check_tlp", "exporter_named", "gate",
    "load_all", "of_report", "strictest",
]  # fmt: skip

BUILTIN: tuple[Exporter, ...] = (stix, misp, ocsf, ecs, csv_file, intelmq, n6)


def load_all() -> dict[str, Exporter]:
    """Return every exporter by name: ours, then those of installed plugins.

    Raises:
        ValueError: two exporters have one name.
    """
    plugins = [point.load() for point in entry_points(group="sakimori.exporters")]
    found: dict[str, Exporter] = {}
    for exporter in (*BUILTIN, *plugins):
        if exporter.NAME in found:
            raise ValueError(f"two exporters are named {exporter.NAME!r}")
        found[exporter.NAME] = exporter
    return found


def exporter_named(name: str) -> Exporter:
    """Return an exporter. Raises ConfigError for an unknown name."""
    known = load_all()
    if name not in known:
        near = get_close_matches(name, known, 1)
        raise ConfigError(f"no export format is named {name!r}",
                          hint=f"did you mean {near[0]}?" if near else ", ".join(known))  # fmt: skip
    return known[name]
