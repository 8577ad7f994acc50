"""Every error Sakimori raises on purpose, as one tree.

SakimoriError               something went wrong                 exit 1
    ConfigError             a setting or option is wrong         exit 2
    SourceError             an input cannot be read              exit 3
    SchemaError             a table or column is not known       exit 3
    EngineError             the database refused or failed       exit 4
    StateError              the workspace is damaged or newer    exit 4
    RefusedError            policy forbids the action            exit 5
    PartFailedError         a part did not run, the rest did     exit 6
"""

from __future__ import annotations


class SakimoriError(Exception):
    """A failure with one line for the user and, where we know one, a next step."""

    exit_code = 1

    def __init__(self, message: str, *, where: str = "", hint: str = "") -> None:
        super().__init__(f"{where}: {message}" if where else message)
        self.where = where
        self.hint = hint


class ConfigError(SakimoriError):
    """A setting or option is unknown, malformed or contradictory."""

    exit_code = 2


class SourceError(SakimoriError):
    """An input cannot be read; `where` is `path` or `path:line`."""

    exit_code = 3


class SchemaError(SakimoriError):
    """A table or column is not known, or holds another type."""

    exit_code = 3


class EngineError(SakimoriError):
    """The database refused or failed."""

    exit_code = 4


class StateError(SakimoriError):
    """The workspace's state cannot be used: damaged, locked, or written by a newer version."""

    exit_code = 4


class RefusedError(SakimoriError):
    """Policy forbids the action; nothing was done."""

    exit_code = 5


class PartFailedError(SakimoriError):
    """A part of the run failed; what the other parts found was kept and shown."""

    exit_code = 6
