"""YARA rules compiled: sets by what a file begins with, warnings, and a file to start from again."""

from __future__ import annotations

import io
import json
from dataclasses import asdict, dataclass
from hashlib import sha256
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from sakimori.endpoint.scan import _split
from sakimori.endpoint.scan._sources import COMPILED, Source, Warned
from sakimori.errors import SourceError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import yara_x

# What Loki and THOR give to rules from outside; signature-base uses them.
EXTERNALS = ("filename", "filepath", "extension", "filetype", "owner", "md5")


@dataclass(frozen=True, slots=True)
class Origin:
    """The file a rule came from, by the rule's namespace. `kind` is yara or ndb."""

    path: str
    licence: str
    kind: str = "yara"


class Pack:
    """Rules for files that begin with one of `heads` (None: for all). `uses`: outside names.

    Rules that come from a file are made ready when first asked for: that takes a second or two for
    thousands, and a scan in which nothing changed needs none.
    """

    def __init__(
        self,
        heads: frozenset[bytes] | None,
        uses: frozenset[str],
        made: yara_x.Rules | bytes,
    ) -> None:
        """Take rules, or what YARA-X wrote of them."""
        self.heads = heads
        self.uses = uses
        self._made = made

    @property
    def rules(self) -> yara_x.Rules:
        """The rules, ready to scan with. Raises SourceError when their file is damaged."""
        if isinstance(self._made, bytes):
            import yara_x  # noqa: PLC0415

            try:
                self._made = yara_x.Rules.deserialize_from(io.BytesIO(self._made))
            except (ValueError, OSError) as error:
                raise SourceError(f"compiled rules cannot be used: {error}") from error
        return self._made


@dataclass(frozen=True, slots=True)
class Compiled:
    """Rule sets ready to scan with; `origins` by namespace; `count` of rules."""

    packs: tuple[Pack, ...]
    origins: dict[str, Origin]
    warnings: tuple[Warned, ...]
    count: int


def digest(sources: Sequence[Source]) -> str:
    """Return what names these rules as this version of YARA-X compiles them."""
    parts = [
        COMPILED.decode(),
        version("yara-x"),
        *(f"{s.path}\0{s.licence}\0{s.digest}" for s in sources),
    ]
    return sha256("\n".join(parts).encode("utf-8", "surrogatepass")).hexdigest()


class Builder:
    """Takes sources one by one; every rule that does not compile is a warning."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self._makers: dict[str, yara_x.Compiler] = {}
        self._heads: dict[str, set[bytes]] = {"any": set(), "program": set(), "other": set()}
        self._uses: dict[str, set[str]] = {"any": set(), "program": set(), "other": set()}
        self.origins: dict[str, Origin] = {}
        self.warnings: list[Warned] = []

    def add(self, text: str, origin: Origin) -> None:
        """Add one file's rules, in a namespace of their own."""
        space = f"s{len(self.origins)}"
        self.origins[space] = origin
        for part in _split.split(text):
            name = _name(part.heads)
            maker = self._maker(name)
            maker.new_namespace(space)
            self._heads[name] |= part.heads or frozenset()
            self._uses[name] |= part.words.intersection(EXTERNALS)
            try:
                maker.add_source(part.text, origin=space)
            except (ValueError, _compile_error()) as error:  # kept by the compiler, told below
                if not maker.errors():
                    self.warnings.append(Warned(origin.path, str(error).splitlines()[0]))

    def _maker(self, name: str) -> yara_x.Compiler:
        if name not in self._makers:
            import yara_x  # noqa: PLC0415 - slow to import

            maker = yara_x.Compiler(relaxed_re_syntax=True, includes_enabled=False)
            maker.ignore_invalid_rules(True)
            maker.max_warnings(0)
            for external in EXTERNALS:
                maker.define_global(external, "")
            self._makers[name] = maker
        return self._makers[name]

    def build(self) -> Compiled:
        """Compile. Returns what there is, with a warning for each rule left out."""
        packs = []
        count = 0
        for name, maker in sorted(self._makers.items()):
            self._tell(maker.errors())
            rules = maker.build()
            held = sum(1 for _ in rules)
            if held:
                heads = None if name == "any" else frozenset(self._heads[name])
                packs.append(Pack(heads, frozenset(self._uses[name]), rules))
            count += held
        return Compiled(tuple(packs), self.origins, tuple(dict.fromkeys(self.warnings)), count)

    def _tell(self, errors: Iterable[dict[str, Any]]) -> None:
        for error in errors:
            labels = error.get("labels") or [{}]
            space = labels[0].get("code_origin") or ""
            origin = self.origins.get(space)
            notes = "; ".join(label.get("text", "") for label in labels[:1])
            reason = ": ".join(part for part in (error.get("title", ""), notes) if part)
            where = f"{origin.path if origin else space}:{error.get('line', 0)}"
            self.warnings.append(Warned(where, reason or "does not compile"))


