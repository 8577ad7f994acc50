"""Where definitions come from: a web server, a folder, or one zip file carried by hand.

All three are read the same way and trusted the same way: not at all, until TUF's checks have passed.
"""

from __future__ import annotations

import time
import zipfile
from typing import IO, TYPE_CHECKING
from urllib.parse import urlsplit

from tuf.api.exceptions import DownloadError, DownloadHTTPError
from tuf.ngclient import FetcherInterface

from sakimori.config import LOOPBACK
from sakimori.errors import ConfigError, SourceError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ROOT = "repository:///"  # stands before the path of what is fetched
_CHUNK = 256 * 1024
_SLOW = 600.0  # seconds that one file may take


class Folder(FetcherInterface):
    """A repository's folder on this machine or a mounted disk."""

    def __init__(self, folder: Path) -> None:
        """Raises SourceError when there is none."""
        if not (folder / "metadata").is_dir():
            raise SourceError(
                "no repository of definitions", where=str(folder), hint="it holds metadata/"
            )
        self._folder = folder

    def _fetch(self, url: str) -> Iterator[bytes]:
        try:
            file = (self._folder / _path(url)).open("rb")
        except FileNotFoundError as error:
            raise DownloadHTTPError(f"there is no {_path(url)}", 404) from error
        except OSError as error:
            raise DownloadError(f"{_path(url)}: {error.strerror}") from error
        with file:
            while chunk := file.read(_CHUNK):
                yield chunk


class Zip(FetcherInterface):
    """A repository, or the part that an update needs, in one zip file."""

    def __init__(self, file: Path) -> None:
        """Raises SourceError when it is none."""
        try:
            self._zip = zipfile.ZipFile(file)
        except (OSError, zipfile.BadZipFile) as error:
            raise SourceError(f"no zip of definitions: {error}", where=str(file)) from error

    def _fetch(self, url: str) -> Iterator[bytes]:
        try:
            member = self._zip.open(_path(url))
        except KeyError as error:
            raise DownloadHTTPError(f"there is no {_path(url)}", 404) from error
        except (OSError, zipfile.BadZipFile, RuntimeError, NotImplementedError) as error:
            raise DownloadError(f"{_path(url)}: {error}") from error
        with member:
            yield from _chunks(member)


def _chunks(member: IO[bytes]) -> Iterator[bytes]:
    try:
        while chunk := member.read(_CHUNK):
            yield chunk
    except (OSError, zipfile.BadZipFile, EOFError) as error:
        raise DownloadError(str(error)) from error


class Web(FetcherInterface):
    """A repository on a web server. Plain http is for this machine only."""

    def __init__(self, address: str, timeout: float = 30.0) -> None:
        """Raises ConfigError for an address that is not https."""
        import httpx  # noqa: PLC0415 - slow to import

        parts = urlsplit(address)
        if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in LOOPBACK):
            raise ConfigError(f"{address!r} is no https:// address")
        self._base = address.rstrip("/") + "/"
        self._client = httpx.Client(timeout=timeout, follow_redirects=False)

    def _fetch(self, url: str) -> Iterator[bytes]:
        import httpx  # noqa: PLC0415

        end = time.monotonic() + _SLOW
        try:
            with self._client.stream("GET", self._base + _path(url)) as answer:
                if answer.status_code != 200:
                    raise DownloadHTTPError(
                        f"{_path(url)}: the server says {answer.status_code}", answer.status_code
                    )
                for chunk in answer.iter_bytes(_CHUNK):
                    if time.monotonic() > end:
                        raise DownloadError(f"{_path(url)} came too slowly")
                    yield chunk
        except httpx.HTTPError as error:
            raise DownloadError(f"{_path(url)}: {str(error) or type(error).__name__}") from error


class Recording(FetcherInterface):
    """Another source, all of whose answers are also written into a zip file."""

    def __init__(self, source: FetcherInterface, into: zipfile.ZipFile) -> None:
        """Record `source` into `into`."""
        self._source, self._into = source, into
        self._kept: set[str] = set()

    def _fetch(self, url: str) -> Iterator[bytes]:
        data = b"".join(self._source.fetch(url))
        if url not in self._kept:
            self._kept.add(url)
            self._into.writestr(_path(url), data)
        yield data


def _path(url: str) -> str:
    return url.removeprefix(ROOT)
