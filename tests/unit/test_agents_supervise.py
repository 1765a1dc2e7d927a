"""Python agents that hold other agents' runs: looking, denying, reverting, injecting, forking, merging."""

from __future__ import annotations

from pathlib import Path

import attrs

from shepherd_dsl import (
    EffectError,
    Exit,
    Run,
    agent,
    answer,
    deny,
    discard,
    fork,
    gather,
    head,
    inject,
    last_green,
    live,
    merge,
    messages,
    next_stop,
    observe,
    pass_,
    read,
    result,
    revert,
    run,
    shell,
    try_do,
    write,
)
from shepherd_dsl.core.event import Intent, Reverted
from shepherd_dsl.runtime.actions import replay_run
from shepherd_dsl.runtime.workspace import Workspace


@agent(grants=['file.write("src/**")', "file.read", "shell.run"])
def implement(feature: str) -> Exit:
    """Writes what it is told; without advice, something that does not work."""
    tidy = try_do("shell.run", "rm -rf src")
    write("src/tidy.txt", "denied" if not tidy.ok else "done")
    shell("test -f src/tidy.txt")
    advice = messages()
    write("src/login.txt", advice[-1] if advice else "broken")
    return shell(f"grep {feature} src/login.txt")


@attrs.frozen
class Seen:
    out: str
    denied: int
    reverted: list[int]
    live_events: int


@agent(grants=["run"])
def oversee(worker: Run[Exit]) -> Seen:
    """Denies deleting; when a test fails, goes back to the last green step with advice."""
    denied, reverted = 0, []
    while (stop := next_stop(worker)) is not None:
        assert stop.run == worker
        if stop.op == "shell.run" and stop.args[0].startswith("rm "):
            deny(worker, "ask before deleting")
            denied += 1
            continue
        outcome = pass_(worker)
        if stop.op == "shell.run" and outcome.ok and outcome.value.code != 0:
            green = last_green(worker)
            report = revert(worker, green)
            assert report.undone > 0
            reverted.append(green)
            inject(worker, "login works")
    end = worker.result()
    merge(worker)
    return Seen(end.out, denied, reverted, len(live(observe(worker))))


def test_oversee_implement(tmp_path: Path) -> None:
    """The design's example: a supervisor denies, goes back to green, advises; the worker then succeeds."""
    ran = run(oversee(implement("login")), workspace=tmp_path)
    seen = ran.result()
    assert seen.out == "login works\n"
    assert seen.denied == 1
    assert len(seen.reverted) == 1
    assert (tmp_path / "src/login.txt").read_text() == "login works"
    assert (tmp_path / "src/tidy.txt").read_text() == "denied"
    reader = Workspace(tmp_path).store().read(ran.tree)
    worker = [entry.event for entry in reader.entries() if entry.run == "root.0"]
    assert [event.to for event in worker if isinstance(event, Reverted)] == seen.reverted
    # The function was executed again for what came after the revert, and asked the same up to there.
    assert replay_run(Workspace(tmp_path), ran.tree).identical


@agent(grants=["run", oversee, implement])
def audit(feature: str) -> list[bool]:
    """Watches the watcher: any agent may hold any run."""
    worker = implement(feature)
    boss = oversee(worker)
    seen = boss.result()
    assert isinstance(seen, Seen)
    merge(boss)
    kinds = [event.op for event in observe(boss) if event.kind == "intent"]
    return ["run.deny" in kinds, "run.revert" in kinds]


def test_a_supervisor_is_supervised(tmp_path: Path) -> None:
    """A supervisor's run is a run."""
    assert run(audit("login"), workspace=tmp_path).result() == [True, True]
    assert (tmp_path / "src/login.txt").read_text() == "login works"


@agent(grants=["run", "file.read"])
def explore(worker: Run[Exit], variants: list[str]) -> str:
    """Forks the worker where it looks for advice, gives each copy another, and merges the one that works."""
    first = worker.result()
    assert first.code == 1
    place = next(event.index for event in observe(worker) if event.op == "inbox.take" and event.kind == "intent")
    copies = fork(worker, place - 1, by=len(variants))
    for copy, advice in zip(copies, variants, strict=True):
        inject(copy, advice)
    ends = gather(*copies)
    good = [copy for copy, end in zip(copies, ends, strict=True) if end.code == 0]
    for copy in copies:
        if copy not in good:
            discard(copy)
    merge(good[0])
    return read("src/login.txt")


def test_fork_with_other_advice(tmp_path: Path) -> None:
    """Copies of one run go their own ways from the same step."""
    ran = run(explore(implement("login"), ["nothing", "a login", "none"]), workspace=tmp_path)
    assert ran.result() == "a login"
    assert replay_run(Workspace(tmp_path), ran.tree).identical


@agent(grants=["shell.run", 'file.write("out/**")'])
def build(target: str, tries: int) -> str:
    for n in range(tries):
        write(f"out/{target}{n}.txt", target)
        shell(f"sleep 0.0{n + 1}")
    end = shell(f"cat out/{target}0.txt")
    assert isinstance(end, Exit)
    return end.out


@agent(grants=["run"])
def side_by_side(a: Run[str], b: Run[str]) -> list[str]:
    """Two runs, one supervisor: the driver says whose turn it is."""
    order = []
    while (stop := next_stop(a, b)) is not None:
        who = "a" if stop.run == a else "b"
        if stop.op == "shell.run" and stop.args[0].startswith("cat"):
            answer(stop.run, {"code": 0, "out": f"answered {who}"})
        else:
            pass_(stop.run)
        order.append(who)
    assert sorted(set(order)) == ["a", "b"]
    merge(a)
    merge(b)
    return [result(a), result(b)]


