"""Law `conflict_inert`: a merge that conflicts changes nothing; one that does not, the asker's files alone."""

from __future__ import annotations

from shepherd_dsl.core.event import Entry, Outcome
from shepherd_dsl.core.files import merge
from shepherd_dsl.core.run import Waiting
from shepherd_dsl.core.value import Con
from tests.support.build import ALL, do, drive, p, program, ret, seq, spawn
from tests.support.generate import BASE, HASHES, Case, case, cases, run_case
from tests.support.stepping import steps_of


def test_a_merge_touches_the_asker_alone_and_nothing_where_it_conflicts() -> None:
    conflicts = merged = 0
    for seed in cases(700):
        for before, after in steps_of(case(seed)):
            asker = before.stack[0]
            code = before.runs[asker].code
            if not isinstance(code, Waiting) or code.op != "run.merge" or after.log is None:
                continue
            for id, run in before.runs.items():
                assert id == asker or after.runs[id] is run, (seed, id)
            event = after.log.commit.event
            assert isinstance(event, Outcome)
            if event.answer.name != "Ok":
                assert after.runs[asker].files is before.runs[asker].files
                continue
            child = before.runs[before.runs[asker].handles[code.args[0].index]]  # type: ignore[union-attr]
            wanted = merge(child.base, before.runs[asker].files, child.files)
            answer = event.answer.args[0]
            assert isinstance(answer, Con)
            if isinstance(wanted, tuple):
                conflicts += 1
                assert answer == Con("Conflict", (wanted,))
                assert event.files == ()
                assert after.runs[asker].files is before.runs[asker].files, seed
            else:
                merged += 1
                assert answer == Con("Merged")
                assert after.runs[asker].files == wanted
    assert conflicts
    assert merged > 20


def test_two_workers_that_write_the_same_file() -> None:
    """The first is merged, the second conflicts and changes nothing, whichever is the second."""
    first, second = p("con_arg", "$a", 0), p("con_arg", "$b", 0)
    worker = (("text", "path"), seq(do("file.write", "$path", "$text"), ret(1)))
    for path, expected in (("a.txt", Con("Conflict", (("a.txt",),))), ("new/z.txt", Con("Merged"))):
        main = seq(
            ("a", spawn("worker", "one\n" if path != "a.txt" else "two\n", "a.txt")),
            ("b", spawn("worker", "three\n", path)),
            drive(first),
            drive(second),
            do("run.merge", first),
            ("m", do("run.merge", second)),
            ret("$m"),
        )
        made = program(400, worker=worker, main=((), main))
        m = run_case(Case(0, made, "main", (), ALL, BASE), world=False).last
        assert m.runs["root"].code.value == Con("Ok", (expected,))  # type: ignore[union-attr]
        kept = HASHES[2] if path == "a.txt" else HASHES[1]
        assert m.runs["root"].files.get("a.txt") == Entry(0o100644, kept)
