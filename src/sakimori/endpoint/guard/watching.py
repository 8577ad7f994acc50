"""Events of the file system, through watchdog (inotify on Linux), as paths that may be new."""

from __future__ import annotations

import logging
import os
import warnings
from typing import TYPE_CHECKING, Any, Protocol

from watchdog.events import FileSystemEventHandler
from watchdog.observers import Observer

from sakimori.errors import SourceError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

_LOGGER = "watchdog"


class Watch(Protocol):
    """What follows folders, until it is stopped."""

    def stop(self) -> None:
        """Follow no more."""


class _Handler(FileSystemEventHandler):
    """Hand on what was written, created or moved; the rest says nothing about content."""

    def __init__(self, changed: Callable[[str], None], moved_in: Callable[[str], None]) -> None:
        self._changed, self._moved_in = changed, moved_in

    def on_created(self, event: Any) -> None:
        self._one(event.src_path, is_folder=event.is_directory)

    def on_modified(self, event: Any) -> None:
        if not event.is_directory:
            self._changed(os.fsdecode(event.src_path))

    def on_closed(self, event: Any) -> None:
        self._changed(os.fsdecode(event.src_path))

    def on_moved(self, event: Any) -> None:
        self._one(event.dest_path, is_folder=event.is_directory)

    def _one(self, path: str | bytes, *, is_folder: bool) -> None:
        if path:
            (self._moved_in if is_folder else self._changed)(os.fsdecode(path))


class _Overflow(logging.Handler):
    """Hears watchdog say that the kernel dropped events: there is no event for that."""

    def __init__(self, told: Callable[[], None]) -> None:
        super().__init__(logging.WARNING)
        self._told = told

    def emit(self, record: logging.LogRecord) -> None:
        if "overflow" in record.getMessage().lower():
            self._told()


class _Running:
    def __init__(self, observer: Any, heard: logging.Handler) -> None:
        self._observer, self._heard = observer, heard

    def stop(self) -> None:
        logging.getLogger(_LOGGER).removeHandler(self._heard)
        self._observer.stop()
        self._observer.join(5)


def watch(
    folders: Sequence[Path],
    changed: Callable[[str], None],
    moved_in: Callable[[str], None],
    overflowed: Callable[[], None],
) -> Watch:
    """Follow folders with all below them. Callbacks run in watchdog's thread and must be quick.

    `changed` gets a file's path, `moved_in` that of a folder that is new here, `overflowed` is called
    when events were lost. Raises SourceError when a folder cannot be followed.
    """
    # A folder that is new and found twice in the race with its maker is watched once: no harm.
    warnings.filterwarnings("ignore", message="Callback with id .* already exists")
    heard = _Overflow(overflowed)
    logging.getLogger(_LOGGER).addHandler(heard)
    observer = Observer()
    handler = _Handler(changed, moved_in)
    try:
        for folder in folders:
            observer.schedule(handler, str(folder), recursive=True)
        observer.start()
    except OSError as error:
        logging.getLogger(_LOGGER).removeHandler(heard)
        raise SourceError(
            f"cannot be watched: {error.strerror or error}",
            where=", ".join(map(str, folders)),
            hint="too many folders? raise fs.inotify.max_user_watches, or watch fewer",
        ) from error
    return _Running(observer, heard)
