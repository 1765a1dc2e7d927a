"""Commands as a person uses them: what they accept, what a dry run leaves alone, what an exit status says."""

from __future__ import annotations

import hashlib
import re
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest

from shepherd_dsl.cli.main import COMMANDS
from shepherd_dsl.runtime.workspace import Workspace
from shepherd_dsl.trace.protocol import LogEntry
from tests.support.cli import make_workspace, run_work, shepherd
from tests.support.tamper import EDITS, Log, forge


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = make_workspace(tmp_path / "repo")
    monkeypatch.chdir(folder)
    assert run_work(folder, "--quiet").status == 0
    return folder


def state(folder: Path) -> dict[str, str]:
    """Every file of a workspace, its state included, but for what may go at any time, and who last held a lock."""
    return {
        str(path.relative_to(folder)): hashlib.sha1(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and "cache" not in path.parts and path.name != "lock"
    }


@pytest.mark.parametrize(
    "line",
    [
        ["fork", "1@4", "--by", "3"],
        ["revert", "1@4"],
        ["undo", "1"],
        ["merge", "1"],
        ["discard", "1"],
        ["revert", "-3"],
    ],
)
def test_a_dry_run_changes_nothing(line: list[str], workspace: Path) -> None:
    before = state(workspace)
    printed = shepherd(*line, "--dry-run")
    assert printed.status == 0, printed.err
    assert "would" in printed.out or "already" in printed.out
    assert state(workspace) == before


def test_a_dry_run_says_what_is_then_done(workspace: Path) -> None:
    planned = shepherd("revert", "1@4", "--dry-run", "--json").json()
    done = shepherd("revert", "1@4", "--json").json()
    assert planned["undone"] == done["undone"] == 7
    assert planned["compensations"] == done["compensated"] == ["tracker.retract"]
    assert planned["workspace"] == done["workspace"]
    assert not (workspace / "src" / "new.txt").exists()


def test_undoing_a_discard_leaves_the_workspace_alone(workspace: Path) -> None:
    assert shepherd("revert", "1@4").status == 0
    assert shepherd("fork", "1@4").status == 0
    assert shepherd("discard", "2").status == 0
    assert shepherd("undo", "2").status == 0
    assert not (workspace / "src" / "new.txt").exists()
    states = {item["run"]: item["state"] for item in shepherd("runs", "--json").json()["runs"]}
    assert states == {"1": "stopped", "2": "stopped"}


def test_a_discarded_run_is_not_resumed(workspace: Path) -> None:
    assert shepherd("discard", "1").status == 0
    before = state(workspace)
    printed = shepherd("resume", "1")
    assert (printed.status, printed.out) == (2, "")
    assert "[run.discarded]" in printed.err
    assert "`shepherd undo 1` takes the discard back" in printed.err
    assert state(workspace) == before
    assert shepherd("undo", "1").status == 2  # it had to make a compensation


@pytest.mark.parametrize("dry", [[], ["--dry-run"]])
def test_a_discarded_run_is_not_merged(workspace: Path, dry: list[str]) -> None:
    assert shepherd("revert", "1@4").status == 0
    assert shepherd("run", "work.shep:part", "x", "--quiet", "--keep").status == 0
    assert shepherd("discard", "2").status == 0
    before = state(workspace)
    printed = shepherd("merge", "2", *dry)
    assert (printed.status, printed.out) == (2, "")
    assert "nothing to merge [run.discarded]" in printed.err
    assert state(workspace) == before
    assert shepherd("undo", "2").status == 0
    assert shepherd("merge", "2", *dry).status == 0
    assert (workspace / "x.txt").exists() == (not dry)


@pytest.mark.parametrize("dry", [[], ["--dry-run"]])
@pytest.mark.parametrize("edit", EDITS, ids=lambda edit: edit.__name__)
def test_a_run_that_its_program_cannot_have_produced_is_not_merged(
    workspace: Path, edit: Callable[[Log], tuple[Log, int]], dry: list[str]
) -> None:
    name, at = forge(workspace, "1", edit)
    (workspace / "src" / "new.txt").unlink()
    before = state(workspace)
    printed = shepherd("merge", name, *dry)
    assert (printed.status, printed.out) == (1, "")
    assert "[trace.diverges]" in printed.err
    assert f"at entry {at} of the log" in printed.err
    assert state(workspace) == before


def test_files_that_no_event_explains_are_not_merged(workspace: Path) -> None:
    store = Workspace(workspace).store()
    reader = store.read("1")
    writer = store.create(program=reader.program, info=reader.info)
    entries = list(reader.entries())
    last = entries[-1]
    planted = last.files.apply((("planted.sh", last.files.get("check.sh")),))
    writer.append([LogEntry(item.run, item.event, item.files) for item in entries[:-1]])
    writer.append([LogEntry(last.run, last.event, planted)])
    writer.close()
    for line, why in ((["merge", "2"], "[trace.diverges]"), (["merge", "2", "--dry-run"], "[trace.diverges]")):
        printed = shepherd(*line)
        assert printed.status == 1
        assert why in printed.err
    assert not (workspace / "planted.sh").exists()
    differs = shepherd("replay", "2")
    assert differs.status == 1
    assert f"entry {len(entries) - 1} of its log: the event is that of its program, but not its commit" in differs.out


@pytest.mark.parametrize("dry", [[], ["--dry-run"]])
def test_a_run_is_discarded_once_and_what_was_refused_is_not_undone(workspace: Path, dry: list[str]) -> None:
    assert shepherd("discard", "1").status == 0
    before = state(workspace)
    printed = shepherd("discard", "1", *dry)
    assert (printed.status, printed.out) == (2, "")
    assert "[run.ended]" in printed.err
    assert state(workspace) == before
    assert shepherd("fork", "1@4").status == 0
    for number in ("2", "2", "2"):
        shepherd("discard", number)
    assert "went back to event 5:" in shepherd("undo", "2").out
    assert shepherd("runs", "-n", "1", "--json").json()["runs"][0]["state"] == "stopped"


def test_the_state_of_a_run_is_that_of_its_live_events(workspace: Path) -> None:
    assert shepherd("run", "work.shep:part", "x", "--quiet").status == 0
    for line, want in (("revert 2@2", "stopped"), ("undo 2", "done"), ("discard 2", "discarded"), ("undo 2", "done")):
        assert shepherd(*line.split()).status == 0
        assert shepherd("runs", "-n", "1", "--json").json()["runs"][0]["state"] == want, line


def test_a_failed_run_is_status_1_and_merges_nothing(workspace: Path) -> None:
    (workspace / "check.sh").write_text("echo one; echo two; exit 3\n")
    before = (workspace / "src" / "new.txt").read_bytes()
    printed = run_work(workspace, "--quiet")
    assert printed.status == 1
    assert printed.out.splitlines()[:2] == ["failed run 2: the check failed: one [fail]", "    two"]
    assert (workspace / "src" / "new.txt").read_bytes() == before


def test_what_a_merge_refuses_is_named(workspace: Path) -> None:
    (workspace / "hook.shep").write_text(
        'agent main() -> Unit grants file.write { do file.write(".git/hooks/pre-commit", "evil") }\n'
    )
    printed = shepherd("run", "-q", "hook.shep")
    assert printed.status == 1
    assert "not merged .git/hooks/pre-commit: " in printed.err
    assert "--keep-mine leaves such paths" in printed.err
    assert not (workspace / ".git").exists()


def test_a_refused_merge_changes_nothing_and_can_be_made_later(workspace: Path) -> None:
    assert shepherd("run", "work.shep:twice", "--quiet", "--keep").status == 0
    (workspace / "one.txt").write_text("mine")
    printed = shepherd("merge", "2")
    assert printed.status == 2
    assert "[merge.conflict]" in printed.err
    assert "one.txt" in printed.err
    assert ((workspace / "one.txt").read_text(), (workspace / "two.txt").exists()) == ("mine", False)
    (workspace / "one.txt").unlink()
    assert shepherd("merge", "2").status == 0
    assert (workspace / "one.txt").read_text() == "one 你好\n"


def test_a_run_whose_merge_is_refused_is_status_1(workspace: Path) -> None:
    (workspace / ".shepherd" / "config.toml").write_text("[jail]\noff = true\n")
    (workspace / "check.sh").write_text(f"echo mine >{workspace}/src/new.txt; echo fine\n")
    (workspace / "answers.jsonl").write_text(
        '{"cassette": 1}\n{"any": true, "reply": {"text": "another"}, "note": "for a test"}\n'
    )
    printed = run_work(workspace, "--quiet")
    assert printed.status == 1
    assert "not merged" in printed.err
    assert "`shepherd merge 2` tries again" in printed.err
    assert (workspace / "src" / "new.txt").read_text() == "mine\n"


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (["run", "work.shep"], "agent.which"),
        (["run", "work.shep:nobody"], "agent.unknown"),
        (["run", "nothing.shep"], "file.none"),
        (["run", "work.shep:work"], "args.count"),
        (["run", "work.shep:work", "-1"], "usage"),
        (["run", "deploy.shep"], "handler.none"),
        (["run", "work.shep:work", "it", "--model", "cassette:nothing"], "model.cassette"),
        (["run", "work.shep:work", "it", "--model", "what"], "model.spec"),
        (["run", "count.shep", "three"], "args.value"),
        (["fork", ""], "revision.event_missing"),
        (["undo", "1", "2"], "usage"),
        (["nonsense"], "usage"),
    ],
)
def test_mistakes_have_a_code_and_record_nothing(line: list[str], code: str, workspace: Path) -> None:
    (workspace / "deploy.shep").write_text(
        "effect deploy.start() -> Unit irreversible\n"
        "agent main() -> Unit\n  grants deploy.start\n{ do deploy.start() }\n"
    )
    (workspace / "count.shep").write_text("agent main(n: Int) -> Int { return n }\n")
    printed = shepherd(*line)
    assert printed.status == 2
    assert f"[{code}]" in printed.err
    assert "hint" in printed.err
    assert shepherd("explain", code).status == 0
    assert [item["run"] for item in shepherd("runs", "--json").json()["runs"]] == ["1"]


