"""Cleaning one machine with recipes: look first, act on approval, undo after, count.

place = Place(root=Path("/mnt/image"), hives={"SOFTWARE": Path("SOFTWARE")})
looked = look(store, place, ["zeus"])                    # a dry run: changes nothing
done = clean(store, looked, actor="aiko")                # what was looked at is approved
undo(store, done.run)

Each run is kept in STORE/clean/RUN and in the machine's chain of evidence (see `deeds`).
"""

from __future__ import annotations

import secrets
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sakimori.app import deeds, registries
from sakimori.app.recipe_shelf import Chosen, chosen
from sakimori.endpoint.quarantine.lock import locked
from sakimori.endpoint.recipes import Cleaner, Found, Journal, Plan, System, Tree, find
from sakimori.endpoint.recipes.blobs import write_whole
from sakimori.endpoint.recipes.processes import live_processes
from sakimori.endpoint.recipes.system import live_units
from sakimori.endpoint.recipes.tree import NoTree
from sakimori.errors import ConfigError, EngineError, PartFailedError, RefusedError, SourceError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from sakimori.app.clean_history import Run
    from sakimori.endpoint.recipes import Finding, Outcome, Undone

FOLDER = "clean"  # in the store
REG = "changes.reg"  # in a run's folder: what Windows has to import where exports were given
_LIVE = Path("/")
_PATIENCE = 10.0  # seconds to wait for another cleaning


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Which machine: the live one, or a root folder, hive files by mount name, `.reg` exports.

    `root` None: no files are looked at, only hives or exports.
    """

    root: Path | None = _LIVE
    hives: Mapping[str, Path] = field(default_factory=dict)
    exports: tuple[Path, ...] = ()

    @property
    def live(self) -> bool:
        """Whether it is the machine that this runs on."""
        return self.root == _LIVE

    def as_plain(self) -> dict[str, Any]:
        """Return JSON values that `from_plain` reads: whole paths, for a later undo."""
        return {
            "live": self.live,
            "root": str(self.root.absolute()) if self.root is not None else None,
            "hives": {name: str(path.absolute()) for name, path in self.hives.items()},
            "exports": [str(path.absolute()) for path in self.exports],
        }

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> Place:
        """Return the place that a run's plan names."""
        root = Path(plain["root"]) if plain["root"] is not None else None
        return cls(
            root=_LIVE if plain["live"] else root,
            hives={name: Path(path) for name, path in plain["hives"].items()},
            exports=tuple(Path(path) for path in plain["exports"]),
        )


@dataclass(frozen=True, slots=True)
class Looked:
    """What was looked for, where, and what is there. `run` names the run that may follow."""

    run: str
    place: Place
    chosen: tuple[Chosen, ...]
    found: Found
    system: System
    begun: datetime
    seconds: float
    definitions: str = ""  # version of those that are active
    left_out: tuple[str, ...] = ()  # recipes for another platform than this machine's
    notes: tuple[str, ...] = ()  # what in hives or exports could not be read


@dataclass(frozen=True, slots=True)
class Cleaned:
    """One run that was carried out."""

    run: str
    outcomes: tuple[Outcome, ...]

    @property
    def bad(self) -> list[Outcome]:
        """What was not done though it was approved."""
        return [o for o in self.outcomes if o.outcome in ("refused", "failed")]


def now() -> datetime:
    """Return the time in UTC."""
    return datetime.now(UTC)


def system_of(
    place: Place,
    folder: Path,
    rules: Callable[[Path], frozenset[str]] | None = None,
    hook: Callable[[str], None] = lambda _step: None,
) -> System:
    """Return the machine. `folder` is the run's, for what is written about exports.

    Raises SourceError where its root or a hive cannot be read.
    """
    try:
        tree = Tree(place.root, hook) if place.root is not None else NoTree()
    except OSError as error:
        raise SourceError(
            error.strerror or "cannot be read", where=str(place.root), hint="check --root"
        ) from error
    return System(
        files=tree,
        registry=registries.opened(
            place.hives, place.exports, folder / REG, live=place.live, now=now()
        ),
        processes=live_processes() if place.live else None,
        units=live_units() if place.live else None,
        rules=rules,
    )


