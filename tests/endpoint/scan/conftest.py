from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from sakimori.endpoint.scan import Scanner, load

if TYPE_CHECKING:
    from sakimori.endpoint.scan import Definitions


@pytest.fixture(scope="session")
def eicar() -> bytes:
    """The harmless test file, in two halves so that this file is no hit."""
    return b"X5O!P%@AP[4\\PZX54(P^)7CC)7}$EICAR-STANDARD-" + b"ANTIVIRUS-TEST-FILE!$H+H*"


@pytest.fixture(scope="session")
def marker() -> bytes:
    """The marker of the harmless family."""
    return b"SAKIMORI-TEST-FAMILY-" + b"7c1f2e90-harmless"


@pytest.fixture(scope="session")
def builtin() -> Definitions:
    """Only the rules that come along."""
    return load()


@pytest.fixture(scope="session")
def scanner(builtin: Definitions) -> Scanner:
    """A scanner with the rules that come along."""
    return Scanner(builtin)
