"""What a measurement has to say besides its numbers: a code, its English, and values for the places."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

NOTES: dict[str, str] = {
    "short": "too short to measure: {before} steps before the date and {after} after it, and 8 and"
    " 3 are needed",
    "unclear": "the columns of the model cannot be told apart in this series; nothing was measured",
    "flat": "the series does not vary; nothing was measured",
    "few": "short: {before} steps before the date and {after} after it; the interval is wide",
    "missing": "{count} steps have no value and were left out; they are not zeros",
    "outage": "{count} steps look like a sensor outage and were set aside: {when}",
    "given": "{count} steps of named outages were left out",
    "zeros": "zeros begin on {when} and were kept: a sensor that stopped would look the same; name"
    " it with --outages if one did",
    "half": "there are no events at all on one side: the ratio is that of counts plus a half",
    "mixed": "the action falls inside the step of {when}, which was left out",
    "no-placebo": "too few steps before the date to try placebo dates",
    "placebo": "{share} % of {count} placebo dates before the action show an effect: no p value is"
    " given, and the interval is not to be trusted",
    "jump": "the series also jumped without the action, on {when}",
    "control-moved": "the control {control} changed at the date too (ratio {ratio}): the comparison"
    " is not sound",
    "control-self": "this is the control; it was measured alone",
    "control-gaps": "{count} steps were left out because the control has no value there",
    "moved": "{series} rose after the date ({ratio} times): what was cut may have moved there",
    "persistent": "the series wanders (memory {rho} from step to step): the interval rests on few"
    " independent values",
}


@dataclass(frozen=True, slots=True)
class Note:
    """One remark; `code` is a key of NOTES."""

    code: str
    values: dict[str, Any] = field(default_factory=dict)

    @property
    def message(self) -> str:
        """Return its English, with {places}."""
        return NOTES[self.code]