def look(
    store: Path,
    place: Place,
    wanted: Sequence[str] = (),
    *,
    rules: Callable[[Path], frozenset[str]] | None = None,
) -> Looked:
    """Look for what recipes name, without changing anything.

    `wanted` empty: all recipes that are at hand for this machine's platform. Raises SourceError for a
    recipe that is not right, with its line.
    """
    began = now()
    run = f"{began:%Y%m%d-%H%M%S}-{secrets.token_hex(3)}"
    picked = chosen(store, wanted)
    system = system_of(place, store / FOLDER / run, rules)
    fitting = picked if wanted else tuple(c for c in picked if _fits(c, system))
    found = find((c.recipe for c in fitting), system)
    left_out = tuple(c.recipe.name for c in picked if c not in fitting)
    return Looked(
        run=run,
        place=place,
        chosen=fitting,
        found=found,
        system=system,
        begun=began,
        seconds=(now() - began).total_seconds(),
        definitions=_definitions(store),
        left_out=left_out,
        notes=registries.notes(system.registry),
    )


def _fits(one: Chosen, system: System) -> bool:
    windows = system.registry is not None or bool(system.windows_folder())
    return windows or "linux" in one.recipe.platforms


def clean(
    store: Path,
    looked: Looked,
    *,
    only: Iterable[str] = (),
    actor: str = "",
    hook: Callable[[str], None] = lambda _step: None,
) -> Cleaned:
    """Do what was found and approved: all of it, or only findings with these ids.

    Raises RefusedError, with nothing done, when a recipe is not signed by someone trusted; ConfigError
    for an unknown id; PartFailedError when it was done but not recorded as evidence.
    """
    for one in looked.chosen:
        if not one.trusted:
            raise RefusedError(
                f"recipe {one.recipe.name}: {one.reason}",
                where=one.recipe.path,
                hint="have it signed, and trust the key: sakimori recipe trust KEY.pub",
            )
    plan = Plan(
        run=looked.run,
        begun=now(),
        actor=actor or _user(),
        definitions=looked.definitions,
        place=looked.place.as_plain(),
        recipes=tuple(one.as_plain() for one in looked.chosen),
        findings=_approved(looked.found.findings, frozenset(only)),
    )
    journal = Journal(store / FOLDER / plan.run)
    journal.begin(plan)
    _keep_hives(looked, journal.folder / "hives")
    return _carry_out(store, Cleaner(looked.system, _keeper(store), hook), journal, plan)


def _keep_hives(looked: Looked, folder: Path) -> None:
    """Copy the hives as they are, before anything in them is changed. Raises EngineError."""
    try:
        for name, path in looked.place.hives.items():
            folder.mkdir(mode=0o700, exist_ok=True)
            write_whole(folder / name, path.read_bytes())
    except OSError as error:
        raise EngineError(
            f"the hive cannot be kept: {error.strerror}",
            where=str(folder),
            hint="check free space; nothing was done",
        ) from error


def _definitions(store: Path) -> str:
    """Return the version of the definitions in use, "" where there are none."""
    from sakimori.endpoint.definitions.client import active  # noqa: PLC0415 - slow to import

    found = active(store / "definitions")
    return found.version if found else ""


def _user() -> str:
    from sakimori.app.evidencing import user  # noqa: PLC0415 - slow to import

    return user()


def _approved(findings: tuple[Finding, ...], only: frozenset[str]) -> tuple[Finding, ...]:
    for ident in only:
        if not any(f.id == ident for f in findings):
            raise ConfigError(
                f"no finding has the id {ident!r}", hint="run it without --yes and copy an id"
            )
    return tuple(f for f in findings if not only or f.id in only)


def _keeper(store: Path) -> Any:
    from sakimori.app.quarantining import opened  # noqa: PLC0415 - slow to import

    return opened(store, make=True)


@contextmanager
def _alone(store: Path) -> Iterator[None]:
    """Wait until no other process cleans or undoes. Raises StateError when one does not end."""
    folder = store / FOLDER
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with locked(folder, patience=_PATIENCE):
        yield


def _carry_out(store: Path, cleaner: Cleaner, journal: Journal, plan: Plan) -> Cleaned:
    with _alone(store):
        done = Cleaned(plan.run, tuple(cleaner.carry_out(journal, now())))
    deeds.record_all(
        store,
        "clean",
        [
            {
                "run": plan.run, "family": o.finding.family, "recipe": o.finding.recipe,
                "version": o.finding.version, "where": o.finding.where, "what": o.finding.deed,
                "outcome": o.outcome, "reason": o.reason,
            }
            for o in done.outcomes
        ] or [{"run": plan.run, "outcome": "nothing found"}],
        plan.actor,
    )  # fmt: skip
    return done


