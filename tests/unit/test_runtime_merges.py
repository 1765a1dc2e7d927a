"""Merges, reverts, undos and edits in any order: an undo is exact, a refusal changes nothing, and nothing of the user's
is lost that an undo does not bring back."""

from __future__ import annotations

import shutil
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import attrs
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from shepherd_dsl.core.event import Entry
from shepherd_dsl.core.files import LINK, Files, git_blob_hash
from shepherd_dsl.errors import RefusedError
from shepherd_dsl.runtime import merges
from shepherd_dsl.runtime.merges import Given, undo_merge_of
from shepherd_dsl.runtime.workspace import Workspace
from shepherd_dsl.scope.conflict import Conflict
from shepherd_dsl.scope.journal import MergeRecord
from shepherd_dsl.scope.settle import Policy
from tests.support.workspaces import held, seen

BLOBS: dict[str, bytes] = {}
REACHED: Counter[str] = Counter()

LINES = (b"one\n", b"two\n", b"three\n", b"four\n", b"five\n")
TEXTS = st.builds(
    lambda at, new: b"".join((*LINES[:at], new, *LINES[at + 1 :])),
    st.sampled_from([0, 1, 2, 4]),
    st.sampled_from([b"", b"new\n", b"other\n"]),
)
CONTENTS = st.one_of(
    TEXTS.map(lambda text: (0o100644, text)),
    TEXTS.map(lambda text: (0o100644, text)),
    st.tuples(st.sampled_from([0o100755, 0o100600]), TEXTS),
    st.sampled_from([None, (0o100644, b"\0binary"), (LINK, b"target")]),
)
PATHS = ("a", "b", "d/c", "d", "d/e/f", "a/x")
TREES = st.dictionaries(st.sampled_from(PATHS[:3]), CONTENTS, max_size=3)
ODD_TREES = st.dictionaries(st.sampled_from(PATHS), CONTENTS, max_size=3)
POLICIES: st.SearchStrategy[Policy] = st.sampled_from(
    ["refuse", "refuse", "markers", "keep", "overwrite", "markers_keep", "markers_overwrite"]
)
PLAIN: st.SearchStrategy[Policy] = st.sampled_from(["refuse", "refuse", "keep", "overwrite"])

Content = tuple[int, bytes] | None
START: dict[str, Content] = {"a": (0o100644, b"".join(LINES)), "b": (0o100644, b"".join(LINES)), "d/c": (LINK, b"x")}


def files(content: dict[str, Content]) -> Files:
    pairs = []
    for path, what in sorted(content.items()):
        if what is not None:
            BLOBS[git_blob_hash(what[1])] = what[1]
            pairs.append((path, Entry(what[0], git_blob_hash(what[1]))))
    return Files.of(pairs)


def put(path: Path, what: Content) -> None:
    if path.is_symlink() or path.is_file():
        path.unlink()
    elif path.is_dir():
        shutil.rmtree(path)
    if what is not None:
        path.parent.mkdir(exist_ok=True, parents=True)
        if what[0] == LINK:
            path.symlink_to(what[1].decode())
        else:
            path.write_bytes(what[1])
            path.chmod(what[0] & 0o7777)


@attrs.define
class Trace:
    """A run of which only the files after each event are known: what merging asks of a store."""

    states: list[Files]

    def read(self, name: str) -> Trace:
        assert name == "1"
        return self

    def trace(self, run: str) -> list[Any]:
        return [attrs.make_class("Event", {"files": attrs.field(default=one)})() for one in self.states]

    def content(self, name: str) -> bytes:
        return BLOBS[name]

    def __len__(self) -> int:
        return len(self.states)


