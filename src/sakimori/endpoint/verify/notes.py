"""The sentences of evidence, by code; `Note.values` fill their places."""

from __future__ import annotations

NOTES: dict[str, str] = {
    # a file or object against a manifest
    "match": "{by} declares this, and what is there is the same ({what})",
    "named": "{by} declares this, but nothing of its content could be compared",
    "by-size": "only its size could be compared, which is weak",
    "differs": "{by} declares this, but what is there is not what it ships: {what} is {there}, declared is"
    " {declared}",
    "removal": "{by} declares that this is removed, and it is gone",
    "still-there": "{by} declares that this is removed, but it is there",
    "gone": "{by} declares that this is there, but it is gone",
    "uncovered": "{by} declares its content, not the change of its {what}",
    "special-mode": "its mode {mode} lets it run with other rights, and {by} does not declare a mode",
    # a registry value or key
    "reg-match": "{by} declares this value with exactly this data",
    "reg-named": "{by} declares this value but not its data, which was not compared",
    "reg-data": "{by} declares this value with other data: declared is {declared}, there is {there}",
    "reg-type": "{by} declares this value as {declared}, but it is {there}",
    "reg-terminator": "{by} declares this text with its terminating NUL, which is missing here: not what an"
    " installer writes",
    "reg-deleted": "{by} declares that this is deleted, and it is gone",
    "reg-not-deleted": "{by} declares that this is deleted, but it is there",
    "reg-missing": "{by} declares that this value is set, but it is gone",
    "reg-key": "{by} declares this key",
    "reg-below": "{by} declares something below this key, which needs it",
    "below": "{by} declares something in this folder, which needs it",
    "reg-acl": "{by} declares these permissions of the key",
    "reg-acl-differs": "{by} declares other permissions of the key: declared is {declared}, there is"
    " {there}",
    "reg-acl-undeclared": "{by} declares values of this key, but no change of its permissions",
    "reg-others": "{by} declares other values of this key, not this one",
    # not a word about it
    "cannot": "{by} is a list that says nothing about {subject}",
    "complete": "{by} says that it lists every change of {subject}, and this one is not in it: it could not"
    " have made it",
    "undeclared": "{by} does not declare this change",
    # what follows from something else
    "follows-time": "its time moved with the changes in it, which are put down to {by}",
    "follows-inside": "it came or went with all that is in it, which is put down to {by}",
    "follows-records": "the package manager keeps this about what it did for {by}; its content was not"
    " compared",
    "follows-declared": "installing {by} leaves this behind; its content was not compared",
    "mixed": "several changes in it have different authors ({by}), and its time does not tell which was last",
    # time
    "in-window": "its time {time} lies within the run of {by}, {start} to {end}",
    "out-of-window": "{by} names it, but its time {time} lies outside its runs",
    "coincidence": "its time {time} lies within the run of {by}; that is a coincidence in time and no more",
    # families and persons
    "family": "this is how the family {by} changes it ({source})",
    "family-gone": "the value that the family {by} leaves was there before and is not any more",
    "person": "{by} acted on it at {time}: {what}",
    "person-untimed": "{by} acted on it at {time}: {what}; the change itself carries no time",
    "person-far": "{by} acted on it at {time}, but its own time is {there}",
    "by-program": "the log names the program {program}, running for {by}",
    # what is seen whoever did it
    "see-terminator": "the text is the same, but its terminating NUL is missing: a program that counts on"
    " one reads on into whatever follows",
    "see-terminator-back": "the text is the same, and it has its terminating NUL again",
    "see-acl": "permissions moved from {before} to {after}",
    "see-owner": "the owner moved from {before} to {after}",
    "nobody": "nothing that was given explains this",
}

WORDS: dict[str, str] = {
    "sha256": "SHA-256",
    "sha512": "SHA-512",
    "sha1": "SHA-1",
    "md5": "MD5",
    "size": "size",
    "version": "version",
    "before": "version before",
    "mode": "mode",
    "owner": "owner",
    "acl": "permissions",
    "target": "link target",
    "name": "name",
    "files": "files",
    "registry": "the registry",
    "packages": "packages",
    "services": "services",
    "jobs": "scheduled jobs",
    "users": "users",
    "others": "such objects",
}

OBJECT_WORDS: dict[str, str] = {
    "registry": "registry keys and values",
    "file": "file",
    "package": "package",
    "service": "service",
    "job": "scheduled job",
    "user": "user",
    "socket": "socket",
    "module": "kernel module",
}
