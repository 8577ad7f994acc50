"""What an update could have done to a machine, what it could not, and who else may have.

Manifests and logs are read (`manifests`, `actions`), each change between two snapshots is compared with
them (`attribute`), and the result is told as an investigator would (`words`).
"""

from __future__ import annotations
