"""One machine: what is on it, what is bad in it, what changed, and how to put it right.

Everything here works on live machines and on files collected by hand. Nothing here decides to act: `app`
carries out what a person or a written policy approved.
"""

from __future__ import annotations
