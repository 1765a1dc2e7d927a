"""Python agents on real files and a real shell, and performed by a model."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, TypedDict

import pytest

from shepherd_dsl import (
    Declarations,
    EffectError,
    Exit,
    Run,
    agent,
    ask,
    do,
    fail,
    files,
    gather,
    merge,
    messages,
    read,
    remove,
    run,
    script,
    shell,
    try_do,
    write,
)
from shepherd_dsl.core.event import End, Intent
from shepherd_dsl.runtime.actions import replay_run
from shepherd_dsl.runtime.workspace import Workspace


@dataclass(frozen=True)
class Plan:
    goal: str
    steps: list[str]
    budget: Decimal | None = None


class Note(TypedDict):
    id: int


TRACKER = Declarations(
    """
    type Note = { id: Int }
    effect tracker.comment(issue: Int, text: Text) -> Note compensable by tracker.retract
    effect tracker.retract(note: Note) -> Unit irreversible
    """
)


@agent(grants=['file.write("src/**")', "file.read", "file.remove", "file.list", "shell.run", "shell.script"])
def work(feature: str, times: int = 2) -> Exit:
    for n in range(times):
        write(f"src/part{n}.txt", f"{feature} {n}\n")
    assert files("src/*") == [f"src/part{n}.txt" for n in range(times)]
    assert read("src/part0.txt") == f"{feature} 0\n"
    remove("src/part0.txt")
    assert script("cat src/*.txt | wc -l").out.strip() == str(times - 1)
    return shell(["cat", "src/part1.txt"])


def test_files_and_commands_are_real_and_merged(tmp_path: Path) -> None:
    """What the function asks for happens in the run's own copy, each effect one event, and is merged at the end."""
    (tmp_path / "kept.txt").write_text("kept")
    ran = run(work("login"), workspace=tmp_path)
    assert ran.kind == "done"
    assert ran.result() == Exit(0, "login 1\n")
    assert ran.merged == ("src/part1.txt",)
    assert (tmp_path / "src/part1.txt").read_text() == "login 1\n"
    assert not (tmp_path / "src/part0.txt").exists()
    asked = [event.op for event in events(tmp_path, ran.tree) if isinstance(event, Intent)]
    assert [op for op in asked if op != "python.step"] == [
        "file.write", "file.write", "file.list", "file.read", "file.remove", "shell.script", "shell.run",
    ]  # fmt: skip
    assert asked.count("python.step") == 8


def test_keep_leaves_the_workspace_alone(tmp_path: Path) -> None:
    """With `keep` nothing is written to the workspace."""
    assert run(work("login"), workspace=tmp_path, keep=True).merged == ()
    assert not (tmp_path / "src").exists()


@pytest.mark.parametrize("make", [lambda: work("login"), lambda: twice("login")], ids=["one", "nested"])
def test_replay_gives_the_same_hashes(tmp_path: Path, make: Callable[[], Run[Any]]) -> None:
    """The core program with the recorded answers gives every commit again: the function is not needed for it."""
    ran = run(make(), workspace=tmp_path)
    report = replay_run(Workspace(tmp_path), ran.tree)
    assert report.identical
    assert report.followed == report.total > 10


def test_the_same_run_has_the_same_hashes(tmp_path: Path) -> None:
    """Two workspaces, the same run: the same commits."""
    hashes = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        ran = run(twice("login"), workspace=tmp_path / name)
        hashes.append([entry.commit for entry in Workspace(tmp_path / name).store().read(ran.tree).entries()])
    assert hashes[0] == hashes[1]


@agent(grants=["run", work])
def twice(feature: str) -> list[Exit]:
    """Two runs of `work`, one after the other; the second one's files are merged."""
    first, second = work(feature), work(feature + "!", times=3)
    ends = [first.result(), second.result()]
    merge(second)
    return ends


def test_an_agent_calls_agents(tmp_path: Path) -> None:
    """Inside an agent a call spawns; only merged files come back."""
    assert run(twice("login"), workspace=tmp_path).result() == [Exit(0, "login 1\n"), Exit(0, "login! 1\n")]
    assert sorted(path.name for path in (tmp_path / "src").iterdir()) == ["part1.txt", "part2.txt"]


@agent(grants=["run", work])
def both(features: list[str]) -> list[str]:
    return [end.out for end in gather(*[work(feature) for feature in features])]


def test_gather_drives_side_by_side(tmp_path: Path) -> None:
    """Several runs in flight; their values come in the order given."""
    ran = run(both(["a", "b", "c"]), workspace=tmp_path)
    assert ran.result() == ["a 1\n", "b 1\n", "c 1\n"]
    assert any(isinstance(event, Intent) and event.op == "run.pick" for event in events(tmp_path, ran.tree))
    assert replay_run(Workspace(tmp_path), ran.tree).identical


@agent(grants=["tracker.comment"], using=[TRACKER])
def comment(text: str) -> Note:
    note: Note = do("tracker.comment", 42, text)
    return note


def test_declared_operations(tmp_path: Path) -> None:
    """Operations beyond the standard library are declared in the language; records come as what is annotated."""
    assert run(comment("done"), workspace=tmp_path).result() == {"id": 1}