def resume(store: Path, run: str) -> Cleaned:
    """Go on with a run that was interrupted; what was approved then is done, nothing else."""
    journal = Journal.of(store / FOLDER, run)
    plan = journal.plan()
    if journal.progress().state == "done":
        raise RefusedError(f"run {run} is done", hint="start a new run: sakimori clean")
    cleaner = Cleaner(system_of(Place.from_plain(plan.place), journal.folder), _keeper(store))
    return _carry_out(store, cleaner, journal, plan)


def undo(store: Path, run: str, *, force: bool = False, actor: str = "") -> list[Undone]:
    """Undo a run, last deed first. What changed since is left as it is, unless forced."""
    journal = Journal.of(store / FOLDER, run)
    plan = journal.plan()
    cleaner = Cleaner(system_of(Place.from_plain(plan.place), journal.folder), _keeper(store))
    with _alone(store):
        undone = cleaner.undo(journal, now(), force=force)
    bodies = [
        {"run": run, "where": u.finding.where, "what": u.act.word, "outcome": u.outcome}
        for u in undone
    ]
    deeds.record_all(store, "clean undo", bodies or [{"run": run, "outcome": "nothing"}], actor)
    return undone


def check_undone(undone: list[Undone]) -> None:
    """Raise PartFailedError where something was not put back that could be."""
    left = [u for u in undone if u.outcome in ("refused", "failed")]
    if left:
        raise PartFailedError(
            f"not undone: {len(left)}, such as {left[0].finding.where}: {left[0].reason}",
            hint="look at the differences; --force puts back what was there before",
        )


def check_cleaned(cleaned: Cleaned) -> None:
    """Raise PartFailedError where something that was approved was not done."""
    if cleaned.bad:
        first = cleaned.bad[0]
        raise PartFailedError(
            f"not cleaned: {len(cleaned.bad)}, such as {first.finding.where}: {first.reason}",
            hint="what changed meanwhile is left alone; look again",
        )


def to_import(store: Path, run: str) -> list[Path]:
    """Return the `.reg` file that a run wrote for Windows to import, if it did."""
    path = store / FOLDER / run / REG
    return [path] if path.exists() else []


def runs(store: Path) -> list[Run]:
    """Return every run, the oldest first; see `clean_history`."""
    from sakimori.app import clean_history  # noqa: PLC0415 - it reads what this module writes

    return clean_history.runs(store)


def check_asked(only: Sequence[str], *, yes: bool) -> None:
    """Raise ConfigError where findings are chosen and nothing is to be done."""
    if only and not yes:
        raise ConfigError("--only chooses what is done", hint="add --yes")


def place_of(root: Path | None, hives: Sequence[str], exports: Sequence[Path]) -> Place:
    """Return the place that options name.

    Hives or exports alone: only the registry is looked at. A root alone that holds Windows brings its
    own SOFTWARE and SYSTEM hives; people's NTUSER.DAT are named one by one.
    """
    alone = None if hives or exports else _LIVE
    given = hives_of(hives)
    if root is not None and not given and not exports:
        given = _own_hives(root)
    return Place(root=root or alone, hives=given, exports=tuple(exports))


def _own_hives(root: Path) -> dict[str, Path]:
    try:
        tree = Tree(root)
    except OSError:
        return {}  # told when it is looked at
    folder = System(tree).windows_folder()
    places = {
        name: tree.resolve(f"{folder}/System32/config/{name}", fold=True)
        for name in ("SOFTWARE", "SYSTEM")
        if folder
    }
    return {name: tree.real(path) for name, path in places.items() if path is not None}


def hives_of(given: Sequence[str]) -> dict[str, Path]:
    """Return hives from NAME=FILE words. Raises ConfigError for others."""
    hives: dict[str, Path] = {}
    for word in given:
        name, equals, path = word.partition("=")
        if not equals or not name or not path:
            raise ConfigError(f"{word!r} is no NAME=FILE", hint="such as SOFTWARE=hives/SOFTWARE")
        hives[name.upper()] = Path(path)
    return hives
