"""A member that is larger than memory may hold says whether it looks like a bomb."""

from __future__ import annotations

import gzip
import random

import pytest

from sakimori.endpoint.unpack import Limits, Member, Problem, unpack


@pytest.mark.parametrize(
    ("data", "bomb"), [(bytes(2 << 20), True), (random.Random(1).randbytes(2 << 20), False)]
)
def test_a_member_beyond_the_limit_is_cut_and_said(data: bytes, bomb: bool) -> None:
    limits = Limits(member=1 << 20, ratio=100_000)
    found = list(unpack(gzip.compress(data, 1), name="x.gz", limits=limits))
    assert [len(m.data) for m in found if isinstance(m, Member)] == [1 << 20]
    reasons = [p.reason for p in found if isinstance(p, Problem)]
    assert len(reasons) == 1
    assert ("may be a bomb" in reasons[0]) is bomb
