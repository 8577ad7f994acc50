"""Other programs, run safely: no shell, a time limit, an end to how much they may say."""

from __future__ import annotations

import subprocess  # noqa: TID251 - this is the one place
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_LARGEST = 256 * 1024 * 1024  # bytes of output


@dataclass(frozen=True, slots=True)
class Ran:
    """How a program ended. `code` None: it was not found, not allowed, or took too long; see `reason`."""

    code: int | None
    out: bytes
    err: bytes
    reason: str = ""

    @property
    def ok(self) -> bool:
        """Whether it ran and said that all is well."""
        return self.code == 0


def run(
    argv: Sequence[str],
    *,
    seconds: float = 30.0,
    feed: bytes = b"",
    environment: Mapping[str, str] | None = None,
) -> Ran:
    """Run a program by its arguments, without a shell. Never raises for what the program does.

    `environment` replaces the whole environment; None: C locale and the system's usual PATH, so that
    output is the same on every machine.
    """
    plain = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C", "LANGUAGE": "C"}
    try:
        done = subprocess.run(  # noqa: S603 - no shell; arguments as a list
            list(argv),
            input=feed,
            capture_output=True,
            timeout=seconds,
            check=False,
            env=plain if environment is None else dict(environment),
        )
    except subprocess.TimeoutExpired:
        return Ran(None, b"", b"", f"took longer than {seconds:g} s")
    except (OSError, ValueError) as error:
        return Ran(None, b"", b"", getattr(error, "strerror", None) or str(error))
    if len(done.stdout) > _LARGEST:
        return Ran(None, b"", b"", "said more than 256 MiB")
    return Ran(done.returncode, done.stdout, done.stderr)
