"""Where telemetry lives and is queried: the Parquet lake, and DuckDB through ibis."""

from __future__ import annotations
