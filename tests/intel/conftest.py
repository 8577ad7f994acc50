from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from sakimori.intel import Options, load

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from typing import Any

    from sakimori.intel import Reject

    Loaded = tuple[list[dict[str, Any]], list[Reject]]


@pytest.fixture(scope="session")
def now() -> datetime:
    return datetime(2026, 3, 1, tzinfo=UTC)


@pytest.fixture(scope="session")
def loaded(tmp_path_factory: pytest.TempPathFactory, now: datetime) -> Callable[..., Loaded]:
    """Write text or bytes to a file and load it; session-wide, so that hypothesis may use it."""
    path: Path = tmp_path_factory.mktemp("intel") / "feed"

    def load_it(content: str | bytes, **options: Any) -> Loaded:
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        rows, rejects = load(path, Options("feed", **options), now)
        return rows.to_pylist(), rejects

    return load_it
