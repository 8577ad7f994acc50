"""Settings: sakimori.toml, environment and options in, frozen dataclasses out.

Order, later wins: defaults, `sakimori.toml`, `SAKIMORI_*` variables, command-line options. This is
the only module that reads settings from files or the environment. An unknown key is an error.
"""

from __future__ import annotations

import dataclasses
import os
import re
import tomllib
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from ipaddress import ip_network
from pathlib import Path
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

import platformdirs

from sakimori.errors import ConfigError

T = TypeVar("T")

DEFAULT_INTERNAL = (
    "10.0.0.0/8",
    "172.16.0.0/12",
    "192.168.0.0/16",
    "100.64.0.0/10",
    "169.254.0.0/16",
    "127.0.0.0/8",
    "fc00::/7",
    "fe80::/10",
    "::1/128",
)
LANGUAGES = ("en", "ja")
FILE_NAME = "sakimori.toml"


@dataclass(frozen=True, slots=True, kw_only=True)
class Engine:
    """[engine]: what the database may use."""

    memory: str = "700MB"  # of the database; it spills to the workspace's disk beyond
    threads: int = 0  # 0: one per core

    def __post_init__(self) -> None:
        """Refuse a negative number of threads and a size that is none."""
        if self.threads < 0:
            raise ConfigError(f"threads is {self.threads}", hint="use 0 for one per core")
        if not re.fullmatch(r"[0-9]+(\.[0-9]+)? *([KMGT]i?B|%)", self.memory):
            raise ConfigError(f"memory is {self.memory!r}", hint='such as "700MB", "4GB" or "80%"')


@dataclass(frozen=True, slots=True, kw_only=True)
class Import:
    """[import]: how files are read where they do not say it themselves."""

    timezone: str = "UTC"  # of times without a zone: argus, nfdump, mail logs
    year: int | None = None  # of times without a year; none: the file's last change
    columns: Mapping[str, Mapping[str, str]] = field(default_factory=dict)  # for CSV and Parquet
    shadowserver_schema: Path | None = None  # a copy of Shadowserver's reports.json, for drift

    def __post_init__(self) -> None:
        """Refuse an unknown time zone."""
        try:
            ZoneInfo(self.timezone)
        except (ValueError, KeyError, OSError) as error:
            raise ConfigError(
                f"no time zone is named {self.timezone!r}", hint='such as "Asia/Tokyo" or "UTC"'
            ) from error


TLS = ("starttls", "tls", "none")
LOOPBACK = ("127.0.0.1", "::1", "localhost")  # names of this machine: nothing travels in clear


@dataclass(frozen=True, slots=True, kw_only=True)
class Mail:
    """[mail]: who writes notices, and the server that takes them."""

    sender: str = ""  # address that notices come from, and where answers go
    organisation: str = ""  # your name, as receivers should read it
    about: str = ""  # where receivers can ask: a telephone number or a page
    host: str = ""  # SMTP server; empty: nothing can be sent
    port: int = 0  # 0: 587 for starttls, 465 for tls, 25 for none
    tls: str = "starttls"  # "starttls", "tls", or "none" to a server on this machine only
    ca_file: Path | None = None  # certificates to trust instead of the system's
    user: str = ""  # name to log in with; empty: no login
    password_file: Path | None = None  # file whose first line is the password
    timeout: float = 30.0  # seconds to wait for the server
    keyring: Path | None = None  # GnuPG's home folder with the receivers' public keys

    def __post_init__(self) -> None:
        """Refuse an unknown kind of TLS, mail in clear over a network, and half a login."""
        if self.tls not in TLS:
            raise ConfigError(f"tls is {self.tls!r}", hint="starttls, tls or none")
        if self.tls == "none" and self.host and self.host not in LOOPBACK:
            raise ConfigError(
                f"mail to {self.host} would travel in clear",
                hint='set tls to "starttls" or "tls"; "none" is for a server on this machine',
            )
        if self.user and self.password_file is None:
            raise ConfigError("user is set without password_file")
        if not 0 <= self.port <= 65535 or self.timeout <= 0:
            raise ConfigError(f"port {self.port} or timeout {self.timeout} is out of range")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rdap:
    """[rdap]: how abuse contacts are looked up."""

    bootstrap: str = (
        "https://data.iana.org/rdap"  # folder of ipv4.json, ipv6.json, asn.json, dns.json
    )
    days: int = 30  # an answer is used again for this long
    per_minute: int = 30  # queries to one server where the next line does not say
    servers: Mapping[str, int] = field(default_factory=dict)  # host: queries a minute
    timeout: float = 15.0  # seconds to wait for an answer
    cache: Path = Path("~/.cache/sakimori/contacts.sqlite")  # where answers are kept
    tries: int = 3  # after "too many requests" or a broken connection

    def __post_init__(self) -> None:
        """Refuse a pace of nothing and a bootstrap that is no web address."""
        if not self.bootstrap.startswith(("https://", "http://")):
            raise ConfigError(f"bootstrap is {self.bootstrap!r}, no https:// address")
        if min(self.per_minute, self.tries, *self.servers.values(), 1) < 1 or self.days < 0:
            raise ConfigError("per_minute, servers and tries are at least 1, days at least 0")


