"""Programs drawn from the grammar: any derivation, with any blanks, comments and line breaks that it allows."""

from __future__ import annotations

from collections import Counter
from random import Random

from shepherd_dsl.syntax.generate import grammar
from shepherd_dsl.syntax.layout import OPERATORS, SOFT, STATEMENTS
from shepherd_dsl.syntax.table import FIXED, RULES

_TEXTS = [
    '"a"',
    '""',
    '"tests/*.py"',
    '"q \\" \\u{1F411} \\$"',
    '"""\n      two\n        lines\n      """',
    '"""one"""',
]
_FILLED = ['"x ${y + 1} z"', '"${"in ${y}"}${f("}")}"', '"\\n${ {a: 1}.a }\\""']
_BEGINS = ['"""x ${', '"""${', '"""\n    ${', '"""\n\\n  ${']
_MIDS = ["} y ${", "}${", "}\n      y ${"]
_ENDS = ['}"""', '} z"""', '}\n    """']
_NAMES = ["x", "kids", "run", "step", "a1", "snake_case", "_private", "answer", "deny"]
_CONS = ["Some", "None", "Exit", "Text"]
_NUMBERS = {"INT": ["0", "7", "1_000"], "DEC": ["1.50", "0.1"]}
_WORDS = frozenset(SOFT) | STATEMENTS

# Rules of what stands in for an error, and of lists without an item, which the lexer has a say in.
_USABLE = [
    index for index, (_, _, action, _) in enumerate(RULES) if action not in ("error", "agent_error", "body_error")
]


class Expansion:
    """The symbols of each rule; the table has only their number, so they come from the grammar itself."""

    def __init__(self) -> None:
        rules = sorted([rule.origin.name, *(symbol.name for symbol in rule.expansion)] for rule in grammar().rules)
        assert len(rules) == len(RULES)
        self.rules = {
            index: rules[index]
            for index in _USABLE
            if "ERROR" not in rules[index]
            and rules[index][1:] != ["LREC", "RBRACE"]  # where it may stand is tested apart
        }
        self.by_left: dict[str, list[int]] = {}
        for index, (left, *_) in self.rules.items():
            self.by_left.setdefault(left, []).append(index)
        self.cost = {left: 10**6 for left in self.by_left}
        changed = True
        while changed:
            changed = False
            for index in self.rules:
                cost = self.rule_cost(index)
                if cost < self.cost[self.rules[index][0]]:
                    self.cost[self.rules[index][0]] = cost
                    changed = True

    def rule_cost(self, index: int) -> int:
        """How many rules the shortest derivation takes that begins with this one."""
        return 1 + sum(self.cost.get(symbol, 0) for symbol in self.rules[index][1:])


_expansion: Expansion | None = None


def expansion() -> Expansion:
    """The one expansion, made when first needed."""
    global _expansion
    if _expansion is None:
        _expansion = Expansion()
    return _expansion


def tokens(random: Random, size: int, reached: Counter[int] | None = None) -> list[tuple[str, str]]:
    """Kinds and texts of the terminals of a program.

    `size` is shared out among the parts, which are drawn
    freely while it lasts, and then as short as can be; rarely used rules are preferred. `reached` counts the rules.
    """
    drawn = expansion()
    out: list[tuple[str, str]] = []
    local: Counter[int] = Counter() if reached is None else reached
    begin = ["AGENT", "name", "LPAR", "RPAR", "ARROW", "CON", "block"] if random.random() < 0.5 else ["start"]
    stack = [(symbol, size) for symbol in reversed(begin)]
    while stack:
        symbol, left = stack.pop()
        if symbol not in drawn.by_left:
            out.append((symbol, _terminal(random, symbol)))
            continue
        choices = drawn.by_left[symbol]
        if left <= 1:
            least = min(drawn.rule_cost(index) for index in choices)
            choices = [index for index in choices if drawn.rule_cost(index) == least]
        # Rules that only pass on to another one are preferred, or an expression would be nothing but operators.
        passing = [len(rule) == 2 and rule[1] in drawn.by_left for rule in (drawn.rules[index] for index in choices)]
        weights = [(8 if on else 1) / (1 + local[index]) for index, on in zip(choices, passing, strict=True)]
        index = random.choices(choices, weights)[0]
        local[index] += 1
        parts = drawn.rules[index][1:]
        if symbol == "primary" and parts == ["text"] and random.random() < 0.5:
            out.append(("TEXT", random.choice(_FILLED)))
            continue
        if symbol != "primary":  # only there may a text be interpolated
            parts = ["TEXT" if part == "text" else part for part in parts]
        inner = max(1, sum(part in drawn.by_left for part in parts))
        share = left if len(parts) == 1 else left - 1 if inner == 1 else left // inner
        stack.extend((part, share) for part in reversed(parts))
    return out


def _terminal(random: Random, kind: str) -> str:
    if kind in FIXED:
        return FIXED[kind]
    pools = {"TEXT": _TEXTS, "TEXT_BEGIN": _BEGINS, "TEXT_MID": _MIDS, "TEXT_END": _ENDS, "NAME": _NAMES, "CON": _CONS}
    pools |= _NUMBERS | {"LREC": ["{"], "LFUN": ["("], "NEWLINE": ["\n"]}
    return random.choice(pools[kind])


def source(random: Random, drawn: list[tuple[str, str]]) -> str:
    """The terminals written out, with blanks, comments and line breaks where they change nothing."""
    out: list[str] = []
    brackets: list[str] = []
    for index, (kind, text) in enumerate(drawn):
        following = drawn[index + 1][0] if index + 1 < len(drawn) else ""
        if kind == "NEWLINE":
            out.append(random.choice(["\n", "\n\n\n", "  // c\n", "\n// about\n", "\r\n"]))
            continue
        if kind in ("RPAR", "RSQB", "RBRACE", "TEXT_END"):
            brackets.pop()
        elif kind in ("LPAR", "LFUN", "LSQB", "LBRACE", "LREC", "TEXT_BEGIN"):
            brackets.append(kind)
        out.append(text)
        if following == "NEWLINE":
            continue
        free = (
            (brackets and brackets[-1] in ("LPAR", "LFUN", "LSQB", "LREC"))
            or kind in ("COMMA", "ARROW", "FAT_ARROW", "LBRACE")
            or following in (OPERATORS - {"MINUS"}) | {"RBRACE", "ELSE", "WHERE", "WHEN"}
        )
        verdict = kind in ("ANSWER", "DENY") or text in ("answer", "deny")
        # A line that begins with the word of a statement, or with one that begins a declaration, is read as one.
        if free and not verdict and following not in _WORDS | {"AGENT"} and random.random() < 0.15:
            out.append(random.choice(["\n    ", " // why\n  ", "\n\n"]))
        else:
            out.append(random.choice([" ", " ", "  ", "\t"]))
    return "".join(out) + random.choice(["", "\n", "\n\n// the end\n"])
