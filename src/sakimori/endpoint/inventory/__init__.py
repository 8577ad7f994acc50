"""What is installed on a machine: read live, from an image, or from files collected by hand."""

from __future__ import annotations
