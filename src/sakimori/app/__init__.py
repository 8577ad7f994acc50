"""The use cases, and the only orchestrator: import, hunt, explain, allow, keep the lake tidy."""

from __future__ import annotations
