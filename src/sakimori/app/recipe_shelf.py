"""Recipes that are at hand, and who vouches for each.

Those in the package are trusted as the package is; those of the active definitions were verified when
they were fetched (TUF); any other needs a signature by a key that this machine's store trusts.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sakimori.endpoint.recipes import parse, read_bytes, sign
from sakimori.errors import ConfigError, SakimoriError, SourceError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sakimori.endpoint.recipes import Recipe

SHIPPED, DEFINITIONS, SIGNED, UNSIGNED = "shipped", "definitions", "signed", "unsigned"


@dataclass(frozen=True, slots=True)
class Chosen:
    """One recipe with where it comes from. `key` signed it; `reason` says why it is not trusted."""

    recipe: Recipe
    origin: str
    key: str = ""
    reason: str = ""

    @property
    def trusted(self) -> bool:
        """Whether it may be acted on."""
        return self.origin != UNSIGNED

    def as_plain(self) -> dict[str, Any]:
        """Return it as JSON values, without its items."""
        return {
            "name": self.recipe.name,
            "family": self.recipe.family,
            "aliases": list(self.recipe.aliases),
            "version": self.recipe.version,
            "date": self.recipe.date,
            "platforms": list(self.recipe.platforms),
            "items": len(self.recipe.items),
            "origin": self.origin,
            "trusted": self.trusted,
            "key": self.key,
            "reason": self.reason,
            "sha256": self.recipe.sha256,
            "path": self.recipe.path,
        }


def _shipped() -> Iterator[Path]:
    folder = Path(str(files("sakimori.endpoint.recipes").joinpath("data")))
    yield from sorted(folder.glob("*.yaml"))


def _active(store: Path) -> list[Chosen]:
    """Return the recipes of the active definitions; one that is not as published is not trusted."""
    from sakimori.endpoint.definitions.client import active, damaged  # noqa: PLC0415 - slow

    version = active(store / "definitions")
    if version is None:
        return []
    changed = set(damaged(version))
    found = []
    for path in sorted(version.files("recipes")):
        recipe = parse(read_bytes(path), f"{version.version}/{path.name}")
        if path.relative_to(version.folder).as_posix() in changed:
            found.append(Chosen(recipe, UNSIGNED, reason="it was changed since it was fetched"))
        else:
            found.append(Chosen(recipe, DEFINITIONS))
    return found


def shelf(store: Path) -> list[Chosen]:
    """Return the shipped recipes and those of the active definitions; of one name the newest.

    Raises SourceError for one that is not right.
    """
    shipped = [Chosen(parse(read_bytes(path), path.name), SHIPPED) for path in _shipped()]
    found: dict[str, Chosen] = {}
    for one in (*shipped, *_active(store)):
        known = found.get(one.recipe.name)
        if known is None or one.recipe.version >= known.recipe.version:
            found[one.recipe.name] = one
    return [found[name] for name in sorted(found)]


def of_file(store: Path, path: Path) -> Chosen:
    """Return the recipe in a file, with whether its signature is by a trusted key."""
    data = read_bytes(path)
    recipe = parse(data, str(path))
    verdict = sign.verify(path, data, store / "keys")
    if verdict.good:
        return Chosen(recipe, SIGNED, verdict.key)
    return Chosen(recipe, UNSIGNED, verdict.key, verdict.reason)


def chosen(store: Path, wanted: Sequence[str] = ()) -> tuple[Chosen, ...]:
    """Return the wanted recipes, by name or file; all on the shelf when none is.

    Raises ConfigError for an unknown name.
    """
    known = {one.recipe.name: one for one in shelf(store)}
    if not wanted:
        return tuple(known.values())
    return tuple(_named(store, known, word) for word in dict.fromkeys(wanted))


def _named(store: Path, known: dict[str, Chosen], word: str) -> Chosen:
    if word in known:
        return known[word]
    if word.endswith((".yaml", ".yml")) or "/" in word or "\\" in word:
        return of_file(store, Path(word))
    raise ConfigError(
        f"no recipe is named {word!r}",
        hint=f"known: {', '.join(known)}; a file ends in .yaml",
    )


@dataclass(frozen=True, slots=True)
class Checked:
    """Recipe files that are right, and one line for each that is not."""

    good: tuple[Chosen, ...]
    wrong: tuple[str, ...]

    def check(self) -> None:
        """Raise SourceError where a file is not right."""
        if self.wrong:
            raise SourceError(f"{len(self.wrong)} recipes are not right: {self.wrong[0]}")


def check_files(store: Path, paths: Sequence[Path]) -> Checked:
    """Return which recipe files are right."""
    good, wrong = list[Chosen](), list[str]()
    for path in paths:
        try:
            good.append(of_file(store, path))
        except SakimoriError as error:
            wrong.append(str(error) + (f" ({error.hint})" if error.hint else ""))
    return Checked(tuple(good), tuple(wrong))


def sign_files(paths: Sequence[Path], key: Path, *, make: bool = False) -> str:
    """Sign recipe files, once all are right; with `make` the key is made. Returns its fingerprint.

    Raises SourceError for a recipe that is not right: then nothing is signed.
    """
    datas = {path: read_bytes(path) for path in paths}
    for path, data in datas.items():
        parse(data, str(path))
    ident = sign.new_key(key) if make else ""
    for path, data in datas.items():
        ident = sign.sign(path, data, key)
    return ident
