"""Where registry keys are read from: one function for each kind of source, all with one answer."""

from __future__ import annotations

from sakimori.endpoint.registry.found import HiveRead, Problem
from sakimori.endpoint.registry.hive import read_hive

__all__ = ["HiveRead", "Problem", "read_hive"]
