"""Definitions: everything that says what is bad, read and compiled once for many files."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

from sakimori.endpoint.scan import _ndb, _rules, _sources
from sakimori.endpoint.scan._hashes import Hashes
from sakimori.endpoint.scan._sources import COMPILED, HASH_ENDS, RULE_ENDS, Source, Warned
from sakimori.errors import SourceError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sakimori.endpoint.scan._rules import Compiled

_KEPT = 3  # compiled rule sets in the cache folder


@dataclass(frozen=True, slots=True, kw_only=True)
class Definitions:
    """Compiled rules and hash sets.

    `version` names their content: two machines with the same files have the same. `warnings` are
    rules and lines that are not used, with file and line.
    """

    version: str
    compiled: tuple[Compiled, ...]
    hashes: Hashes
    warnings: tuple[Warned, ...]

    @property
    def rules(self) -> int:
        """How many YARA rules and body signatures there are."""
        return sum(compiled.count for compiled in self.compiled)


def load(
    rules: Sequence[Path] = (),
    hashes: Sequence[Path] = (),
    *,
    builtin: bool = True,
    cache: Path | None = None,
) -> Definitions:
    """Read and compile definitions; `cache` is a folder that keeps compiled rules for the next time.

    `rules` are .yar and .yara files, folders of them, or a file of compiled rules (see `save`).
    `hashes` are .hdb, .hsb, .ndb and plain lists, or folders of them. With `builtin`, also the two
    harmless rules that come along. Raises SourceError when a path is missing or nothing compiles.
    """
    yara, told = _sources.read(rules, RULE_ENDS)
    lists, more = _sources.read(hashes, HASH_ENDS)
    bodies = [s for s in lists if s.path.lower().endswith((".ndb", ".ndu"))]
    sums = Hashes([s for s in lists if s not in bodies])
    ready = [s for s in yara if s.data.startswith(COMPILED)]
    texts = [_sources.builtin()] if builtin else []
    texts += [s for s in yara if s not in ready]
    compiled = [_rules.unpacked(s.data, s.path) for s in ready]
    if texts or bodies:
        compiled.insert(0, _compiled(texts, bodies, cache))
    warnings = [*told, *more, *sums.warnings, *(w for c in compiled for w in c.warnings)]
    definitions = Definitions(
        version=_version([*texts, *ready, *lists]),
        compiled=tuple(compiled),
        hashes=sums,
        warnings=tuple(warnings),
    )
    if rules or hashes or not builtin:
        _refuse_nothing(definitions, [*rules, *hashes], builtin=builtin)
    return definitions


def _refuse_nothing(definitions: Definitions, given: Sequence[Path], *, builtin: bool) -> None:
    """Raise when what was named holds not one rule or hash that can be used."""
    own = _sources.builtin().data.count(b"\nrule ") if builtin else 0
    if definitions.rules > own or len(definitions.hashes):
        return
    first = definitions.warnings[0] if definitions.warnings else None
    raise SourceError(
        first.reason if first else "no rule and no hash is in what was named",
        where=first.where if first else ", ".join(map(str, given[:3])),
        hint="name .yar files, .hdb, .hsb or .ndb signatures, or lists of hashes",
    )


def _version(sources: Sequence[Source]) -> str:
    parts = sorted(f"{Path(s.path).name}\0{s.digest}" for s in sources)
    return sha256("\n".join(parts).encode("utf-8", "surrogatepass")).hexdigest()[:16]


def _compiled(texts: Sequence[Source], bodies: Sequence[Source], cache: Path | None) -> Compiled:
    file = cache / f"{_rules.digest([*texts, *bodies])[:32]}.sakirules" if cache else None
    if file is not None and (kept := _kept(file)):
        return kept
    builder = _rules.Builder()
    for source in texts:
        text, warned = _rules.text_of(source)
        builder.warnings += warned
        builder.add(text, _rules.Origin(source.path, source.licence))
    for source in bodies:
        text, warned = _ndb.as_yara(source)
        builder.warnings += warned
        builder.add(text, _rules.Origin(source.path, source.licence, "ndb"))
    compiled = builder.build()
    if file is not None:
        with suppress(OSError):  # a cache that cannot be written costs time, nothing else
            save(compiled, file)
            _tidy(file)
    return compiled


def _kept(file: Path) -> Compiled | None:
    try:
        return _rules.unpacked(file.read_bytes(), str(file))
    except (OSError, SourceError):
        return None


def save(compiled: Compiled, file: Path) -> None:
    """Write compiled rules aside, then rename; only their owner may read or change them.

    Compiled rules are code: read none that somebody else could have written.
    """
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    aside = file.with_name(f".{file.name}.{uuid4().hex[:8]}")
    aside.touch(mode=0o600)
    aside.write_bytes(_rules.packed(compiled))
    aside.replace(file)


def _tidy(file: Path) -> None:
    kept = sorted(file.parent.glob("*.sakirules"), key=lambda f: f.stat().st_mtime, reverse=True)
    for old in kept[_KEPT:]:
        old.unlink(missing_ok=True)
