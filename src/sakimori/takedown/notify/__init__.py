"""Telling those who can clean: events in, one notice per provider and one letter per user out.

Nothing here sends. `app.mailing` carries out what a person approved.
"""

from __future__ import annotations
