"""The command line: parse, call the API, print. Data goes to stdout, everything else to stderr."""

from __future__ import annotations

import sys
from functools import cache
from typing import Any

import typer

from sakimori.cli._app import app
from sakimori.errors import EngineError, SakimoriError

__all__ = ["app", "main"]

STOPPED = 130


@cache
def _command() -> Any:
    """Return the commands as Click's. Typer makes all hundred anew on each call, in 0.1 s or more."""
    from sakimori.cli import _commands  # noqa: F401, PLC0415 - registers the commands

    return typer.main.get_command(app)


def main() -> None:
    """Run the command line; every failure of ours is one line with a next step, never a traceback."""
    try:
        _command()(standalone_mode=True)
    except SakimoriError as error:
        from sakimori.hostile import visible  # noqa: PLC0415

        print(f"sakimori: {visible(str(error), 1000)}", file=sys.stderr)
        if error.hint:
            print(f"  hint: {visible(error.hint, 1000)}", file=sys.stderr)
        sys.exit(error.exit_code)
    except SystemExit as end:
        if end.code == STOPPED:  # Typer turns Ctrl-C into this
            print(
                "sakimori: stopped; what was finished is kept, and the same command goes on from"
                " there",
                file=sys.stderr,
            )
        raise
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(141)
    except OSError as error:  # a full disk, a folder that may not be written
        from sakimori.hostile import visible  # noqa: PLC0415

        print(f"sakimori: {visible(str(error), 1000)}", file=sys.stderr)
        print("  hint: check free space and permissions of the workspace", file=sys.stderr)
        sys.exit(EngineError.exit_code)
