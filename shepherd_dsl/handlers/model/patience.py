"""Tries again: backoff for what may pass, bounded, each failed try recorded."""

from __future__ import annotations

import anyio
import attrs

from shepherd_dsl.handlers.model.backend import Backend, Show
from shepherd_dsl.handlers.model.chat import Chat, Reply, Trouble, digest, plain, sound, sound_reply
from shepherd_dsl.handlers.model.failure import timeout
from shepherd_dsl.handlers.model.options import ModelOptions


def pause_before(attempt: int, *, salt: str, options: ModelOptions) -> float:
    """Seconds to wait after the failed try `attempt` (from 0): doubled each time, then 0 to 25 % less.

    The spread keeps parallel runs from coming back in step. It is taken from the request, not from chance.
    """
    full = min(options.pause * 2.0**attempt, options.longest_wait)
    return full * (1 - int(digest([salt, attempt])[:4], 16) / 0x10000 / 4)


class PatientBackend:
    """A backend that asks another one until it answers or asking is of no use (`Backend`)."""

    def __init__(self, inner: Backend, options: ModelOptions) -> None:
        self._inner = inner
        self._options = options

    async def _once(self, chat: Chat, show: Show) -> Reply | Trouble:
        with anyio.move_on_after(self._options.deadline):
            answer = await self._inner.ask(chat, show)
            return sound_reply(answer) if isinstance(answer, Reply) else attrs.evolve(answer, text=sound(answer.text))
        return timeout(f"no answer within {self._options.deadline:g} s")

    async def ask(self, chat: Chat, show: Show) -> Reply | Trouble:
        retries: list[str] = []
        salt = digest(plain(chat))
        while True:
            shown = False

            def piece(text: str) -> None:
                nonlocal shown
                shown = True
                show(sound(text))

            answer = await self._once(chat, piece)
            if isinstance(answer, Reply):
                return attrs.evolve(answer, retries=(*retries, *answer.retries))
            tries = len(retries) + 1
            if not answer.again:
                return answer if not retries else attrs.evolve(answer, text=f"{answer.text} (try {tries})")
            if tries >= self._options.attempts:
                return attrs.evolve(answer, text=f"{answer.text} ({tries} tries)", again=False)
            wait = pause_before(len(retries), salt=salt, options=self._options) if answer.wait is None else answer.wait
            if wait > self._options.longest_wait:
                text = f"{answer.text} (the server asks to wait {wait:.0f} s; at most {self._options.longest_wait:g})"
                return attrs.evolve(answer, text=text, again=False)
            retries.append(f"{answer.code} ({answer.why})")
            if shown:
                show("\n‹broken off; asking again›\n")
            await anyio.sleep(wait)

    async def aclose(self) -> None:
        await self._inner.aclose()
