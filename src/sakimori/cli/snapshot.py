"""`snapshot`: record a machine's state, and say what differs between two records."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from sakimori.cli import _output as out
from sakimori.cli._app import As, Config, Format, In
from sakimori.cli._app import snapshot as group

_OBJECTS = "registry, file, package, service, job, user, socket or module"
_Only = Annotated[
    list[str] | None,
    typer.Option("--only", metavar="OBJECT", help=f"Only these: {_OBJECTS}; repeat for more."),
]
_Snap = Annotated[Path, typer.Argument(metavar="FILE", help="A snapshot.")]


@group.command("take", epilog="Example: sakimori snapshot take --out before.snap")
def take(  # noqa: PLR0913, PLR0917 - one parameter per option
    file: Annotated[Path, typer.Option("--out", "-o", help="Write the snapshot here.")],
    root: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Take the machine whose files are here, not this one."),
    ] = None,
    hive: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=FILE", help="Take a registry hive, keys as NAME\\...; repeat."),
    ] = None,
    reg: Annotated[
        list[Path] | None,
        typer.Option(metavar="FILE", help="Take a registry export (.reg); repeat for more."),
    ] = None,
    path: Annotated[
        list[Path] | None,
        typer.Option(metavar="DIR", help="Take files here, not in the usual folders; repeat."),
    ] = None,
    exclude: Annotated[
        list[str] | None,
        typer.Option(metavar="GLOB", help="Leave out what matches, on the whole path; repeat."),
    ] = None,
    only: _Only = None,
    machine: Annotated[
        str, typer.Option(help="Name of the machine in the snapshot; default: its host name.")
    ] = "",
    threads: Annotated[int, typer.Option(min=1, max=64, help="Threads that hash files.")] = 2,
    form: As = Format.table,
    lang: In = None,
    config: Config = None,
) -> None:
    """Record files, packages, services, jobs, users, sockets, modules and the registry in one file.

    Reads only. Without --root, --hive and --reg it takes this machine; with only --hive and --reg, only
    these. As root it sees everything; what cannot be read is told and kept in the file.
    """
    from datetime import UTC, datetime  # noqa: PLC0415

    from sakimori import config as settings  # noqa: PLC0415
    from sakimori.app import snapshot_telling, snapshotting  # noqa: PLC0415

    chosen = settings.load(config, options={"lang": lang})
    asked = snapshotting.Asked(
        root=root, hives=tuple(snapshotting.hive(one) for one in hive or ()),
        exports=tuple(reg or ()), paths=tuple(path or ()), excludes=tuple(exclude or ()),
        only=tuple(only or ()), threads=threads,
    )  # fmt: skip
    with _counting() as tick, _no_collecting():
        taken = snapshotting.take(
            asked, file, now=datetime.now(UTC), machine=machine or chosen.machine.name, tick=tick
        )
    if form is not Format.table:
        out.print_rows([snapshot_telling.taken_object(taken)], form, ("path", "records", "size"))
    for line in snapshot_telling.taken_lines(taken, chosen.lang):
        out.say(line)


@group.command("diff", epilog="Example: sakimori snapshot diff before.snap after.snap --lang ja")
def diff(  # noqa: PLR0913, PLR0917 - one parameter per option
    before: Annotated[Path, typer.Argument(metavar="A", help="The earlier snapshot.")],
    after: Annotated[Path, typer.Argument(metavar="B", help="The later snapshot.")],
    only: _Only = None,
    autoruns: Annotated[
        bool, typer.Option("--autoruns", help="Only what starts by itself.")
    ] = False,
    limit: Annotated[
        int, typer.Option(min=1, help="Changes of each kind in a table; JSON and CSV have all.")
    ] = 1000,
    form: As = Format.table,
    lang: In = None,
    config: Config = None,
) -> None:
    """Say what changed between two snapshots, in layers: content, type, access, owner, mode, time.

    A text that lost its terminating NUL, a key with a new access list and a time that moved are
    different findings. What only one of the two looked at is not compared, and told.
    """
    from sakimori import config as settings  # noqa: PLC0415
    from sakimori.app import snapshot_telling, snapshotting  # noqa: PLC0415
    from sakimori.i18n import Translator  # noqa: PLC0415

    language = settings.load(config, options={"lang": lang}).lang
    with _no_collecting():
        compared = snapshotting.compare(before, after, only=tuple(only or ()), autoruns=autoruns)
    if form is Format.json:
        out.print_json(snapshot_telling.as_object(compared))
    elif form is Format.csv:
        rows = snapshot_telling.rows(compared, Translator(language))
        out.print_rows(rows, form, snapshot_telling.COLUMNS)
    else:
        out.print_blocks(snapshot_telling.tell(compared, language, limit).blocks)


@group.command("show", epilog="Example: sakimori snapshot show before.snap --only service")
def show(  # noqa: PLR0913, PLR0917 - one parameter per option
    file: _Snap,
    only: _Only = None,
    key: Annotated[
        str, typer.Option(metavar="GLOB", help="Only records whose key matches, such as */ssh*.")
    ] = "",
    form: As = Format.table,
    lang: In = None,
    config: Config = None,
) -> None:
    """Check a snapshot and say what is in it; with --only or --key, print those records."""
    from sakimori import config as settings  # noqa: PLC0415
    from sakimori.app import snapshot_telling, snapshotting  # noqa: PLC0415

    language = settings.load(config, options={"lang": lang}).lang
    read, records = snapshotting.look(file, only=tuple(only or ()), key=key)
    if form is Format.json:
        out.print_json(snapshot_telling.summary_object(read, records))
    elif form is Format.csv or only or key:
        rows = [snapshot_telling.record_row(record) for record in records]
        out.print_rows(rows, form, ("object", "key", "name", "state"))
    else:
        out.print_blocks(snapshot_telling.tell_one(read, language).blocks)


@contextmanager
def _no_collecting() -> Iterator[None]:
    """Leave the garbage collector out: many small objects, and not one cycle."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


@contextmanager
def _counting() -> Iterator[Callable[[int], None]]:
    """Count records on stderr where that is a terminal."""
    shown = sys.stderr.isatty()

    def tick(count: int) -> None:
        if shown:
            print(f"\r{count:,}", end="", file=sys.stderr, flush=True)

    yield tick
    if shown:
        print("\r", end="", file=sys.stderr, flush=True)
