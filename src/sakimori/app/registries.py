"""The registry of a machine that is cleaned: hive files, `.reg` exports, or live Windows."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from sakimori.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime
    from pathlib import Path

    from sakimori.endpoint.registry.access import Registry


def opened(
    hives: Mapping[str, Path], exports: Sequence[Path], out: Path, *, live: bool, now: datetime
) -> Registry | None:
    """Return the registry, None where there is none to look at.

    Hives are replaced in place. Changes to exports are written to `out` (and OUT.undo.reg): they are done
    when Windows imports it. Raises SourceError for what cannot be read, ConfigError for both at once.
    """
    if hives and exports:
        raise ConfigError("give hives or exports, not both", hint="run it once for each")
    if hives:
        from sakimori.endpoint.registry.edit import HiveRegistry  # noqa: PLC0415 - slow to import

        return HiveRegistry(hives, now=now)
    if exports:
        from sakimori.endpoint.registry.reg_edit import RegFileRegistry  # noqa: PLC0415

        return RegFileRegistry(exports, out)
    if live and os.name == "nt":
        from sakimori.endpoint.registry.live import LiveRegistry  # noqa: PLC0415
        from sakimori.endpoint.registry.windows import api  # noqa: PLC0415

        return LiveRegistry(api())
    return None


def notes(registry: Registry | None) -> tuple[str, ...]:
    """Return what in hives or exports could not be read, or was read from their logs."""
    told = getattr(registry, "notes", None)
    return tuple(told()) if told is not None else ()