@agent(grants=['file.read("docs/**")', "file.write at most 1"])
def curious() -> list[str]:
    """Asks for what it was not granted, and for what is not there."""
    seen = []
    for attempt in (
        lambda: try_do("file.read", "secret.txt"),
        lambda: try_do("file.read", "docs/none.txt"),
        lambda: try_do("file.write", "a.txt", "1"),
        lambda: try_do("file.write", "b.txt", "2"),
    ):
        outcome = attempt()
        seen.append("ok" if outcome.ok else outcome.error.code if outcome.error else "unknown")
    return seen


def test_the_grant_is_the_machines(tmp_path: Path) -> None:
    """Grants, their patterns and their limits hold for Python agents as for any."""
    ran = run(curious(), workspace=tmp_path)
    assert ran.result() == ["denied", "not_found", "ok", "denied"]


@agent
def echo(plan: Plan, whatever: Any, flag: bool = True, *, note: str | None = None) -> tuple[Plan, ...]:
    assert isinstance(plan, Plan)
    assert whatever.deep[0].name == "x"
    assert flag is True
    assert note is None
    return (plan, Plan("other", [], Decimal("1.50")))


def test_values_come_as_they_were_given(tmp_path: Path) -> None:
    """Arguments and results are built as the annotations say; without one, records have attributes."""
    plan = Plan("tea", ["boil", "pour"], Decimal("0.1"))
    found = run(echo(plan, {"deep": [{"name": "x"}]}), workspace=tmp_path).result()
    assert found == (plan, Plan("other", [], Decimal("1.5")))
    assert isinstance(found, tuple)


# ── models ───────────────────────────────────────────────────────────────────────────────────────────────────────────


@agent(grants=['file.read("docs/**")', "file.list"])
def survey(topic: str, limit: int) -> Plan:
    """Say which files are about the topic, "at most" as many as the limit; $1 {each}.

    A second paragraph.
    """
    raise NotImplementedError


def cassette(path: Path, *replies: object) -> str:
    """A cassette in `path` that gives these replies in turn."""
    lines: list[object] = [{"cassette": 1}]
    lines += [{"any": True, "reply": {"text": reply} if isinstance(reply, str) else reply} for reply in replies]
    path.write_text("\n".join(json.dumps(line) for line in lines) + "\n")
    return f"cassette:{path}"


def test_a_docstring_is_performed_by_a_model(tmp_path: Path) -> None:
    """Docstring = instruction, parameters = context, grants = tools, return type = answer schema."""
    space = tmp_path / "space"
    (space / "docs").mkdir(parents=True)
    (space / "docs/tea.md").write_text("All about tea.")
    call = {"calls": [{"name": "file.read", "args": '{"path": "docs/tea.md"}'}], "stop": "calls"}
    model = cassette(tmp_path / "tape", call, "no JSON", '{"goal": "tea", "steps": ["docs/tea.md"], "budget": 0.5}')
    ran = run(survey("tea", 3), workspace=space, model=model)
    assert ran.result() == Plan("tea", ["docs/tea.md"], Decimal("0.5"))
    asked = [event for event in events(space, ran.tree) if isinstance(event, Intent)]
    assert [event.op for event in asked if event.op != "inbox.take"] == [
        "model.chat", "file.read", "model.chat", "model.chat",
    ]  # fmt: skip
    request: Any = asked[1].args[0]
    system = request.get("system")
    assert 'Say which files are about the topic, "at most" as many as the limit; $1 {each}.\n\nA second' in system
    assert [tool.get("name") for tool in request.get("tools")] == ["file.read", "file.list"]
    assert "tea" in request.get("messages")[0].args[0]


@agent(grants=["run", survey, "model.chat"])
def editor(topic: str) -> list[str]:
    plan = survey(topic, 1).result()
    verdict = ask(f"Is {plan.goal} good?", bool)
    better = ask("Better?", Plan)
    return [plan.goal, str(verdict), better.goal, ask("One word.")]


def test_python_agents_and_models_work_together(tmp_path: Path) -> None:
    """A Python agent calls one that a model performs, and asks typed questions itself; a wrong answer is repaired."""
    better = '```json\n{"goal": "more", "steps": [], "budget": null}\n```'
    model = cassette(
        tmp_path / "tape", '{"goal": "g", "steps": []}', "maybe", '{"answer": true}', '{"goal": 1}', better, "Fine."
    )
    (tmp_path / "space").mkdir()
    ran = run(editor("tea"), workspace=tmp_path / "space", model=model)
    assert ran.result() == ["g", "True", "more", "Fine."]


@agent(grants=["model.chat"])
def stubborn() -> bool:
    return ask("Yes?", bool)


def test_no_answer_fits(tmp_path: Path) -> None:
    """After three tries the run fails, and says why."""
    (tmp_path / "space").mkdir()
    ran = run(stubborn(), workspace=tmp_path / "space", model=cassette(tmp_path / "tape", "a", "b", "c"))
    assert ran.error is not None
    assert ran.error.code == "fail"
    assert "the model's answer does not fit" in ran.error.what


@agent
def gives_up() -> None:
    assert messages() == []
    fail("no luck")


def test_fail_and_result(tmp_path: Path) -> None:
    """`fail` ends the run; `result()` raises what it failed with."""
    with pytest.raises(EffectError, match="no luck") as caught:
        gives_up().result(workspace=tmp_path)
    assert caught.value.code == "fail"


def events(workspace: Path, tree: str) -> list[object]:
    """All events of a tree; the last one ends its root run."""
    found = [entry.event for entry in Workspace(workspace).store().read(tree).entries()]
    assert isinstance(found[-1], End)
    return list(found)
