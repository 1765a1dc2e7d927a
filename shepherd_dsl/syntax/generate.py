"""`python -m shepherd_dsl.syntax.generate`: makes table.json, the LALR(1) table, from grammar.lark.

The table is shipped, so that parsing needs neither lark nor the fraction of a second in which it analyses the grammar.
A test makes it again and compares. Only this module needs lark.
"""

from __future__ import annotations

import json
import sys
from importlib import resources
from pathlib import Path
from typing import Any

DROPPED = frozenset({"NEWLINE", "LREC", "LFUN", "ERROR"})
"""Terminals without a pattern that tell the builders nothing."""


def grammar() -> Any:
    """The grammar as lark reads it, without a lexer."""
    from lark import Lark
    from lark.lexer import Lexer

    class NoLexer(Lexer):
        def __init__(self, conf: Any) -> None:
            pass

        def lex(self, *_: Any) -> Any:
            raise NotImplementedError

    text = resources.files(__package__).joinpath("grammar.lark").read_text("utf-8")
    return Lark(text, parser="lalr", lexer=NoLexer, maybe_placeholders=True)


def table() -> str:
    """The table as JSON text, the same on every machine; a conflict in the grammar is an error.

    `terminals`, `nonterminals`: their names. `fixed`: the terminals that are always written the same.
    `rules`: `[left side, length, action, plan]`; the plan says of which symbols the action gets the values:
    -1 is None, `2i` the value of symbol i, `2i + 1` the values in the list of symbol i; action "" is the identity.
    `actions[row]`, `gotos[row]`: `[symbol, target, symbol, target…]`; a target below zero is a reduction by rule
    `-1 - target`. `states`: the row of each state in both. State 0 is the first; reaching `end` accepts.
    """
    from lark.grammar import Terminal
    from lark.lexer import PatternStr
    from lark.parsers.lalr_analysis import LALR_Analyzer, Shift

    lark = grammar()
    analyzer = LALR_Analyzer(lark.parser.parser_conf, debug=True, strict=True)
    analyzer.compute_lalr()  # type: ignore[no-untyped-call]
    parsed = analyzer.parse_table

    terminals = sorted(
        {t.name for t in lark.terminals} | {s for row in parsed.states.values() for s in row if s.isupper()}
    )
    terminal_index = {name: index for index, name in enumerate(terminals)}
    nonterminals = sorted({rule.origin.name for rule in lark.rules})
    nonterminal_index = {name: index for index, name in enumerate(nonterminals)}

    def key(rule: Any) -> tuple[str, ...]:
        return (rule.origin.name, *(symbol.name for symbol in rule.expansion))

    rules = sorted(lark.rules, key=key)
    rule_index = {key(rule): index for index, rule in enumerate(rules)}

    def plan(rule: Any) -> list[int]:
        absent = [0] * (len(rule.expansion) + 1)
        at = 0
        for missing in rule.options.empty_indices:
            if missing:
                absent[at] += 1
            else:
                at += 1
        out: list[int] = []
        for index, symbol in enumerate(rule.expansion):
            out += [-1] * absent[index]
            if isinstance(symbol, Terminal):
                if rule.options.keep_all_tokens or not (symbol.filter_out or symbol.name in DROPPED):
                    out.append(2 * index)
            else:
                out.append(2 * index + symbol.name.startswith("_"))
        return out + [-1] * absent[len(rule.expansion)]

    def action(rule: Any, kept: list[int]) -> str:
        if rule.alias:
            return str(rule.alias)
        return "" if rule.options.expand1 and len(kept) == 1 else str(rule.origin.name)

    # States are numbered in the order in which they are met from the first one, symbols sorted.
    start = parsed.start_states["start"]
    number, order = {start: 0}, [start]
    for state in order:
        for _symbol, (kind, target) in sorted(parsed.states[state].items()):
            if kind is Shift and target not in number:
                number[target] = len(order)
                order.append(target)
    rows: list[dict[str, list[int]]] = []
    row_index: dict[str, int] = {}
    states = []
    for state in order:
        row: dict[str, list[int]] = {"actions": [], "gotos": []}
        for symbol, (kind, target) in sorted(parsed.states[state].items()):
            code = number[target] if kind is Shift else -1 - rule_index[key(target)]
            if symbol in terminal_index:
                row["actions"] += [terminal_index[symbol], code]
            else:
                row["gotos"] += [nonterminal_index[symbol], code]
        text = json.dumps(row)
        if text not in row_index:
            row_index[text] = len(rows)
            rows.append(row)
        states.append(row_index[text])
    described = []
    for rule in rules:
        kept = plan(rule)
        described.append([nonterminal_index[rule.origin.name], len(rule.expansion), action(rule, kept), kept])
    result = {
        "terminals": terminals,
        "nonterminals": nonterminals,
        "fixed": {
            t.name: t.pattern.value
            for t in sorted(lark.terminals, key=lambda t: t.name)
            if isinstance(t.pattern, PatternStr)
        },
        "rules": described,
        "actions": [row["actions"] for row in rows],
        "gotos": [row["gotos"] for row in rows],
        "states": states,
        "end": number[parsed.end_states["start"]],
    }
    return json.dumps(result, separators=(",", ":"), ensure_ascii=False) + "\n"


def main() -> None:
    """Write the table beside the grammar."""
    path = Path(str(resources.files(__package__).joinpath("table.json")))
    path.write_text(table(), "utf-8")
    sys.stdout.write(f"wrote {path} ({path.stat().st_size} bytes)\n")


if __name__ == "__main__":
    main()
