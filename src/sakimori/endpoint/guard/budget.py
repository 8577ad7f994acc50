"""How much of a core the guard may use."""

from __future__ import annotations


class Budget:
    """A bucket of CPU seconds that fills at `share` of a core, up to `burst` seconds.

    A burst of files is looked at with all speed; a flood is worked off at the share.
    """

    def __init__(self, share: float, *, burst: float = 5.0, now: float = 0.0) -> None:
        """`share` is between 0 (exclusive) and 1 of one core. Raises ValueError otherwise."""
        if not 0 < share <= 1:
            raise ValueError(f"a share of {share} of a core")
        self._share, self._burst = share, burst
        self._left, self._at = burst, now

    def spend(self, seconds: float, now: float) -> float:
        """Take CPU seconds that were used; returns how long to rest before the next work."""
        self._left = min(self._burst, self._left + (now - self._at) * self._share) - seconds
        self._at = now
        return 0.0 if self._left >= 0 else -self._left / self._share
