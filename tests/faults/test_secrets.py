"""Secrets planted wherever a run can meet them reach nothing that is kept or shown."""

from __future__ import annotations

import base64
import os
import subprocess
import sys
import urllib.parse
from collections.abc import Mapping
from pathlib import Path

import pytest

from shepherd_dsl.core.value import Con
from shepherd_dsl.errors import HandlerError, ShepherdError, UserError
from shepherd_dsl.handlers.protocol import OperationSpec, Request
from shepherd_dsl.runtime.actions import run_task, take_back
from shepherd_dsl.runtime.workspace import Workspace
from shepherd_dsl.trace.store import open_store
from tests.faults.world import Watch, context_of, spec, task_of
from tests.support.scopes import needs_fuse, needs_overlay

TOKEN = "tk-9f8e7d6c5b4a/+=zx"
DECLARED = "correct horse battery staple"
SECRETS = {"SERVICE_TOKEN": TOKEN, "MY_PHRASE": DECLARED, "SHEPHERD_SECRETS": "MY_PHRASE"}


def disguises(secret: str) -> list[bytes]:
    raw = secret.encode()
    # In the middle of a longer base64 text only the characters that depend on the secret alone are sure.
    middle = [base64.b64encode(b"x" * shift + raw)[4:-4] for shift in (1, 2)]
    return [raw, base64.b64encode(raw), *middle, urllib.parse.quote(secret, safe="").encode(), raw.hex().encode()]


FORMS = [form for secret in (TOKEN, DECLARED) for form in disguises(secret)]


def kept_bytes(root: Path) -> list[tuple[str, bytes]]:
    """All that is below `.shepherd`: the bytes and names of all files, and all objects of the store, unpacked."""
    found = []
    for path in sorted((root / ".shepherd").rglob("*")):
        found.append((f"name of {path}", os.fsencode(path.relative_to(root))))
        if path.is_symlink():
            found.append((str(path), os.fsencode(os.readlink(path))))
        elif path.is_file():
            found.append((str(path), path.read_bytes()))
    git = ["git", "-C", str(root / ".shepherd" / "trace.git"), "cat-file", "--batch-all-objects"]
    objects = subprocess.run([*git, "--batch", "--buffer"], capture_output=True, check=True).stdout
    assert objects
    return [*found, ("objects", objects)]


def expect_none(where: str, data: bytes) -> None:
    for form in FORMS:
        assert form not in data, f"{form!r} in {where}"


class Leaky:
    """A handler that knows a secret and does not keep it to itself."""

    operations: Mapping[str, OperationSpec] = {
        "leak.answer": spec("pure", "text", result="Text"),
        "leak.raise": spec("pure", "text", result="Text"),
        "leak.refuse": spec("pure", "text", result="Text"),
        "leak.blob": spec("pure", "text", result="Blob"),
        "leak.drop": spec("irreversible", "text", result="Unit"),
        "leak.post": spec("compensable", "text", result="Text", undo="leak.drop"),
    }

    async def perform(self, request: Request) -> Con:
        """Leaks."""
        request.show(f"shown {TOKEN}")
        request.note("leak", f"noted {TOKEN}")
        if request.op == "leak.raise":
            raise RuntimeError(f"raised {TOKEN}")
        if request.op == "leak.refuse":
            raise HandlerError("leak.refused", f"refused {TOKEN}", where=DECLARED, hint=f"try {TOKEN}")
        if request.op == "leak.blob":
            return Con("Ok", (request.write_blob(f"blob {TOKEN} {DECLARED}".encode()),))
        if request.op == "leak.drop":
            raise ValueError(TOKEN)
        return Con("Ok", (f"answered {TOKEN} and {base64.b64encode(DECLARED.encode()).decode()}",))

    async def probe(self, request: Request) -> Con | None:
        """Nobody knows."""
        return None

    async def aclose(self) -> None:
        """Fails, telling why."""
        raise OSError(f"closing {TOKEN}")


