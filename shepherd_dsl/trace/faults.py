"""Operating system errors as errors of the store."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from shepherd_dsl.errors import CorruptError, StoreError

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_READ_ONLY = {errno.EROFS, errno.EACCES, errno.EPERM}


@contextmanager
def storing(where: Path | str) -> Iterator[None]:
    """Turn an OSError into a StoreError about `where`: `store.full`, `store.readonly` or `store.io`."""
    try:
        yield
    except OSError as error:
        raise store_error(error, where) from error


def store_error(error: OSError, where: Path | str) -> StoreError:
    """The StoreError that tells what `error` means for the store."""
    reason = error.strerror or str(error)
    if error.errno in _FULL:
        return StoreError(
            "store.full",
            f"there is no room to record the run ({reason})",
            where=str(where),
            hint="free some space, then `shepherd resume`: everything acknowledged so far is on disk",
        )
    if error.errno in _READ_ONLY:
        return StoreError(
            "store.readonly",
            f"the trace cannot be written here ({reason})",
            where=str(where),
            hint="check the owner and the mount of this folder",
        )
    return StoreError(
        "store.io", f"reading or writing the trace failed ({reason})", where=str(where), hint="check the disk"
    )


def damaged(oid: str, kind: bytes, where: Path | str, why: str) -> CorruptError:
    """The error for an object that does not read back."""
    return CorruptError(
        "store.object",
        f"the {kind.decode()} {oid} is damaged ({why})",
        where=str(where),
        hint="`shepherd doctor` lists what is affected; a copy of the trace can restore it",
    )
