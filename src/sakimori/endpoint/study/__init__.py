"""Over many machines: is a symptom tied to an update, to a family, or to neither.

`rows` reads what was collected, `tables` counts and measures, `judge` decides, `words` says it. A tie is an
association that others do not explain; it is no proof of a cause, and every answer says so.
"""

from __future__ import annotations
