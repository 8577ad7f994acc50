"""`python -m sakimori`."""

from __future__ import annotations

from sakimori.cli import main

if __name__ == "__main__":
    main()
