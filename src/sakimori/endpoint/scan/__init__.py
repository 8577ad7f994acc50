"""Scanning: rules, hash sets and what is inside containers, over files or whole trees.

`load` reads definitions once; a `Scanner` looks at one file or one piece of data; `Pool` shares
compiled rules between processes; `walk` finds files; `Cache` remembers what did not change.
"""

from __future__ import annotations

from sakimori.endpoint.scan.definitions import Definitions, load
from sakimori.endpoint.scan.scanner import Looked, Scanner, Settings

__all__ = ["Definitions", "Looked", "Scanner", "Settings", "load"]
