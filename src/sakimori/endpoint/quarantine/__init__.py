"""Files locked up so that they cannot run, and put back exactly as they were.

held = Quarantine(store / "quarantine", open_key(store / "keys"))
entry = held.take(path, rule="Eicar", family="", definitions="7", reason="scan", now=now)
held.restore(entry.id, now=now)
"""

from __future__ import annotations

from sakimori.endpoint.quarantine.key import open_key
from sakimori.endpoint.quarantine.model import Attributes, Entry, Fault, Recovered
from sakimori.endpoint.quarantine.quarantine import Quarantine

__all__ = ["Attributes", "Entry", "Fault", "Quarantine", "Recovered", "open_key"]
