"""Recipes from YAML: read, checked, and refused with file and line where anything is not right."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from sakimori.endpoint.recipes import nodes
from sakimori.endpoint.recipes.items import item
from sakimori.endpoint.recipes.model import FORMAT, PLATFORMS, Recipe, Source, digest
from sakimori.errors import SourceError

if TYPE_CHECKING:
    from pathlib import Path

    from sakimori.endpoint.recipes.model import Item
    from sakimori.endpoint.recipes.nodes import Node

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
_FOLDED = re.compile(r"(?<=[^\x00-\x7f]) (?=[^\x00-\x7f])")
_NEEDED = ("recipe", "name", "family", "version", "date", "platforms", "about", "sources", "items")
_KNOWN = (*_NEEDED, "aliases")
_SOURCE = ("id", "title", "organisation", "date", "reference")


def load(path: Path) -> Recipe:
    """Return the recipe in a file. Raises SourceError with `file:line`."""
    return parse(read_bytes(path), str(path))


def read_bytes(path: Path) -> bytes:
    """Return a recipe file's bytes, as they are signed. Raises SourceError."""
    try:
        if path.stat().st_size > nodes.LARGEST:
            raise SourceError(f"larger than {nodes.LARGEST:,} bytes", where=str(path))
        return path.read_bytes()
    except OSError as error:
        raise SourceError(
            error.strerror or "cannot be read",
            where=str(path),
            hint="`sakimori recipe list` shows the names of recipes",
        ) from error


def parse(data: bytes, file: str) -> Recipe:
    """Return the recipe in these bytes. `file` is what errors name. Raises SourceError."""
    root = nodes.read(data, file)
    given = root.fields(_KNOWN, _NEEDED)
    if given["recipe"].number(0, 1_000_000) != FORMAT:
        given["recipe"].wrong(f"only format {FORMAT} is known", "is there a newer Sakimori?")
    sources = tuple(_source(entry) for entry in given["sources"].list())
    _unlike(given["sources"], [s.id for s in sources])
    return Recipe(
        name=_name(given["name"]),
        family=given["family"].text(),
        version=given["version"].number(1, 1_000_000),
        date=given["date"].day(),
        about=_about(given["about"]),
        sources=sources,
        items=_items(given["items"], frozenset(s.id for s in sources)),
        platforms=tuple(p.choice(PLATFORMS) for p in given["platforms"].list()),
        aliases=given["aliases"].texts() if "aliases" in given else (),
        path=file,
        sha256=digest(data),
    )


def _name(node: Node) -> str:
    text = node.text()
    if not _NAME.fullmatch(text):
        node.wrong(f"{text!r} is no name", "small letters, digits and hyphens")
    return text


def _about(node: Node) -> dict[str, str]:
    """Return the sentences on the family; English and Japanese are both needed.

    YAML folds lines with a space, which Japanese has none of.
    """
    given = node.fields(("en", "ja"), ("en", "ja"))
    return {"en": given["en"].text(), "ja": _FOLDED.sub("", given["ja"].text())}


def _source(node: Node) -> Source:
    given = node.fields(_SOURCE, ("id", "title", "organisation"))
    return Source(
        id=given["id"].text(),
        title=given["title"].text(),
        organisation=given["organisation"].text(),
        date=given["date"].day() if "date" in given else "",
        reference=given["reference"].text() if "reference" in given else "",
    )


def _unlike(node: Node, idents: list[str]) -> None:
    for ident in idents:
        if idents.count(ident) > 1:
            node.wrong(f"two sources have the id {ident!r}")


def _items(node: Node, sources: frozenset[str]) -> tuple[Item, ...]:
    return tuple(item(entry, sources) for entry in node.list())
