"""Findings -> infected hosts, controllers, botnets, families, and why."""

from __future__ import annotations
