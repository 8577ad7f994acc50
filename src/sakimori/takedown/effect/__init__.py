"""What an action did to a botnet: series of counts before and after it, told with their doubt.

`effects` measures, `registered` writes a plan beforehand, `chart` draws, `survival` follows
infections. Everything takes plain values and gives plain values.
"""

from __future__ import annotations

from sakimori.takedown.effect.notes import NOTES, Note
from sakimori.takedown.effect.result import Effect, Options, effects
from sakimori.takedown.effect.series import Series, Unit, on_grid

__all__ = ["NOTES", "Effect", "Note", "Options", "Series", "Unit", "effects", "on_grid"]