MANAGED = ("managed", "home", "unknown")


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """[machine]: the machine that is scanned, cleaned and guarded, and where its store is."""

    name: str = ""  # of the machine in records; empty: its host name
    country: str = ""  # two letters, for infection rates by country
    managed: str = "unknown"  # "managed" by an organisation, "home", or "unknown"
    store: Path | None = (
        None  # quarantine, definitions, scan cache; none: the system's place for data
    )
    rules: tuple[Path, ...] = ()  # YARA rules to scan with when no --rules is given
    hashes: tuple[Path, ...] = ()  # hash sets to scan with when no --hashes is given
    definitions: str = ""  # where `rules update` looks: https://, a folder or a zip file
    ring: str = "all"  # which definitions this machine takes: "canary" (first) or "all"
    passwords: tuple[str, ...] = ("infected", "infected666", "malware", "virus", "password")

    def __post_init__(self) -> None:
        """Refuse a country that is no code, and an unknown kind of machine."""
        if self.country and not re.fullmatch("[A-Z]{2}", self.country):
            raise ConfigError(
                f"country is {self.country!r}", hint='two capital letters, such as "JP"'
            )
        if self.ring not in ("canary", "all"):
            raise ConfigError(f"ring is {self.ring!r}", hint="canary or all")
        if self.managed not in MANAGED:
            raise ConfigError(f"managed is {self.managed!r}", hint=", ".join(MANAGED))


def store_of(machine: Machine) -> Path:
    """Return the folder that keeps a machine's quarantine, definitions and caches.

    As root /var/lib/sakimori, else the user's folder for data (XDG, or as the system has it).
    """
    if machine.store is not None:
        return machine.store
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        return Path("/var/lib/sakimori")
    return Path(platformdirs.user_data_dir("sakimori", appauthor=False))


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """All settings of a run. `detector` and `verdict` are filled by their own dataclasses."""

    workspace: Path | None = None
    lang: str = "en"
    internal: tuple[str, ...] = ()  # CIDRs of the inside; empty: the private ranges
    engine: Engine = field(default_factory=Engine)
    import_: Import = field(default_factory=Import)
    mail: Mail = field(default_factory=Mail)
    rdap: Rdap = field(default_factory=Rdap)
    machine: Machine = field(default_factory=Machine)
    detector: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse an unknown language and malformed CIDRs."""
        if self.lang not in LANGUAGES:
            raise ConfigError(f"no language is named {self.lang!r}", hint="en or ja")
        for cidr in self.internal:
            check_cidr(cidr)


def check_cidr(text: str) -> str:
    """Return `text` if it is a network such as 10.0.0.0/8. Raises ConfigError."""
    try:
        return str(ip_network(text))
    except ValueError as error:
        raise ConfigError(
            f"{text!r} is not a network: {error}", hint="such as 10.0.0.0/8"
        ) from error


def load(
    file: Path | None = None,
    environment: Mapping[str, str] | None = None,
    options: Mapping[str, Any] | None = None,
) -> Settings:
    """Return the settings from all places.

    `file` None means $SAKIMORI_CONFIG, then ./sakimori.toml where it exists. Options whose value is
    None count as not given. Raises ConfigError naming the file and key.
    """
    environment = os.environ if environment is None else environment
    where, values = _from_file(file, environment)
    values |= _from_environment(environment)
    values |= {name: value for name, value in (options or {}).items() if value is not None}
    return _settings(values, where)


def _from_file(file: Path | None, environment: Mapping[str, str]) -> tuple[str, dict[str, Any]]:
    asked = file or (Path(named) if (named := environment.get("SAKIMORI_CONFIG")) else None)
    path = asked or Path(FILE_NAME)
    if not asked and not path.exists():
        return FILE_NAME, {}
    try:
        return str(path), tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise ConfigError(
            error.strerror or "cannot be read",
            where=str(path),
            hint="check the path given with --config or SAKIMORI_CONFIG",
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"not valid TOML: {error}", where=str(path)) from error


_VARIABLES = {
    "SAKIMORI_WORKSPACE": "workspace",
    "SAKIMORI_LANG": "lang",
    "SAKIMORI_INTERNAL": "internal",
    "SAKIMORI_MEMORY": "engine.memory",
    "SAKIMORI_THREADS": "engine.threads",
    "SAKIMORI_TIMEZONE": "import.timezone",
    "SAKIMORI_STORE": "machine.store",
}


def _from_environment(environment: Mapping[str, str]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for variable, text in environment.items():
        if not variable.startswith("SAKIMORI_") or variable == "SAKIMORI_CONFIG":
            continue
        key = _VARIABLES.get(variable)
        if key is None:
            raise ConfigError(
                f"unknown variable {variable}{_did_you_mean(variable, _VARIABLES)}",
                where="environment",
            )
        values[key] = _converted(key, text)
    return values


def _converted(key: str, text: str) -> Any:
    if key == "internal":
        return [part.strip() for part in text.split(",") if part.strip()]
    if key == "engine.threads":
        if not text.isdecimal():
            raise ConfigError(f"SAKIMORI_THREADS is {text!r}, not a number", where="environment")
        return int(text)
    return text


def _settings(values: dict[str, Any], where: str) -> Settings:
    """Build the tree; `section.key` values (environment, options) override the file's sections."""
    for key in [key for key in values if key in _VARIABLES.values() and "." in key]:
        section, name = key.split(".")
        if isinstance(values.setdefault(section, {}), dict):  # if not, `fill` says so
            values[section] = {**values[section], name: values[key]}
        del values[key]
    engine = fill(Engine, values.pop("engine", {}), f"{where} [engine]")
    import_ = fill(Import, values.pop("import", {}), f"{where} [import]")
    mail = fill(Mail, values.pop("mail", {}), f"{where} [mail]")
    rdap = fill(Rdap, values.pop("rdap", {}), f"{where} [rdap]")
    machine = fill(Machine, values.pop("machine", {}), f"{where} [machine]")
    if "import_" in values:
        raise ConfigError("unknown key 'import_'; did you mean 'import'?", where=where)
    sections = {
        "engine": engine,
        "import_": import_,
        "mail": mail,
        "rdap": rdap,
        "machine": machine,
    }
    return fill(Settings, {**values, **sections}, where)


