"""Sakimori: find the bots in a network, and the servers that command them.

>>> import sakimori
>>> with sakimori.open() as workspace:  # a temporary one; give a folder to keep it
...     workspace.sources()
[]
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    from sakimori.app.workspace import Workspace

__version__ = "0.1.0"
__all__ = ["__version__", "open"]


def open(workspace: str | Path | None = None, **options: Any) -> Workspace:  # noqa: A001
    """Open a workspace: a folder, or None for a temporary one that is gone when closed.

    Options override the settings: `internal` (CIDRs), `lang`. Raises ConfigError and StateError.
    """
    from sakimori.app.workspace import open_workspace  # noqa: PLC0415 - the engine is slow to import

    return open_workspace(workspace, **options)
