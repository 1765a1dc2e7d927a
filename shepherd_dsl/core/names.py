"""Names of files (`contract.md`, "Names of files"): one text for every name, reversibly.

A path in a trace is a text. File systems hold bytes, and Git refuses or reads some names. Three spellings of a name,
each a function of the others:

    text    what a program sees; a byte that is not UTF-8 stands as U+EF00 + byte
    os      the bytes of the file system
    git     the bytes in a Git tree: those of `os`, but a name that Git would refuse or read is written with `%XX`
"""

from __future__ import annotations

import re
from functools import lru_cache

MAX_PATH = 4096
"""Most bytes of a path."""

MAX_NAME = 255
"""Most bytes of one component of a path."""

_RAW = re.compile("[\uef80-\uefff]")
_LONE = re.compile("[\ud800-\udfff]")

# HFS+ ignores these inside a name, so that `.g<U+200C>it` is `.git` there: `git fsck` refuses it.
_IGNORED = dict.fromkeys([*range(0x200C, 0x2010), *range(0x202A, 0x202F), *range(0x206A, 0x2070), 0xFEFF])

# What `git fsck` refuses (.git) or parses (.gitmodules, .gitattributes, whose contents an agent writes), with NTFS'
# trailing spaces, periods and streams, and its short names. Wider than Git's own rule, and fixed for good: hashes
# depend on it.
_TAKEN = re.compile(r"(?:\.git(?:modules|attributes)?[ .]*(?::.*)?|(?:g[0-9a-z]{0,5})?~[0-9].*)", re.DOTALL)


def normal_path(text: str) -> str | None:
    """`text` where it is a normal relative path, else None.

    Not normal: the empty text, an absolute path, an empty, `.` or `..` component, NUL, a lone surrogate, more than
    4096 bytes or a component of more than 255, and a second spelling of a name (`\\uefc3\\uefa9` names what `é` names).
    """
    if not text or "\0" in text or _LONE.search(text):
        return None
    raw = os_name(text)
    if len(raw) > MAX_PATH:
        return None
    for name in raw.split(b"/"):
        if not name or name == b"." or name == b".." or len(name) > MAX_NAME:
            return None
    if not text.isascii() and _RAW.search(text) and path_of_os(raw) != text:
        return None
    return text


def os_name(text: str) -> bytes:
    """The bytes of the file system for a path or a component."""
    if text.isascii() or not _RAW.search(text):
        return text.encode("utf-8")
    out = bytearray()
    at = 0
    for found in _RAW.finditer(text):
        out += text[at : found.start()].encode("utf-8")
        out.append(ord(found.group()) - 0xEF00)
        at = found.end()
    out += text[at:].encode("utf-8")
    return bytes(out)


def path_of_os(raw: bytes) -> str:
    """The text for bytes of the file system, a path or a component. Total, and `os_name` undoes it."""
    if raw.isascii():
        return raw.decode("ascii")
    text = raw.decode("utf-8", "surrogateescape")
    text = _RAW.sub(lambda found: "".join(chr(0xEF00 + byte) for byte in found.group().encode("utf-8")), text)
    return _LONE.sub(lambda found: chr(ord(found.group()) - 0xDC00 + 0xEF00), text)


@lru_cache(maxsize=1 << 16)
def git_name(component: str) -> bytes:
    """The bytes of one component in a Git tree.

    A component that begins with `%` or that Git refuses or reads has its first byte and every `%` and backslash
    written `%XX` (Git takes a backslash for a separator when it looks for `.git`).
    """
    raw = os_name(component)
    if not _taken(component):
        return raw
    head = b"%%%02X" % raw[0]
    return head + raw[1:].replace(b"%", b"%25").replace(b"\\", b"%5C")


def text_name(raw: bytes) -> str:
    """The component that a name in a Git tree stands for; `git_name` undoes it.

    Raises ValueError for bytes that `git_name` gives for no component.
    """
    plain = raw
    if raw.startswith(b"%"):
        plain = re.sub(rb"%([0-9A-F]{2})", lambda found: bytes([int(found.group(1), 16)]), raw)
    name = path_of_os(plain)
    if plain in (b"", b".", b"..") or b"/" in plain or b"\0" in plain or git_name(name) != raw:
        raise ValueError(f"not a name of this project in a Git tree: {raw!r}")
    return name


def _taken(component: str) -> bool:
    first = component[:1]
    if first == "%":
        return True
    if component.isascii() and first not in ".gG~" and "\\" not in component:
        return False
    plain = component.translate(_IGNORED).lower()
    return any(_TAKEN.fullmatch(part) for part in plain.split("\\"))