def fill(cls: type[T], values: Mapping[str, Any], where: str) -> T:
    """Return `cls(**values)` for a settings dataclass, checking names and types.

    Raises ConfigError for an unknown key (with the nearest known one) or a value of another type.
    """
    if not isinstance(values, dict):
        raise ConfigError(f"expected a section, not {values!r}", where=where)
    hints = typing.get_type_hints(cls, {**vars(typing), **globals()})
    known = {f.name: hints[f.name] for f in dataclasses.fields(cls)}  # type: ignore[arg-type]
    given = {}
    for key, value in values.items():
        if key not in known:
            raise ConfigError(f"unknown key {key!r}{_did_you_mean(key, known)}", where=where)
        given[key] = _as(known[key], value, f"{where}: {key}")
    try:
        return cls(**given)
    except ValueError as error:
        raise ConfigError(str(error), where=where) from error


def check_names(values: Mapping[str, Any], known: Mapping[str, Any], where: str) -> None:
    """Raise ConfigError for a name in `values` that is not in `known`."""
    for name in values:
        if name not in known:
            raise ConfigError(f"unknown name {name!r}{_did_you_mean(name, known)}", where=where)


def _as(kind: Any, value: Any, where: str) -> Any:
    """Return the value as the annotated type, widening only int to float and str to Path."""
    choices = typing.get_args(kind) if isinstance(kind, types.UnionType) else (kind,)
    for choice in choices:
        origin = typing.get_origin(choice) or choice
        if origin is Any:
            return value
        if origin is tuple and isinstance(value, (list, tuple)):
            return tuple(_as(typing.get_args(choice)[0], item, where) for item in value)
        if origin is Mapping and isinstance(value, dict):
            kept = typing.get_args(choice)[1]
            return {key: _as(kept, item, f"{where}.{key}") for key, item in value.items()}
        if origin is Path and isinstance(value, (str, Path)):
            return Path(value).expanduser()
        if origin is float and isinstance(value, int) and not isinstance(value, bool):
            return float(value)
        fits = isinstance(origin, type) and isinstance(value, origin)
        if fits and not (origin is int and isinstance(value, bool)):
            return value
    raise ConfigError(f"{value!r} is not {_said(kind)}", where=where)


def _said(kind: Any) -> str:
    names = {int: "a whole number", float: "a number", str: "a text", bool: "true or false"}
    return names.get(kind, "a list" if typing.get_origin(kind) is tuple else "of the right kind")


def _did_you_mean(word: str, known: Mapping[str, Any]) -> str:
    near = get_close_matches(word, known, n=1, cutoff=0.5)
    return f"; did you mean {near[0]!r}?" if near else f"; known: {', '.join(sorted(known))}"
