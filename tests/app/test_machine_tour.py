"""The machine part of the demonstration does what it shows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from sakimori.app.machine_tour import tour
from sakimori.config import LANGUAGES
from sakimori.i18n import Translator

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("lang", LANGUAGES)
def test_the_machine_is_found_cleaned_and_put_back_and_the_update_is_judged(
    tmp_path: Path, lang: str
) -> None:
    say = Translator(lang)
    shown = tour(tmp_path / "machine", say)
    steps = dict(shown.steps)
    rules = "EICAR_test_file, SakimoriTest_marker"
    assert steps[say.tr("scan")] == say.tr(
        "{hits} of {files} files match: {rules}", hits=3, files=13, rules=rules
    )
    assert steps[say.tr("scan again")].startswith(
        say.tr("{hits} of {files} files match", hits=0, files=7)
    )
    assert steps[say.tr("clean the family")] == say.tr(
        "{count} done, {bad} not done", count=10, bad=0
    )
    assert shown.same
    assert "Daonol" in shown.statement
    assert "Winlogon" in shown.statement
    assert [block.title for block in shown.blocks(say)]