def test_two_runs_are_supervised_side_by_side(tmp_path: Path) -> None:
    """`next_stop` of several runs picks one; answers reach the run they are for."""
    ran = run(side_by_side(build("x", 2), build("y", 3)), workspace=tmp_path)
    assert ran.result() == ["answered a", "answered b"]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "x0.txt", "x1.txt", "y0.txt", "y1.txt", "y2.txt",
    ]  # fmt: skip
    picks = [e for e in Workspace(tmp_path).store().read(ran.tree).entries() if isinstance(e.event, Intent)]
    assert any(entry.event.op == "run.pick" for entry in picks if isinstance(entry.event, Intent))
    assert replay_run(Workspace(tmp_path), ran.tree).identical


@agent(grants=["run", build])
def looks() -> int:
    worker = build("x", 1)
    assert worker == worker
    assert worker != build("z", 1)
    worker.result()
    events = observe(worker)
    assert [event.kind for event in events] == [
        "start", "intent", "outcome", "intent", "outcome", "intent", "outcome", "end",
    ]  # fmt: skip
    assert head(worker) == observe(worker, steps=True)[-1].index == 15
    assert observe(worker, 5) == [event for event in events if event.index >= 5]
    assert events[1].op == "file.write"
    assert events[1].args == ("out/x0.txt", "x")
    assert events[2].answer is not None
    assert events[2].by == "machine"
    assert events[4].answer is not None
    assert isinstance(events[4].answer.value, Exit)
    assert events[4].by == "world"
    revert(worker, 4)
    again = observe(worker)
    assert again[-1].kind == "reverted"
    assert [event.index for event in live(again)] == [0, 3, 4]
    worker.result()
    return len(again)


def test_observe(tmp_path: Path) -> None:
    """Events come with what they are about; the stepping of the function is left out unless asked for."""
    assert run(looks(), workspace=tmp_path).result() == 9


@agent(grants=["run", build])
def conflicts() -> list[str]:
    one, two = build("x", 1), clashing()
    one.result()
    two.result()
    merge(one)
    try:
        merge(two)
    except EffectError as why:
        return [why.code, *why.paths]
    return []


@agent(grants=['file.write("out/**")'])
def clashing() -> None:
    write("out/x0.txt", "other")


def test_conflicts(tmp_path: Path) -> None:
    """A merge that conflicts is an error with the paths."""
    assert run(conflicts(), workspace=tmp_path).result() == ["conflict", "out/x0.txt"]


@agent(grants=["run", build])
def hands_over() -> str:
    """Runs go through lists, records, options and results; a run given away is no longer one's own."""
    inside = box({"run": build("x", 1), "rest": [build("y", 1)]}, build("z", 1), None)
    back = inside.result()
    assert isinstance(back, list)
    found = [one.result() for one in back]
    worker = build("w", 1)
    boss = keeps(worker)
    try:
        revert(worker, 0)
    except EffectError as why:
        found.append(why.code)
    boss.result()
    return " ".join(found)


@attrs.frozen
class Pair:
    run: Run[str]
    rest: list[Run[str]]


@agent(grants=["run", build])
def box(pair: Pair, last: Run[str] | None, none: Run[str] | None) -> list[Run[str]]:
    assert none is None
    assert last is not None
    assert pair.run.result() == "x"
    return [last, pair.run, *pair.rest]


@agent(grants=["run", build])
def keeps(worker: Run[str]) -> str:
    return worker.result()


def test_runs_are_handed_over_and_back(tmp_path: Path) -> None:
    """Runs inside values reach the other agent and come back with its result."""
    assert run(hands_over(), workspace=tmp_path).result() == "z x y own"


@agent(grants=["run", build])
def planned_inside(pairs: Pair, extra: Run[str] | None) -> list[str]:
    assert extra is not None
    return [pairs.run.result(), *[one.result() for one in pairs.rest], extra.result()]


def test_plans_inside_values(tmp_path: Path) -> None:
    """Outside, planned runs may stand inside lists, records and options; the same plan twice is one run."""
    shared = build("s", 1)
    made = planned_inside(Pair(shared, [build("y", 1)]), build("z", 1))
    ran = run(made, workspace=tmp_path)
    assert ran.result() == ["s", "y", "z"]
    assert replay_run(Workspace(tmp_path), ran.tree).identical


@agent(grants=[build])
def powerless() -> str:
    return build("x", 1).result()


def test_driving_needs_the_grant(tmp_path: Path) -> None:
    """Without `run`, an agent cannot even spawn; the run fails and does not stand still."""
    ran = run(powerless(), workspace=tmp_path)
    assert ran.error is not None
    assert ran.error.code == "denied"


@agent(grants=["run.spawn", build])
def half() -> str:
    return build("x", 1).result()


def test_driving_needs_both_grants(tmp_path: Path) -> None:
    """To drive a run is to see its stops and to pass them."""
    ran = run(half(), workspace=tmp_path)
    assert ran.error is not None
    assert "run.next" in ran.error.what


@agent(grants=["run"])
def too_late(worker: Run[str]) -> str:
    """Answers a run that is at no stop: it was taken back."""
    assert next_stop(worker) is not None
    revert(worker, 0)
    try:
        answer(worker, "nonsense")
    except EffectError as why:
        return why.code
    return ""


def test_answering_needs_a_stop(tmp_path: Path) -> None:
    """A verdict is about a stop that stands."""
    assert run(too_late(build("x", 1)), workspace=tmp_path).result() == "stop"