@pytest.mark.parametrize(
    "kind",
    ["Int", "Bool", "Dec", "List[Int]", "Option[Text]", "{ a: Bool, b: List[{ c: Dec }] }", "Dot | Box(Int, Text)",
     "Box(Int) | Dot", "Unit", "Option[List[Unit]]"],
)  # fmt: skip
def test_the_example_of_an_argument_is_one(kind: str, workspace: Path) -> None:
    (workspace / "kind.shep").write_text(f"agent main(x: {kind}) -> Int {{ return 1 }}\n")
    printed = shepherd("run", "kind.shep", "no such thing")
    assert (printed.status, "[args.value]" in printed.err) == (2, True)
    example = shlex.split(printed.err.rpartition("For example: ")[2])
    assert shepherd("run", "-q", "kind.shep", *example).status == 0


def test_where_an_edited_program_differs_is_seen_in_long_texts_too(workspace: Path) -> None:
    text = "echo " + "x" * 300
    (workspace / "long.shep").write_text(
        f'agent main() -> Exit grants shell.run {{ return do shell.run("{text}1") }}\n'
    )
    assert shepherd("run", "-q", "long.shep").status == 0
    (workspace / "edited.shep").write_text((workspace / "long.shep").read_text().replace("x1", "x2"))
    out = shepherd("replay", "2", "--with", "edited.shep").out.splitlines()
    assert out[1].startswith("  recorded: …xxx")
    assert out[1].endswith('x1"],"op":"shell.run"}}')
    assert out[2].endswith('x2"],"op":"shell.run"}}')