class Merging(RuleBasedStateMachine):
    """`history` is what the workspace held before each thing that a next undo can take back, the newest last."""

    def __init__(self) -> None:
        super().__init__()
        self.place = tempfile.TemporaryDirectory()
        self.root = Path(self.place.name)
        (self.root / ".shepherd/merge").mkdir(parents=True)
        self.workspace = Workspace(self.root)
        self.run = Trace([files(START)])
        self.workspace._store = self.run  # type: ignore[assignment]
        self.before: dict[str, Any] | None = None

    @initialize()
    def lay(self) -> None:
        for path, what in START.items():
            put(self.root / path, what)

    def teardown(self) -> None:
        self.place.cleanup()

    @rule(tree=TREES | ODD_TREES)
    def the_run_goes_on(self, tree: dict[str, Content]) -> None:
        now = {path: (entry.mode, BLOBS[entry.hash]) for path, entry in self.run.states[-1].items()}
        self.run.states.append(files({**now, **tree}))

    @rule(path=st.sampled_from(PATHS), what=CONTENTS)
    def the_user_edits(self, path: str, what: Content) -> None:
        for above in reversed(Path(path).parents[:-1]):
            place = self.root / above
            if place.is_symlink() or not place.is_dir():
                if what is None:
                    return
                put(place, None)
        put(self.root / path, what)
        self.before = None

    def given_at(self, index: int, *, back: bool) -> Given:
        return Given(
            name="1",
            index=index,
            log=len(self.run),
            base=self.run.states[0],
            result=self.run.states[index],
            read_blob=self.run.content,
            back=back,
        )

    def merged(self, given: Given, policy: Policy) -> None:
        now, rows = seen(self.root), len(merges.merges(self.workspace, "1"))
        kind = "revert" if given.back else "merge"
        try:
            planned = merges.merge(self.workspace, given, policy=policy, dry_run=True)
        except RefusedError as why:
            self.refused(given, policy, why)
            assert seen(self.root) == now
            return
        assert seen(self.root) == now
        record = merges.merge(self.workspace, given, policy=policy)
        assert record == planned
        assert record.left == ()
        self.count(kind, record)
        if len(merges.merges(self.workspace, "1")) > rows:
            self.before = now
        else:
            assert seen(self.root) == now

    def refused(self, given: Given, policy: Policy, planned: RefusedError) -> None:
        with pytest.raises(RefusedError) as caught:
            merges.merge(self.workspace, given, policy=policy)
        assert (caught.value.what, caught.value.conflicts) == (planned.what, planned.conflicts)
        assert planned.paths == tuple(one.path for one in planned.conflicts if isinstance(one, Conflict))
        assert planned.paths
        REACHED["revert refused" if given.back else "merge refused"] += 1
        REACHED.update(one.why for one in planned.conflicts if isinstance(one, Conflict))

    def count(self, kind: str, record: MergeRecord) -> None:
        REACHED[kind] += 1
        REACHED["by line"] += bool(record.by_line)
        REACHED.update(one.settled for one in record.conflicts)
        REACHED.update(one.why for one in record.conflicts)

    @rule(policy=POLICIES)
    def merge(self, policy: Policy) -> None:
        self.merged(self.given_at(len(self.run) - 1, back=False), policy)

    @rule(tree=TREES | ODD_TREES, path=st.sampled_from(PATHS), what=CONTENTS, policy=POLICIES)
    def both_change_and_merge(self, tree: dict[str, Content], path: str, what: Content, policy: Policy) -> None:
        self.the_run_goes_on(tree)
        self.the_user_edits(path, what)
        self.merge(policy)

    @precondition(lambda self: merges.gave(self.workspace, "1"))
    @rule(data=st.data(), policy=PLAIN)
    def revert(self, data: st.DataObject, policy: Policy) -> None:
        index = data.draw(st.integers(0, len(self.run) - 1))
        self.run.states.append(self.run.states[index])
        self.merged(self.given_at(len(self.run) - 1, back=True), policy)

    @precondition(lambda self: merges.merges(self.workspace, "1"))
    @rule(policy=PLAIN, twice=st.booleans())
    def undo(self, policy: Policy, twice: bool) -> None:
        now = seen(self.root)
        try:
            record = undo_merge_of(self.workspace, "1", policy=policy)
        except RefusedError:
            assert seen(self.root) == now
            assert self.before is None, "nothing was edited since, so nothing can be in the way"
            REACHED["undo refused"] += 1
            return
        self.count("undo", record)
        if self.before is not None:
            assert seen(self.root) == self.before, (seen(self.root), self.before)
            assert record.conflicts == ()
            REACHED["undo exact"] += 1
        self.before = now
        if twice:
            undo_merge_of(self.workspace, "1")
            assert seen(self.root) == now
            self.before = None
            REACHED["undone twice"] += 1

    @precondition(lambda self: not merges.merges(self.workspace, "1"))
    @rule(mine=TEXTS, trees=st.lists(TREES, min_size=1, max_size=3))
    def a_merge_and_a_revert_to_the_beginning_leave_what_was_there(self, mine: bytes, trees: list[Any]) -> None:
        """However often the run is merged on the way, as long as nothing is edited meanwhile or overwritten."""
        self.the_user_edits("a", (0o100644, mine))
        now = held(self.root)
        for tree in trees:
            self.the_run_goes_on(tree)
            try:
                merges.merge(self.workspace, self.given_at(len(self.run) - 1, back=False))
            except RefusedError:
                break
        if merges.gave(self.workspace, "1"):
            joined = merges.merges(self.workspace, "1")[-1].own
            self.run.states.append(self.run.states[0])
            merges.merge(self.workspace, self.given_at(len(self.run) - 1, back=True))
            assert held(self.root) == now
            REACHED["back to the beginning"] += 1
            REACHED["back out of a text of both"] += any(one.made != one.mine for one in joined.values())
        self.before = None

    @precondition(lambda self: not merges.merges(self.workspace, "1"))
    @rule(
        edits=st.dictionaries(st.sampled_from(PATHS), CONTENTS, max_size=3),
        runs=st.lists(st.tuples(TREES | ODD_TREES, POLICIES), min_size=1, max_size=3),
    )
    def whatever_becomes_of_conflicts_a_revert_to_the_beginning_leaves_what_was_there(
        self, edits: dict[str, Content], runs: list[tuple[dict[str, Content], Policy]]
    ) -> None:
        for path, what in edits.items():
            self.the_user_edits(path, what)
        now = held(self.root)
        how: set[str] = set()
        for tree, policy in runs:
            self.the_run_goes_on(tree)
            try:
                record = merges.merge(self.workspace, self.given_at(len(self.run) - 1, back=False), policy=policy)
            except RefusedError:
                continue
            how |= {one.settled for one in record.conflicts}
            REACHED["across kinds"] += any(
                (one.why, one.settled) == ("in_the_way", "overwritten") for one in record.conflicts
            )
        if merges.gave(self.workspace, "1"):
            self.run.states.append(self.run.states[0])
            merges.merge(self.workspace, self.given_at(len(self.run) - 1, back=True))
            assert held(self.root) == now
            REACHED.update(f"back out of {one}" for one in how)
        self.before = None

    @invariant()
    def nothing_is_left_behind(self) -> None:
        stage = self.root / ".shepherd/merge/stage"
        assert not stage.exists() or not list(stage.iterdir())
        assert not (self.root / ".shepherd/merge/plan.json").exists()


def test_any_order_of_merges_reverts_undos_and_edits() -> None:
    from hypothesis.stateful import run_state_machine_as_test

    run_state_machine_as_test(  # type: ignore[no-untyped-call]
        Merging,
        settings=settings(
            max_examples=150,
            stateful_step_count=25,
            deadline=None,
            derandomize=True,
            suppress_health_check=list(HealthCheck),
        ),
    )
    wanted = {
        "merge", "revert", "undo", "merge refused", "revert refused", "undo refused", "undo exact", "undone twice",
        "by line", "markers", "kept", "overwritten", "lines", "binary", "kind", "removed_here", "removed_there",
        "in_the_way", "changed", "back to the beginning", "back out of a text of both", "across kinds",
        "back out of markers", "back out of kept", "back out of overwritten",
    }  # fmt: skip
    assert wanted <= set(REACHED), wanted - set(REACHED)
