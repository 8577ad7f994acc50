"""The file-information tables of Microsoft's Knowledge Base articles: name, version, size, date.

As published beside each update since about 2004, as CSV or copied out of the page: sections with a title
in the first cell, a header row in the language of the article, rows of files. Some have no header
at all, and some name their columns otherwise. Source: the CSV files linked from KB articles, and the
file tables in the articles themselves; "(n/a)" and its translations stand for no version.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sakimori.endpoint.verify.model import Aside, FileClaim, Manifest
from sakimori.endpoint.verify.text import number_of, table, update_name
from sakimori.errors import SourceError

if TYPE_CHECKING:
    from sakimori.endpoint.verify.manifests._source import Source

NAME = "file-information"
TITLE = "file information of a Knowledge Base article (CSV)"

# Headers by language: en, ja, de, fr, es, it, pt, nl, ru, zh-cn, zh-tw, ko.
_HEADERS = {
    "name": (
        "file name", "filename", "name", "file", "file identifier", "ファイル名", "dateiname",
        "nom de fichier", "nom du fichier", "nombre de archivo", "nombre del archivo", "nome file", "nome del file",
        "nome do arquivo", "nome de ficheiro", "bestandsnaam", "имя файла", "文件名", "文件名称", "檔案名稱",
        "파일 이름",
    ),
    "version": (
        "file version", "version", "ファイル バージョン", "ファイルバージョン", "ファイルのバージョン", "バージョン", "dateiversion",
        "version de fichier", "version du fichier", "versión de archivo", "versión del archivo", "versión",
        "versione file", "versione del file", "versão do arquivo", "versão do ficheiro", "bestandsversie",
        "версия файла", "文件版本", "檔案版本", "파일 버전",
    ),
    "size": (
        "file size", "size", "ファイル サイズ", "ファイルサイズ", "サイズ", "dateigröße", "taille de fichier", "taille du fichier",
        "taille", "tamaño de archivo", "tamaño del archivo", "tamaño", "dimensioni file", "dimensione file",
        "dimensioni del file", "tamanho do arquivo", "tamanho do ficheiro", "bestandsgrootte", "размер файла",
        "文件大小", "檔案大小", "파일 크기",
    ),
    "sha256": ("sha256", "sha-256", "sha256 hash", "sha-256 hash", "file hash sha256"),
    "sha1": ("sha1", "sha-1", "sha1 hash", "sha-1 hash"),
    "md5": ("md5", "md5 hash"),
    "path": ("path", "file path", "folder", "パス", "pfad", "ruta", "chemin", "percorso"),
}  # fmt: skip
_MEANINGS = {name: meaning for meaning, names in _HEADERS.items() for name in names}
_VERSION = re.compile(r"^\d{1,5}(?:\.\d{1,6}){1,4}\b")
_FILE = re.compile(r'^[^\s\\/:*?"<>|][^\\/:*?"<>|]*\.[A-Za-z0-9_$-]{1,24}$')
_PATH = re.compile(r'^(?:[A-Za-z]:\\|%\w+%\\)?[^:*?"<>|]*\.[A-Za-z0-9_$-]{1,24}$')
_DIGEST = re.compile(r"^[0-9A-Fa-f]{32}(?:[0-9A-Fa-f]{8}|[0-9A-Fa-f]{32})?$")


def recognises(source: Source) -> bool:
    """Whether a header names file and version or size, or rows look like files without a header."""
    seen = 0
    for _, row in table(source.head):
        if _header(row):
            return True
        seen += bool(_guessed(row))
        if seen >= 3:
            return True
    return seen > 0


@dataclass
class _State:
    columns: dict[str, int] = field(default_factory=dict)
    title: str = ""
    claims: list[FileClaim] = field(default_factory=list)
    aside: list[Aside] = field(default_factory=list)


def read(source: Source) -> Manifest:
    """Read the rows of every section; a row that names no file, or no usable size, comes aside."""
    state = _State()
    for line, row in table(source.text):
        _take(state, source.at(line), row)
    if not state.claims:
        raise SourceError(
            "no row names a file",
            where=str(source.path),
            hint="columns: File name,File version,File size",
        )
    name = update_name(source.path.stem, state.title) or _number_only(source.path.stem)
    return Manifest(
        name=name or source.path.stem, source=str(source.path), format=NAME, declares=frozenset({"files"}),
        files=tuple(state.claims), aside=tuple(state.aside),
    )  # fmt: skip


def _number_only(stem: str) -> str:
    found = re.search(r"(?<!\d)\d{6,7}(?!\d)", stem)
    return f"KB{found[0]}" if found else ""


def _take(state: _State, where: str, row: list[str]) -> None:
    cells = [cell for cell in row if cell]
    if not cells or cells[0].startswith("#") or set("".join(cells)) <= set("-=: "):
        return
    if columns := _header(row):
        state.columns = columns
        return
    if len(cells) == 1 and not _FILE.match(cells[0]):
        state.title = state.title or cells[0]
        return
    columns = state.columns or _guessed(row)
    claim = _claim(row, columns, where) if columns else "no file name, version and size"
    if isinstance(claim, str):
        state.aside.append(Aside(where, claim))
    else:
        state.claims.append(claim)


def _header(row: list[str]) -> dict[str, int]:
    """Return column numbers by meaning when a row is a header, else nothing."""
    found: dict[str, int] = {}
    for at, cell in enumerate(row):
        meaning = _MEANINGS.get(" ".join(cell.lower().replace("_", " ").split()))
        if meaning:
            found.setdefault(meaning, at)
    rest = {"version", "size", "sha256", "sha1", "md5"} & set(found)
    return found if ("name" in found or "path" in found) and rest else {}


def _guessed(row: list[str]) -> dict[str, int]:
    """Return the columns of a row without header: a file name first, then a version, a size somewhere."""
    if len(row) < 3 or not _FILE.match(row[0]):
        return {}
    found = {"name": 0}
    for at, cell in enumerate(row[1:], 1):
        if _VERSION.match(cell) and "version" not in found:
            found["version"] = at
        elif "size" not in found and len(cell) > 2 and number_of(cell) is not None:
            found["size"] = at
    return found if {"version", "size"} <= set(found) else {}


def _claim(row: list[str], columns: dict[str, int], where: str) -> FileClaim | str:
    def cell(meaning: str) -> str:
        at = columns.get(meaning, len(row))
        return row[at] if at < len(row) else ""

    path = _joined(cell("path"), cell("name"))
    if not path or not _PATH.match(path):
        return "no file name"
    size = number_of(cell("size"))
    if cell("size") and size is None and any(c.isdigit() for c in cell("size")):
        return f"the size {cell('size')!r} is no number"
    version = _VERSION.match(cell("version"))
    hashes = {
        kind: cell(kind).lower() for kind in ("md5", "sha1", "sha256") if _DIGEST.match(cell(kind))
    }
    return FileClaim(
        path=path, where=where, size=size, version=version[0] if version else None, hashes=hashes
    )


def _joined(folder: str, name: str) -> str:
    if not folder or "\\" in name:
        return name or folder
    if not name or folder.lower().endswith(name.lower()):
        return folder
    return folder.rstrip("\\") + "\\" + name