LEAKS = """
effect leak.answer(text: Text) -> Text pure
effect leak.raise(text: Text) -> Text pure
effect leak.refuse(text: Text) -> Text pure
effect leak.post(text: Text) -> Text compensable by leak.drop
effect leak.drop(text: Text) -> Unit irreversible
effect leak.blob(text: Text) -> Blob pure
agent main() -> Text
  grants leak.answer, leak.raise, leak.refuse, leak.blob, leak.post, file.write("**"), file.read("**")
{
  let answer = do leak.answer("x")
  do file.write("answer.txt", answer)
  try do leak.raise("x")
  try do leak.refuse("x")
  do leak.blob("x")
  let posted = do leak.post("x")
  let again = do file.read("answer.txt")
  fail "failed with ${answer} ${posted} ${again}"
}
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "w"
    folder.mkdir()
    Workspace.init(folder)
    return folder


def test_what_handlers_leak_is_kept_nowhere(root: Path) -> None:
    watch = Watch()
    context = context_of(root, **SECRETS)
    workspace, task = Workspace(root), task_of(root, LEAKS)
    ended = run_task(workspace, task, context=context, display=watch, handlers={"leak": Leaky()})
    assert ended.kind == "failed"
    assert "‹secret SERVICE_TOKEN›" in repr(ended.value)
    assert "‹secret MY_PHRASE›" in repr(ended.value)
    notes = [open_store(root).read("1").notes(entry.run, entry.index) for entry in open_store(root).read("1").entries()]
    assert any("noted ‹secret" in note.get("leak", "") for note in notes)
    assert any("raised ‹secret" in note.get("handler", "") for note in notes)
    done = take_back(workspace, "1", 0, context=context, display=watch, handlers={"leak": Leaky()})
    assert done.failed == ("leak.drop",)
    assert any("shown ‹secret" in text for text in watch.texts)
    for where, data in [*kept_bytes(root), ("display", repr((watch.texts, watch.remarks, ended, done)).encode())]:
        expect_none(where, data)


def test_a_secret_among_the_arguments_or_in_the_program_is_refused(root: Path) -> None:
    context = context_of(root, **SECRETS)
    source = "agent main(text: Text) -> Text { return text }"
    for task, code in (
        (task_of(root, source, "main", f"it is {TOKEN}"), "args.secret"),
        (task_of(root, source.replace("return text", f'return "{DECLARED}"'), "main", "x"), "program.secret"),
    ):
        with pytest.raises(UserError) as caught:
            run_task(Workspace(root), task, context=context, display=Watch())
        assert caught.value.code == code
        expect_none("error", str(caught.value).encode())
    (root / "program.shep").unlink()
    for where, data in kept_bytes_without_objects(root):
        expect_none(where, data)


def kept_bytes_without_objects(root: Path) -> list[tuple[str, bytes]]:
    return [(str(path), path.read_bytes()) for path in (root / ".shepherd").rglob("*") if path.is_file()]


def test_an_error_of_the_driver_is_without_secrets(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        try:
            raise OSError(f"inner {TOKEN}")
        except OSError as error:
            raise HandlerError("x.y", f"what {TOKEN}", where=f"where {DECLARED}", hint=TOKEN) from error

    monkeypatch.setattr("shepherd_dsl.runtime.actions.start_tree", broken)
    with pytest.raises(ShepherdError) as caught:
        run_task(
            Workspace(root), task_of(root, "agent main() -> Int { return 1 }"),
            context=context_of(root, **SECRETS), display=Watch(),
        )  # fmt: skip
    link: BaseException | None = caught.value
    while link is not None:
        expect_none("error", str(link).encode() + repr(link.args).encode())
        link = link.__cause__


COMMANDS = r"""
agent main() -> Text
  grants shell.script, file.read("**"), file.list("**")
{
  let out = do shell.script("cat ../../../../../outside; base64 < ../../../../../outside; printenv; true")
  do shell.script("cp ../../../../../outside copied.txt; base64 ../../../../../outside > coded.txt")
  do shell.script("xxd -p ../../../../../outside | tr -d '\\n' > hex.txt; ln -s \"$(cat ../../../../../outside)\" link")
  do shell.script("mkdir -p deep; touch \"deep/name $(cat ../../../../../phrase)\"; touch deep/other")
  do shell.script("cat ../../../../../outside >&2; head -c 300000 /dev/zero | tr '\\0' x; cat ../../../../../outside")
  let names = do file.list("**")
  let copied = do file.read("copied.txt")
  fail "read ${copied} after ${out.out} with ${names}"
}
"""


@pytest.mark.parametrize(
    "backend", ["copy", pytest.param("overlay", marks=needs_overlay), pytest.param("fuse", marks=needs_fuse)]
)
def test_what_commands_print_and_write_is_kept_nowhere(root: Path, backend: str) -> None:
    """Through the command line, with a real shell; the file outside holds the secret, as a service's answer would."""
    (root.parent / "outside").write_text(TOKEN)
    (root.parent / "phrase").write_text(DECLARED)
    (root / ".shepherd" / "config.toml").write_text(
        f'[scope]\nbackend = "{backend}"\n[jail]\nread = ["../outside", "../phrase"]\n'
    )
    (root / "commands.shep").write_text(COMMANDS.replace("../../../../..", str(root.parent)))
    (root / "tainted.txt").write_text(f"before {TOKEN} after")
    (root / f"named {DECLARED}.txt").write_text("fine")
    (root / "clean.txt").write_text("clean")
    environ = {**os.environ, **SECRETS, "PYTHONPATH": os.getcwd()}
    shown = b""
    for command in (
        ("run", "commands.shep", "-v"), ("log", "1", "--all"), ("show", "1@2"), ("diff", "1@0", "1@-1"),
        ("revert", "1@2"), ("resume", "1"), ("replay", "1"), ("log", "--json"), ("runs",),
    ):  # fmt: skip
        done = subprocess.run(
            [sys.executable, "-m", "shepherd_dsl.cli.main", *command], cwd=root, env=environ, capture_output=True,
            check=False,
        )  # fmt: skip
        assert b"Traceback" not in done.stderr
        if command[0] == "run":
            assert b"tainted.txt (contains a secret)" in done.stderr, done.stderr
            assert b"(its name contains a secret)" in done.stderr
        shown += done.stdout + done.stderr
    assert "‹secret SERVICE_TOKEN›".encode() in shown
    expect_none("output", shown)
    reader = open_store(root).read("1")
    names = [path for path, _ in reader.trace("root")[-1].files.items()]
    assert {"clean.txt", "coded.txt", "copied.txt", "deep/other", "hex.txt", "link"} <= set(names)
    assert not any("name" in name for name in names)
    assert "tainted.txt" not in names
    # A copy may hold a file under a name that holds a secret, but no copy stands when its tree has ended.
    for where, data in kept_bytes(root):
        expect_none(where, data)
    assert not (root / ".shepherd" / "scopes" / "1").exists()
