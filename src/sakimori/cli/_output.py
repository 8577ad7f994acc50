"""Printing: tables for people, JSON and CSV for programs; hostile text made safe for each."""

from __future__ import annotations

import csv
import json
import sys
from datetime import datetime
from numbers import Number
from typing import TYPE_CHECKING, Any

from sakimori.cli._app import Format
from sakimori.hostile import csv_safe, defanged, is_unsafe, visible

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from sakimori.app.results import Progress
    from sakimori.app.telling import Block
    from sakimori.app.workspace import Workspace
    from sakimori.cli._app import Lang
    from sakimori.config import Settings
    from sakimori.i18n import Translator


_STYLES = {"infected": "bold red", "suspected": "yellow"}


def print_rows(rows: Sequence[Mapping[str, Any]], form: Format, columns: Sequence[str]) -> None:
    """Print rows; in a table and CSV only these columns."""
    if form is Format.json:
        print_json([dict(row) for row in rows])
    elif form is Format.csv:
        writer = csv.writer(sys.stdout)
        writer.writerow([csv_safe(c) for c in columns])
        writer.writerows([_csv_cell(row.get(c)) for c in columns] for row in rows)
    else:
        print_table(rows, columns)


def _csv_cell(value: Any) -> str:
    """Return a value as a cell of a spreadsheet; a negative number is no formula."""
    text = cell(value)
    return text if isinstance(value, Number) else csv_safe(text)


def print_table(
    rows: Sequence[Mapping[str, Any]],
    columns: Sequence[str],
    title: str = "",
    styles: Mapping[str, str] = _STYLES,
) -> None:
    """Print a table that fits the terminal; in a pipe, 160 columns. `styles` colours words."""
    from rich.console import Console  # noqa: PLC0415 - slow to import
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    console = Console(width=None if sys.stdout.isatty() else 160, highlight=False, soft_wrap=False)
    table = Table(box=None, pad_edge=False, title=title or None, title_justify="left",
                  header_style="bold", title_style="bold")  # fmt: skip
    for column in columns:
        table.add_column(
            Text(visible(column.replace("_", " "))),
            overflow="fold",
            justify="right" if _all_numbers(row.get(column) for row in rows) else "left",
        )
    for row in rows:
        cells = [cell(row.get(c)) for c in columns]
        table.add_row(*(Text(visible(text, 300), styles.get(text, "")) for text in cells))
    console.print(table)


def print_blocks(blocks: Iterable[Block]) -> None:
    """Print titled tables and lines, an empty line after each block."""
    for block in blocks:
        if block.rows:
            print_table(block.rows, block.columns, block.title, block.styles)
        elif block.title:
            print(visible(block.title))
        for line in block.lines:
            print(line)
        print()


def _all_numbers(values: Iterable[Any]) -> bool:
    given = [v for v in values if v is not None]
    return bool(given) and all(isinstance(v, Number) for v in given)


def cell(value: Any) -> str:
    """Return a value as text of one cell."""
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.2f}" if abs(value) < 1000 else f"{value:.0f}"
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%d %H:%M:%SZ")
    if isinstance(value, (list, tuple)):
        return ", ".join(str(v) for v in value)
    return str(value)


def print_json(value: Any) -> None:
    """Print one JSON value. Control characters are escaped by JSON itself, bidi marks by us."""
    print(_escaped(json.dumps(value, indent=1, ensure_ascii=False, default=_plain)))


def _escaped(text: str) -> str:
    r"""Write every character that acts instead of showing as JSON's `\uXXXX`; the value is the same."""
    acting = {c for c in set(text) if c != "\n" and is_unsafe(c)}
    units = {c: c.encode("utf-16-be", "surrogatepass").hex() for c in acting}
    return text.translate(
        {
            ord(c): "".join(f"\\u{hexed[at : at + 4]}" for at in range(0, len(hexed), 4))
            for c, hexed in units.items()
        }
    )


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    return str(value)


def shown(text: str) -> str:
    """Return a value for a line to people: visible, short, no live link."""
    return defanged(text, 200)


def say(text: str) -> None:
    """Print a line for people on stderr."""
    print(text, file=sys.stderr)


def machine(
    store: Path | None, lang: Lang | None, config: Path | None
) -> tuple[Settings, Path, Translator]:
    """Return the settings, the machine's store and who speaks."""
    from sakimori import config as settings  # noqa: PLC0415 - slow to import
    from sakimori.i18n import Translator  # noqa: PLC0415

    given = settings.load(config, options={"machine.store": store, "lang": lang})
    return given, settings.store_of(given.machine), Translator(given.lang)


def opened(workspace: Path | None, *, must_exist: bool = True, **options: Any) -> Workspace:
    """Open a workspace by option, environment or settings file.

    Raises ConfigError when one must exist and none is named or there.
    """
    from sakimori import config  # noqa: PLC0415
    from sakimori.app.workspace import Workspace  # noqa: PLC0415
    from sakimori.errors import ConfigError  # noqa: PLC0415

    file = options.pop("config", None)
    settings = config.load(file, options={"workspace": workspace, **options})
    folder = settings.workspace
    if must_exist and folder is None:
        raise ConfigError(
            "no workspace is named", hint="add --workspace DIR, or set it in sakimori.toml"
        )
    if must_exist and folder is not None and not (folder / "state.sqlite").exists():
        raise ConfigError(
            "there is no workspace here",
            where=str(folder),
            hint=f"make one: sakimori hunt PATH --workspace {folder}",
        )
    return Workspace(folder, settings)


class Bars:
    """Progress on stderr with rate and time left; silent when stderr is no terminal."""

    def __init__(self, paths: Sequence[str]) -> None:
        """Know how much there is to read."""
        self._paths = paths
        self._progress: Any = None

    def __enter__(self) -> Progress:
        """Start the bars; returns where the job reports."""
        from sakimori.app.results import Progress  # noqa: PLC0415

        if not sys.stderr.isatty():
            return Progress()
        from rich import progress as bars  # noqa: PLC0415
        from rich.console import Console  # noqa: PLC0415

        self._progress = bars.Progress(
            bars.TextColumn("{task.description}", markup=False), bars.BarColumn(),
            bars.DownloadColumn(), bars.TransferSpeedColumn(), bars.TimeRemainingColumn(),
            console=Console(stderr=True), transient=True,
        )  # fmt: skip
        self._progress.start()
        task = self._progress.add_task("reading", total=_total(self._paths))
        update = self._progress.update
        return Progress(
            on_file=lambda name: update(task, description=visible(name[-40:], 40)),
            on_bytes=lambda count: update(task, advance=count),
            on_detector=lambda name: update(task, description=f"detect: {name}"),
        )

    def __exit__(self, *_: object) -> None:
        """Take the bars away."""
        if self._progress is not None:
            self._progress.stop()


def _total(paths: Sequence[str]) -> int | None:
    from sakimori.app.ingest import expand  # noqa: PLC0415

    files: Iterator[Path | None] = expand([p for p in paths if p != "-"])
    return sum(file.stat().st_size for file in files if file) or None
