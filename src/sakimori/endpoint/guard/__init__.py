"""Real-time scanning: what is written or renamed in a folder is looked at, at once.

The machine comes first: the guard scans beside what writes, in one thread with a budget, and holds
nothing up. What could not be seen as it happened (a stop, an overflow of the kernel's queue) is found
by comparing the folder with what was seen before.
"""

from __future__ import annotations
