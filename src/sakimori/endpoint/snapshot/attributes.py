"""What a file carries beside its content: POSIX ACLs, capabilities and other extended attributes.

Source: Linux `include/uapi/linux/posix_acl_xattr.h`, `capability.h` (as documented in acl(5), capabilities(7)).
"""

from __future__ import annotations

import errno
import os
import struct

_ACCESS, _DEFAULT = "system.posix_acl_access", "system.posix_acl_default"
_CAPABILITY = "security.capability"
_TAGS = {1: "user", 2: "user", 4: "group", 8: "group", 16: "mask", 32: "other"}
_NAMED = (2, 8)
CAPABILITIES = (
    "chown", "dac_override", "dac_read_search", "fowner", "fsetid", "kill", "setgid", "setuid",
    "setpcap", "linux_immutable", "net_bind_service", "net_broadcast", "net_admin", "net_raw",
    "ipc_lock", "ipc_owner", "sys_module", "sys_rawio", "sys_chroot", "sys_ptrace", "sys_pacct",
    "sys_admin", "sys_boot", "sys_nice", "sys_resource", "sys_time", "sys_tty_config", "mknod",
    "lease", "audit_write", "audit_control", "setfcap", "mac_override", "mac_admin", "syslog",
    "wake_alarm", "block_suspend", "audit_read", "perfmon", "bpf", "checkpoint_restore",
)  # fmt: skip


def attributes(path: str) -> dict[str, object]:
    """Return `acl`, `capabilities` and `xattrs` of a file as far as it has them; links are not followed.

    Empty where the file system or the machine has none. Raises OSError where they cannot be read.
    """
    listing = getattr(os, "listxattr", None)
    if listing is None:
        return {}
    try:
        names = listing(path, follow_symlinks=False)
    except OSError as error:
        if error.errno in {errno.ENOTSUP, errno.ENODATA}:
            return {}
        raise
    if not names:
        return {}
    values = {name: _value(path, name) for name in names}
    return sorted_out({name: value for name, value in values.items() if value is not None})


def _value(path: str, name: str) -> bytes | None:
    try:
        value: bytes = os.getxattr(path, name, follow_symlinks=False)
    except OSError as error:
        if error.errno == errno.ENODATA:  # gone between listing and reading
            return None
        raise
    return value


def sorted_out(values: dict[str, bytes]) -> dict[str, object]:
    """Return raw extended attributes as ACL, capabilities and the rest; what has no known form stays raw."""
    acl, told, rest = {}, None, {}
    for name, value in sorted(values.items()):
        if name in {_ACCESS, _DEFAULT} and (text := acl_text(value)) is not None:
            acl["access" if name == _ACCESS else "default"] = text
        elif name == _CAPABILITY and (text := capability_text(value)) is not None:
            told = text
        else:
            rest[name] = value.hex()
    state: dict[str, object] = {}
    if acl:
        state["acl"] = acl
    if told is not None:
        state["capabilities"] = told
    if rest:
        state["xattrs"] = rest
    return state


def acl_text(value: bytes) -> str | None:
    """Return a POSIX ACL as text (`user::rw-,user:1000:r--,...`), None where it has another form."""
    if len(value) < 4 or (len(value) - 4) % 8 or value[:4] != b"\x02\0\0\0":
        return None
    entries = []
    for tag, bits, who in struct.iter_unpack("<HHI", value[4:]):
        if tag not in _TAGS:
            return None
        named = str(who) if tag in _NAMED else ""
        rights = "".join(c if bits & bit else "-" for c, bit in (("r", 4), ("w", 2), ("x", 1)))
        entries.append(f"{_TAGS[tag]}:{named}:{rights}")
    return ",".join(entries)


def capability_text(value: bytes) -> str | None:
    """Return file capabilities as text (`cap_net_raw+ep`), None where they have another form."""
    sizes = {0x01: 12, 0x02: 20, 0x03: 24}
    if len(value) < 4 or sizes.get(value[3]) != len(value):
        return None
    words = struct.unpack(f"<{len(value) // 4}I", value)
    permitted, inheritable = words[1], words[2]
    if len(words) >= 5:
        permitted, inheritable = permitted | words[3] << 32, inheritable | words[4] << 32
    effective = "e" if words[0] & 1 else ""
    groups: dict[str, list[str]] = {}
    for bit in range(64):
        flags = ("i" if inheritable >> bit & 1 else "") + ("p" if permitted >> bit & 1 else "")
        if flags:
            groups.setdefault(effective + flags, []).append(_capability(bit))
    told = " ".join(f"{','.join(names)}+{flags}" for flags, names in sorted(groups.items()))
    return f"{told} [rootid={words[5]}]" if len(words) == 6 and words[5] else told


def _capability(bit: int) -> str:
    return f"cap_{CAPABILITIES[bit]}" if bit < len(CAPABILITIES) else f"cap_{bit}"
