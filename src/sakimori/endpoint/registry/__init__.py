"""Windows registry from hive files, `.reg` exports or the live machine, in one shape."""

from __future__ import annotations
