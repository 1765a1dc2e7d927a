"""The LALR(1) parser: tokens to the surface tree, with every syntax error of the file.

After an error it goes on the way Yacc does: the innermost unfinished construct that may be an `ERROR` is given up, and
the input is skipped to where something can follow it, which is the end of the statement or the body of the declaration.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from typing import Any

from shepherd_dsl.syntax import codes
from shepherd_dsl.syntax.build import ACTIONS_BY_NAME, Builder
from shepherd_dsl.syntax.diagnostics import Diagnostic, ordered
from shepherd_dsl.syntax.layout import Layout
from shepherd_dsl.syntax.lexer import Lexer
from shepherd_dsl.syntax.table import ACCEPT, ACTIONS, END, GOTOS, RULES
from shepherd_dsl.syntax.token import Token
from shepherd_dsl.syntax.tree import Module, Span

MAX_TREE_DEPTH = 200
"""How deep a tree may be, so that what walks over it may do so by recursion."""


def parse(source: str, *, file: str) -> tuple[Module, tuple[Diagnostic, ...]]:
    """Parse a file; never raises for what the file says.

    With no diagnostics the module is the whole file. With some, declarations and statements that could not be read are
    left out of it (a language server can use the rest; a compiler should not).
    """
    lexer = Lexer(source, file)
    lexer.run()
    layout = Layout(lexer.tokens, file, source)
    layout.run(text_open=any(found.code == codes.TEXT_OPEN_LONG for found in lexer.diagnostics))
    found = lexer.diagnostics + layout.diagnostics
    if layout.too_deep:
        return Module(file, source, (), Span(0, len(source))), ordered(found)
    parser = _Parser(source, file, layout.tokens, found)
    items = parser.run()
    return Module(file, source, items, Span(0, len(source))), ordered([*found, *parser.diagnostics])


class _Parser:
    """The stacks of one parse: states, and for each symbol its value, where it starts and ends, and its depth."""

    def __init__(self, source: str, file: str, tokens: list[Token], before: list[Diagnostic]) -> None:
        self.source = source
        self.file = file
        self.tokens = tokens
        self.builder = Builder(file, source)
        self.errors: list[Diagnostic] = []
        self.states = [0]
        self.values: list[Any] = []
        self.starts: list[int] = []
        self.ends: list[int] = []
        self.depths: list[int] = []
        self._before = sorted(diagnostic.span.start for diagnostic in before)
        self._deep = False

    @property
    def diagnostics(self) -> list[Diagnostic]:
        """What the parser and the builders found."""
        return self.errors + self.builder.diagnostics

    def run(self) -> Any:
        """The items of the file."""
        index = 0
        tokens = self.tokens
        states, values, starts, ends, depths = self.states, self.values, self.starts, self.ends, self.depths
        while True:
            token = tokens[index]
            target = ACTIONS[states[-1]].get(token.kind)
            if target is None:
                index = self._recover(index)
            elif target >= 0:
                states.append(target)
                values.append(token)
                starts.append(token.start)
                ends.append(token.end)
                depths.append(0)
                index += 1
            else:
                self._reduce(-1 - target, token)
                if states[-1] == ACCEPT:
                    return values[0]

    def _reduce(self, rule: int, token: Token) -> None:
        left, length, action, plan = RULES[rule]
        states, values, starts, ends, depths = self.states, self.values, self.starts, self.ends, self.depths
        if length:
            first = len(values) - length
            start, end = starts[first], ends[-1]
            if not action:
                value = values[first + plan[0] // 2]
                depth = max(depths[first:]) if length > 1 else depths[-1]
            else:
                children: list[Any] = []
                for step in plan:
                    if step < 0:
                        children.append(None)
                    elif step & 1:
                        children.extend(values[first + step // 2])
                    else:
                        children.append(values[first + step // 2])
                depth = max(depths[first:])
                if action[0] == "_":
                    value = children
                else:
                    depth += 1
                    value = ACTIONS_BY_NAME[action](self.builder, Span(start, end), children)
            del states[-length:], values[-length:], starts[-length:], ends[-length:], depths[-length:]
        else:
            start = end = ends[-1] if ends else token.start
            depth = 0
            value = (
                [] if action[0] == "_" else ACTIONS_BY_NAME[action](self.builder, Span(start, end), [None] * len(plan))
            )
        if depth > MAX_TREE_DEPTH and not self._deep:
            self._deep = True
            message = f"this is nested more than {MAX_TREE_DEPTH} deep"
            self.errors.append(
                Diagnostic(
                    codes.DEEP, Span(start, min(end, start + 1)), self.file, message, hint="name its parts with `let`"
                )
            )
        states.append(GOTOS[states[-1]][left])
        values.append(value)
        starts.append(start)
        ends.append(end)
        depths.append(depth)

    # Errors ----------------------------------------------------------------------------------------------------------

    def accepts(self, kind: str, states: list[int] | None = None) -> bool:
        """Whether a token of this kind could come next."""
        stack = list(self.states if states is None else states)
        while True:
            target = ACTIONS[stack[-1]].get(kind)
            if target is None:
                return False
            if target >= 0:
                return True
            left, length, _, _ = RULES[-1 - target]
            if length:
                del stack[-length:]
            stack.append(GOTOS[stack[-1]][left])
            if stack[-1] == ACCEPT:
                return True

    def _recover(self, index: int) -> int:
        """Report the token at `index` and go on behind the construct that it breaks; gives the next index."""
        token = self.tokens[index]
        if not self._known(index):
            from shepherd_dsl.syntax.expected import diagnose  # most programs that run have no errors

            expected = [kind for kind in ACTIONS[self.states[-1]] if kind != "ERROR" and self.accepts(kind)]
            self.errors.append(diagnose(self.source, self.file, self.tokens, index, expected))
        keep = len(self.states)
        while True:
            keep -= 1
            shifted = ACTIONS[self.states[keep]].get("ERROR", -1)
            if shifted < 0:
                continue  # the first state shifts ERROR, so this ends
            depth = self._depth(keep)
            at = self._follow([*self.states[: keep + 1], shifted], index, depth)
            if at is not None:
                break
        start = self.starts[keep] if keep < len(self.starts) else token.start
        del self.states[keep + 1 :], self.values[keep:], self.starts[keep:], self.ends[keep:], self.depths[keep:]
        self.states.append(shifted)
        self.values.append(None)
        self.starts.append(start)
        self.ends.append(max(start, self.tokens[at - 1].end if at else start))
        self.depths.append(0)
        return at

    def _depth(self, keep: int) -> int:
        """How many brackets are open around what comes after the first `keep` symbols."""
        for value in reversed(self.values[:keep]):
            if isinstance(value, Token) and value.kind in ("LBRACE", "LREC", "LPAR", "LFUN", "LSQB", "TEXT_BEGIN"):
                return value.depth + 1
        return 0

    def _follow(self, states: list[int], index: int, depth: int) -> int | None:
        """The first place from `index` on that ends the statement or opens the body, if `states` can go on there."""
        for at in range(index, len(self.tokens)):
            token = self.tokens[at]
            kind = token.kind
            if token.depth == depth and kind == "LBRACE":
                if self.accepts(kind, states):
                    return at
            elif (kind, token.depth) in (("NEWLINE", depth), ("RBRACE", depth - 1)) or kind == END:
                return at if self.accepts(kind, states) else None
            elif token.depth < depth - 1:
                return None
        return None

    def _known(self, index: int) -> bool:
        """Whether this line of tokens has an error already, of which this one is likely a consequence."""
        token = self.tokens[index]
        first = index
        while first and self.tokens[first - 1].kind != "NEWLINE":
            first -= 1
        at = bisect_left(self._before, min(self.tokens[first].start, token.start))
        if at < bisect_right(self._before, token.end):
            return True
        if token.kind == "NEWLINE" and index + 1 < len(self.tokens):
            return False
        return not token.text and token.kind in ("RPAR", "RSQB", "RBRACE", "TEXT_END")