def _name(heads: frozenset[bytes] | None) -> str:
    if heads is None:
        return "any"
    return "program" if heads == _split.PROGRAM else "other"


def _compile_error() -> type[Exception]:
    import yara_x  # noqa: PLC0415

    return yara_x.CompileError


def text_of(source: Source) -> tuple[str, list[Warned]]:
    """Return a source's text; bytes that are no UTF-8 are replaced, with a warning."""
    try:
        return source.data.decode("utf-8-sig"), []
    except UnicodeDecodeError as error:
        line = source.data.count(b"\n", 0, error.start) + 1
        told = Warned(f"{source.path}:{line}", "not UTF-8; the bad bytes were replaced")
        return source.data.decode("utf-8-sig", errors="replace"), [told]


def packed(compiled: Compiled) -> bytes:
    """Return compiled rules as a file: a head in JSON, then each set as YARA-X writes it."""
    blobs = []
    for pack in compiled.packs:
        blob = io.BytesIO()
        pack.rules.serialize_into(blob)
        blobs.append(blob.getvalue())
    head = {
        "yara_x": version("yara-x"),
        "count": compiled.count,
        "origins": {space: asdict(origin) for space, origin in compiled.origins.items()},
        "warnings": [asdict(warned) for warned in compiled.warnings],
        "packs": [
            {
                "heads": None if pack.heads is None else sorted(h.hex() for h in pack.heads),
                "uses": sorted(pack.uses),
                "size": len(blob),
                "sha256": sha256(blob).hexdigest(),
            }
            for pack, blob in zip(compiled.packs, blobs, strict=True)
        ],
    }
    return b"".join([COMPILED, json.dumps(head).encode(), b"\n", *blobs])


def unpacked(data: bytes, where: str) -> Compiled:
    """Read what `packed` wrote. Raises SourceError for a damaged file or another YARA-X's."""
    try:
        return _unpacked(data)
    except (ValueError, KeyError, TypeError, OSError, IndexError) as error:
        raise SourceError(
            f"no compiled rules that can be used: {error}",
            where=where,
            hint="compile them again from their .yar files",
        ) from error


def _unpacked(data: bytes) -> Compiled:
    line, _, rest = data.removeprefix(COMPILED).partition(b"\n")
    head = json.loads(line)
    if head["yara_x"] != version("yara-x"):
        raise ValueError(f"made by YARA-X {head['yara_x']}, this is {version('yara-x')}")
    packs, at = [], 0
    for told in head["packs"]:
        blob = rest[at : at + told["size"]]
        at += told["size"]
        if sha256(blob).hexdigest() != told["sha256"]:
            raise ValueError("the content is damaged")
        heads = None if told["heads"] is None else frozenset(map(bytes.fromhex, told["heads"]))
        packs.append(Pack(heads, frozenset(told["uses"]), blob))
    return Compiled(
        tuple(packs),
        {space: Origin(**origin) for space, origin in head["origins"].items()},
        tuple(Warned(**warned) for warned in head["warnings"]),
        int(head["count"]),
    )
