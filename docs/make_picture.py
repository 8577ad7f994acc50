"""Draw what `sakimori demo` prints: `python docs/make_picture.py`. Writes docs/images/hunt*.svg.

The pictures fetch nothing: they name fonts that readers have, and set every run of characters on
the terminal's grid, so that columns stand straight whichever font it is.
"""  # noqa: INP001 - a script, not a package

from __future__ import annotations

import contextlib
import io
import os
import re
import tempfile
from html import escape
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from sakimori.cli import _commands, app  # noqa: F401 - registers the commands

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.segment import Segment

IMAGES = Path(__file__).parent / "images"
PICTURES = {"hunt.svg": "en", "hunt.ja.svg": "ja"}
COLUMNS = 112
CELL, LINE, EDGE, BAR = 8.4, 19, 16, 34  # px: a character's width, a line's height, margins
FONTS = "ui-monospace,Menlo,Consolas,'DejaVu Sans Mono','Noto Sans Mono CJK JP',monospace"
COLOURS = {1: "#ff7b72", 3: "#e3b341"}  # red, yellow
STYLE = (
    f"text{{font:14px {FONTS};fill:#d6deeb}}.b{{font-weight:bold}}"
    ".w{font-size:16.5px}"  # wide letters fill their two cells
)


class Screen(io.StringIO):
    """A text file that says it is a terminal, so that colours are printed."""

    def isatty(self) -> bool:
        """Say yes."""
        return True


def shown(lang: str) -> str:
    """Return what the demonstration prints in a language, with its colours."""
    os.environ |= {"COLUMNS": str(COLUMNS), "TERM": "xterm-256color"}
    screen = Screen()
    with (
        tempfile.TemporaryDirectory() as folder,
        contextlib.chdir(folder),
        contextlib.redirect_stdout(screen),
        contextlib.redirect_stderr(io.StringIO()),
    ):
        app(["demo", "--lang", lang], standalone_mode=False)
    return re.sub(r"\n{3,}", "\n\n", screen.getvalue().strip())


def drawn(text: str, title: str) -> str:
    """Return printed text as an SVG."""
    console = Console(width=COLUMNS, file=io.StringIO())
    lines = console.render_lines(Text.from_ansi(text), pad=False)
    width = round(COLUMNS * CELL + 2 * EDGE)
    height = BAR + LINE * len(lines) + EDGE
    body = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img">',
        f"<title>{escape(title)}</title><style>{STYLE}</style>",
        f'<rect width="{width}" height="{height}" rx="8" fill="#0d1621"/>',
        f'<text x="{width / 2}" y="22" text-anchor="middle" class="b">{escape(title)}</text>',
    ]
    for number, segments in enumerate(lines, 1):
        body += _line(segments, BAR + LINE * number - 5)
    return "\n".join([*body, "</svg>", ""])


def _line(segments: list[Segment], y: int) -> Iterator[str]:
    column = 0
    for text, style, _ in segments:
        colour = COLOURS.get(style.color.number or 0) if style and style.color else None
        fill = f' style="fill:{colour}"' if colour else ""
        for run in _runs(text):
            if shape := run.strip():
                x = EDGE + (column + len(run) - len(run.lstrip())) * CELL
                where = f'x="{x:.1f}" y="{y}" textLength="{cell_len(shape) * CELL:.1f}"'
                kind = "b " * bool(style and style.bold) + "w" * (cell_len(shape) > len(shape))
                yield f'<text {where} class="{kind.strip()}"{fill}>{escape(shape)}</text>'
            column += cell_len(run)


def _runs(text: str) -> Iterator[str]:
    """Cut a text where gaps of two and more spaces are, and where wide letters begin or end."""
    for part in re.split(r"( {2,}|^ +| +$)", text):
        for _, letters in groupby(part, key=cell_len):
            yield "".join(letters)


def main() -> None:
    """Write the pictures."""
    IMAGES.mkdir(exist_ok=True)
    for name, lang in PICTURES.items():
        title = "make demo" if lang == "en" else f"sakimori demo --lang {lang}"
        (IMAGES / name).write_text(drawn(shown(lang), title), "utf-8")


if __name__ == "__main__":
    main()
