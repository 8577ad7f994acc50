"""JSON documents, whole: MISP and STIX cannot be cut into records without reading them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from sakimori.errors import SourceError
from sakimori.intel import _open

if TYPE_CHECKING:
    from pathlib import Path


def document(path: Path) -> Any:
    """Return the parsed document.

    Raises SourceError when it is unreadable, no JSON, or nested beyond reason.
    """
    try:
        return json.loads(_open.whole(path))
    except (ValueError, RecursionError) as error:
        raise SourceError(
            f"is not valid JSON: {error}", where=str(path), hint="fetch or export the file again"
        ) from error


def objects(found: Any) -> list[dict[str, Any]]:
    """Return the objects in a list, or in nothing; what is no object is left out."""
    items = found if isinstance(found, list) else [found]
    return [item for item in items if isinstance(item, dict)]


def looks_like_json(head: bytes) -> bool:
    """Whether the text begins as an object or a list."""
    return _open.text_of(head).lstrip()[:1] in ("{", "[")
