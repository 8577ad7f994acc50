"""What was found, in the formats that others read. One file per format."""

from __future__ import annotations
