"""JSON of files that others wrote: nesting, numbers and encodings may be anything."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from sakimori.errors import SourceError

if TYPE_CHECKING:
    from sakimori.endpoint.inventory.source import Source


def parsed(source: Source) -> Any:
    """Return the value of a source. Raises SourceError where it is no JSON, or nested too deep."""
    try:
        return json.loads(source.text)
    except json.JSONDecodeError as error:
        where = f"{source.name}:{error.lineno}"
        raise SourceError(f"this is no JSON: {error.msg}", where=where) from error
    except (RecursionError, ValueError) as error:
        raise SourceError("this JSON is nested too deep", where=source.name) from error


def objects(value: Any) -> list[dict[str, Any]]:
    """Return the objects of a list; an empty list for anything else."""
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def text(value: Any) -> str:
    """Return a text or number as text; "" for anything else."""
    if isinstance(value, bool) or value is None:
        return ""
    return str(value).strip() if isinstance(value, str | int | float) else ""


def part(value: Any, *names: str) -> Any:
    """Return what stands under names inside objects; None where one of them is missing."""
    for name in names:
        value = value.get(name) if isinstance(value, dict) else None
    return value
