"""The version of programs, events and traces in canonical text. Apart, so that asking for it imports nothing."""

from typing import Final

FORMAT_VERSION: Final = 1
