"""A run that plain Git copied to another workspace replays there, with the same commits."""

from __future__ import annotations

import subprocess
from pathlib import Path

from shepherd_dsl.core.event import Entry
from shepherd_dsl.core.expr import Do, Let, Lit, Return, Var
from shepherd_dsl.core.files import Files
from shepherd_dsl.core.forest import log_since
from shepherd_dsl.core.grant import Clause
from shepherd_dsl.core.machine import advance, start
from shepherd_dsl.core.program import Def, Operation, Program
from shepherd_dsl.core.replay import follow
from shepherd_dsl.core.wire import parse, program_from, program_text
from shepherd_dsl.trace.hashes import commit_hashes
from shepherd_dsl.trace.protocol import LogEntry
from shepherd_dsl.trace.store import init_store
from shepherd_dsl.trace.verify import verify_tree

WRITES = Let("x", Do("file.write", (Lit("out.txt"), Lit("made by a run\n"))), Return(Var("x")))
PROGRAM = Program({"main": Def((), WRITES)}, {"file.write": Operation("reversible")})
REQUEST = (Clause("file.write"),)


def test_a_fetched_run_replays_with_the_same_commits(tmp_path: Path) -> None:
    here, there = init_store(tmp_path / "here"), init_store(tmp_path / "there")
    writer = here.create(program=program_text(PROGRAM), info={})
    files = Files.of([("in.txt", Entry(0o100644, writer.put_blob(b"before\n")))])
    machine = advance(start(PROGRAM, "main", (), REQUEST, files, read_blob=writer.blob))
    writer.put_blob(b"made by a run\n")
    writer.append([LogEntry(made.run, made.event, made.files) for made in log_since(machine, 0)])
    writer.close()
    subprocess.run(
        ["git", "-C", str(there.git), "fetch", "--quiet", str(here.git), "refs/shepherd/*:refs/shepherd/*"], check=True
    )
    reader = there.read("1")
    recorded = list(reader.entries())
    assert [type(one.event).__name__ for one in recorded] == ["Start", "Intent", "Outcome", "End"]
    assert recorded[-1].files.get("out.txt") is not None
    assert verify_tree(there, "1") == ()
    again = follow(
        program_from(parse(reader.program)),
        [(one.run, one.event) for one in recorded],
        recorded[0].files,
        read_blob=reader.blob,
    )
    assert again.machine is not None
    assert not again.problem
    log = [LogEntry(made.run, made.event, made.files) for made in log_since(again.machine, 0)]
    assert commit_hashes(log, program=reader.program) == [one.commit for one in recorded]
