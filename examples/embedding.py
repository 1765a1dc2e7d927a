"""Agents in Python: one writes a feature, one that only has a docstring gives advice, and one oversees the first.

python examples/embedding.py FOLDER "greet(name) returns 'Hello, NAME!'" [MODEL]
"""

import sys

from shepherd_dsl import (
    Exit,
    Run,
    agent,
    ask,
    deny,
    fail,
    fork,
    inject,
    last_green,
    merge,
    next_stop,
    observe,
    pass_,
    revert,
    run,
    shell,
    try_do,
    write,
)

TESTS = "python3 -m unittest discover -q -s tests"


@agent(grants=["model.chat", 'file.write("src/**")', "shell.run"])
def implement(repo: str, feature: str) -> Exit:
    write(f"{repo}/greeting.py", ask(f"Write greeting.py so that {feature}. Answer with the file only."))
    try_do("shell.run", f"rm -rf {repo}/__pycache__")
    tests = shell(TESTS)
    if tests.code != 0:
        fail(f"tests failed: {tests.out}")
    return tests


@agent
def advise(feature: str, failure: str) -> str:
    """Tests of the feature fail as told. Give one sentence of advice to whoever writes it."""


@agent(grants=["run", advise])
def oversee(worker: Run[Exit], feature: str, patience: int = 4) -> Exit:
    tries = 0
    while (stop := next_stop(worker)) is not None:
        if stop.op == "shell.run" and stop.args[0].startswith("rm "):
            deny(worker, "nothing is deleted here")
            continue
        outcome = pass_(worker)
        if stop.op == "shell.run" and outcome.value.code != 0 and tries < patience:
            tries += 1
            advice = advise(feature, outcome.value.out).result()
            if tries % 2 == 1:
                revert(worker, last_green(worker))  # back to the last step that was right
            else:
                worker = fork(worker, 0)  # or start afresh, in a copy
            inject(worker, advice)
    merge(worker)
    return worker.result()


@agent(grants=["run", oversee])
def audit(boss: Run[Exit]) -> list[str]:
    boss.result()
    merge(boss)
    verdicts = ("run.deny", "run.revert", "run.fork")
    return [event.op for event in observe(boss) if event.kind == "intent" and event.op in verdicts]


def main(folder: str, feature: str, model: str | None = None) -> None:
    ended = run(audit(oversee(implement("src", feature), feature)), workspace=folder, model=model)
    print(f"run {ended.tree} {ended.kind}: {', '.join(ended.merged)}")
    print(", ".join(ended.result()))


if __name__ == "__main__":
    main(*sys.argv[1:])