@pytest.mark.parametrize(("text", "want"), [("-1", "-1"), ("3", "3"), ("0", "0")])
def test_arguments_after_two_dashes(text: str, want: str, workspace: Path) -> None:
    (workspace / "count.shep").write_text("agent main(n: Int) -> Int { return n }\n")
    printed = shepherd("run", "-q", "count.shep", "--", text)
    assert printed.out.splitlines()[0].endswith(f": {want}")


@pytest.mark.parametrize("name", COMMANDS)
def test_help(name: str) -> None:
    long, short = shepherd(name, "--help"), shepherd("help", name)
    assert (long.status, long.out) == (0, short.out)
    assert long.out.startswith(f"Usage: shepherd {name}")


def test_the_overview_names_every_command_once() -> None:
    out = shepherd().out
    assert shepherd("help").out == shepherd("--help").out == out
    for name, (_, about, _) in COMMANDS.items():
        assert sum(line.split()[:1] == [name] and about[:20] in line for line in out.splitlines()) == 1


def test_minus_one_is_the_last_event(workspace: Path) -> None:
    assert shepherd("show", "-1").out == shepherd("show", "1@11").out == shepherd("show").out


def test_what_a_run_takes_in_is_told_apart_from_the_rest(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here = [path for path in workspace.rglob("*") if path.is_file() and ".shepherd" not in path.parts]
    printed = run_work(workspace, "--json", "--keep")
    found = printed.json()["imported"]
    assert found["files"] == len(here)
    assert found["bytes"] == sum(path.stat().st_size for path in here)
    assert 0 <= found["took_ms"] < 60_000
    monkeypatch.setattr("shepherd_dsl.runtime.actions._LONG_S", 600.0)
    assert "took in" not in run_work(workspace, "--quiet", "--keep").err
    monkeypatch.setattr("shepherd_dsl.runtime.actions._LONG_S", -1.0)
    assert re.search(rf"^note took in {len(here)} files, 0.0 MB, in \d+.\d s$", run_work(workspace, "-q").err, re.M)
    shepherd("fork", "1@4")
    resumed = shepherd("resume", "--json", "--keep", "--model", "cassette:answers.jsonl").json()
    assert resumed["imported"] is None


def test_an_overlay_needs_the_jail(workspace: Path) -> None:
    config = workspace / ".shepherd" / "config.toml"
    config.write_text('[scope]\nbackend = "overlay"\n[jail]\noff = true\n')
    printed = run_work(workspace, "--quiet")
    assert (printed.status, printed.out) == (2, "")
    assert "[scope.backend]" in printed.err
    assert "✗ copies" in shepherd("doctor", "--quick").out
    config.write_text("[jail]\noff = true\n")
    assert "copy (used)" in shepherd("doctor", "--quick").out
    assert run_work(workspace, "--quiet", "--keep").status == 0


def test_doctor_finds_a_damaged_pack(workspace: Path) -> None:
    assert "every event read" in shepherd("doctor").out
    pack = next((workspace / ".shepherd" / "trace.git" / "objects" / "pack").glob("*.pack"))
    pack.chmod(0o644)
    data = bytearray(pack.read_bytes())
    data[40:60] = bytes(20)
    pack.write_bytes(data)
    printed = shepherd("doctor")
    assert printed.status == 1
    assert "✗ traces" in printed.out
    assert shepherd("doctor", "--quick").status == 0
