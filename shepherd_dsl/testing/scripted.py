"""Tests in the language: `test "…" with { script } { body }`, run through the core machine without a world.

The script is an oracle: a function of the trace of the run that asks. A line with several answers gives them in turn
to the calls that this run made, so that forks and replays are told the same. Files live in memory; a line
`file.read("path") -> "text"` puts a file there before the test starts.
"""

from __future__ import annotations

from collections.abc import Iterable

import attrs

from shepherd_dsl.core.display import display
from shepherd_dsl.core.event import Change, Entry, Intent
from shepherd_dsl.core.files import Files, git_blob_hash
from shepherd_dsl.core.forest import Machine
from shepherd_dsl.core.grant import Clause, matches
from shepherd_dsl.core.machine import Finished, outer_stop, start
from shepherd_dsl.core.oracle import Query, run_to_end
from shepherd_dsl.core.run import Commit, Discarded, Done, Failed
from shepherd_dsl.core.value import Con, Record, Value, err, ok
from shepherd_dsl.lower import Lowered, ScriptRule, TestInfo
from shepherd_dsl.syntax.span import Lines

MAX_ANSWERS = 10_000
"""A test asks its script at most so often."""

UNANSWERED = "unscripted"
"""The error code of a call that no line of the script answers."""


@attrs.frozen(slots=True)
class TestResult:
    """How a test ended. `where` is `file:line`; `reason` is empty where it passed."""

    __test__ = False

    name: str
    passed: bool
    where: str
    reason: str = ""


def run_tests(lowered: Lowered, *, only: str | None = None) -> tuple[TestResult, ...]:
    """The results of a program's tests, in the order of the source; `only` those whose name contains that text."""
    return tuple(run_test(test) for test in lowered.tests if only is None or only in test.name)


def report(results: Iterable[TestResult]) -> str:
    """The results as text: a line a test, the reasons of those that failed indented, and how many there are of each."""
    lines: list[str] = []
    counts = {True: 0, False: 0}
    for result in results:
        counts[result.passed] += 1
        lines.append(f"{'ok  ' if result.passed else 'FAIL'}  {result.name}")
        if not result.passed:
            lines.append(f"      {result.where}: " + result.reason.replace("\n", "\n      "))
    lines.append(f"{counts[True]} passed, {counts[False]} failed")
    return "\n".join(lines) + "\n"


def run_test(test: TestInfo) -> TestResult:
    """Run one test."""
    files, blobs = scripted_files(test.script)
    oracle = Script(test.script)
    m = start(test.program, test.agent, (), test.request, files, read_blob=blobs.__getitem__)
    m = run_to_end(m, oracle, max_answers=MAX_ANSWERS)
    place, reason = _verdict(test, m, oracle)
    return TestResult(test.name, not reason, place, reason)


@attrs.define(slots=True, eq=False)
class Script:
    """An oracle that answers from the lines of a script. `missing` are the calls that no line answered, in order."""

    rules: tuple[ScriptRule, ...]
    missing: list[str] = attrs.field(factory=list)
    seen: dict[int, tuple[Commit, tuple[int, ...]]] = attrs.field(factory=dict)

    def __call__(self, query: Query) -> tuple[Con, Change]:
        """The answer, and no change to files: a script changes none."""
        if query.op == "run.pick":
            return ok(0), ()
        for index, rule in enumerate(self.rules):
            if fits(rule, query.op, query.args):
                return rule.answers[min(self._earlier(query, index), len(rule.answers) - 1)], ()
        call = show_call(query.op, query.args)
        self.missing.append(call)
        return err(UNANSWERED, f"the script has no answer for {call}"), ()

    def _earlier(self, query: Query, line: int) -> int:
        """How many earlier calls of the asking run this line answered; the open intent is in the trace already."""
        return max(self._counts(query.trace)[line] - 1, 0)

    def _counts(self, trace: Commit) -> tuple[int, ...]:
        """How many intents of a trace each line is about. Traces share their beginnings, so these are kept."""
        unseen: list[Commit] = []
        at: Commit | None = trace
        while at is not None and id(at) not in self.seen:
            unseen.append(at)
            at = at.parent
        counts = (0,) * len(self.rules) if at is None else self.seen[id(at)][1]
        for commit in reversed(unseen):
            event = commit.event
            if isinstance(event, Intent):
                line = next((n for n, rule in enumerate(self.rules) if fits(rule, event.op, event.args)), None)
                counts = tuple(count + (n == line) for n, count in enumerate(counts))
        self.seen[id(trace)] = (trace, counts)
        return counts


def fits(rule: ScriptRule, op: str, args: tuple[Value, ...]) -> bool:
    """Whether a line of a script is about this call."""
    return matches(Clause(rule.op, rule.patterns), op, args)


def scripted_files(rules: Iterable[ScriptRule]) -> tuple[Files, dict[str, bytes]]:
    """The files that `file.read("path") -> "text"` lines put there, and their contents by hash."""
    blobs: dict[str, bytes] = {}
    entries: dict[str, Entry] = {}
    for rule in rules:
        if rule.op == "file.read" and len(rule.patterns) == 1 and rule.patterns[0].kind == "path":
            answer = rule.answers[0]
            if answer.name == "Ok" and isinstance(answer.args[0], str):
                data = answer.args[0].encode()
                blobs[git_blob_hash(data)] = data
                entries.setdefault(rule.patterns[0].glob, Entry(0o100644, git_blob_hash(data)))
    return Files.of(sorted(entries.items())), blobs


def _verdict(test: TestInfo, m: Machine, script: Script) -> tuple[str, str]:
    stop = outer_stop(m)
    place = f"{test.file}:{test.line}"
    missing = "".join(f"\n  the script has no answer for {call}" for call in dict.fromkeys(script.missing))
    if not isinstance(stop, Finished):
        return place, f"the test asks more than {MAX_ANSWERS:,} times{missing}"
    match stop.code:
        case Done():
            return place, f"a call was not scripted{missing}" if missing else ""
        case Discarded():
            return place, "the test was discarded"
        case Failed(error):
            code, text = _parts(error)
            if code.startswith("expect."):
                span = test.expects[int(code.removeprefix("expect."))]
                lines = Lines(test.source)
                line, _ = lines.position(span.start)
                shown = test.source[span.start : span.end].strip()
                sides = "".join(f"\n  {part}" for part in text.splitlines())
                return f"{test.file}:{line}", f"does not hold: {shown}{sides}{missing}"
            return place, f"the test failed with {code}: {text}{missing}"
    return place, f"the test did not end{missing}"


def _parts(error: Value) -> tuple[str, str]:
    if isinstance(error, Record):
        code, text = error.get("code"), error.get("text")
        if isinstance(code, str) and isinstance(text, str):
            return code, text
    return "error", display(error)


def show_call(op: str, args: tuple[Value, ...]) -> str:
    """A call as a program writes it, long arguments cut."""
    shown = []
    for arg in args:
        text = display(arg)
        shown.append(text if len(text) <= 120 else f"{text[:117]}...")
    return f"{op}({', '.join(shown)})"
