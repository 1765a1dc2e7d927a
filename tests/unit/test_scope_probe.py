"""Which backend is chosen: what is remembered of trying it, why one is not, and what follows where it fails."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from shepherd_dsl.core.files import Files
from shepherd_dsl.errors import ScopeError
from shepherd_dsl.scope import hindrance as reasons
from shepherd_dsl.scope import probe as probing
from shepherd_dsl.scope import probed
from shepherd_dsl.scope.copy import CopyBackend
from shepherd_dsl.scope.failures import failed
from shepherd_dsl.scope.falling import FallingBackend
from shepherd_dsl.scope.hindrance import file_system, hindrance
from shepherd_dsl.scope.ignore import nothing_ignored
from shepherd_dsl.scope.jail import Jail
from shepherd_dsl.scope.probe import Candidate, open_backend
from shepherd_dsl.scope.probed import forget, remembered
from shepherd_dsl.scope.protocol import Scope, ScopeBackend
from tests.support.cli import make_workspace, run_work, shepherd
from tests.support.plain_user import as_root
from tests.support.scopes import needs_overlay

NO_BLOBS = dict[str, bytes]().__getitem__
OF_OVERLAY = "from pathlib import Path; from shepherd_dsl.scope.overlay_probe import overlay_usable as u"
LESS = (
    "import ctypes, os, sys; ctypes.CDLL(None).prctl(24, 21, 0, 0, 0); "
    "os.execv(sys.executable, [sys.executable, *sys.argv[1:]])"
)
"""Goes on as the same user without CAP_SYS_ADMIN."""


# ── what is remembered ───────────────────────────────────────────────────────────────────────────────────────────────


def test_only_what_works_is_remembered(tmp_path: Path) -> None:
    found = iter([(False, "not yet"), (True, "now it does"), (False, "never asked")])
    assert remembered(tmp_path, "x", (), lambda: next(found)) == (False, "not yet")
    assert list(tmp_path.iterdir()) == []
    assert remembered(tmp_path, "x", (), lambda: next(found)) == (True, "now it does")
    assert remembered(tmp_path, "x", (), lambda: next(found)) == (True, "now it does")
    forget(tmp_path)
    assert remembered(tmp_path, "x", (), lambda: next(found)) == (False, "never asked")


def test_it_is_tried_again_with_other_rights_or_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert remembered(tmp_path, "x", ("a",), lambda: (True, "with a"))[1] == "with a"
    assert remembered(tmp_path, "x", ("b",), lambda: (True, "with b"))[1] == "with b"
    rights = probed._rights()
    if sys.platform == "linux":
        assert {line.partition(":")[0] for line in rights} >= {"CapEff", "CapBnd", "NoNewPrivs", "user", "mnt"}
    for name in ("rights", "namespaces"):
        monkeypatch.setattr(probed, "_rights", lambda name=name: [*rights, name])
        assert remembered(tmp_path, "x", ("b",), lambda name=name: (True, name))[1] == name


@needs_overlay
@as_root
def test_a_look_without_rights_does_not_count_for_those_with(tmp_path: Path) -> None:
    def look(*before: str) -> str:
        command = [sys.executable, *before, "-c", f"{OF_OVERLAY}; print(u(Path({str(tmp_path)!r})))"]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    without = ("-c", LESS)
    assert "CAP_SYS_ADMIN" in look(*without)
    assert look().startswith("(True")
    assert "CAP_SYS_ADMIN" in look(*without)


@needs_overlay
def test_doctor_looks_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(make_workspace(tmp_path / "repo"))
    assert "overlay (used)" in shepherd("doctor", "--quick").out
    monkeypatch.setattr("shepherd_dsl.scope.overlay_probe._tried", lambda folder: (False, "not any more"))
    assert "overlay (not usable): not any more" in shepherd("doctor", "--quick").out


# ── a choice that fails ──────────────────────────────────────────────────────────────────────────────────────────────


class Refusing(CopyBackend):
    """Opens nothing."""

    name = "refusing"
    number = errno.EPERM

    def open(self, run: str, files: Files) -> Scope:  # type: ignore[override]
        """Refused by the system."""
        error = OSError(self.number, "no mount")
        raise failed("open", Path(run), error) from error


def candidates(monkeypatch: pytest.MonkeyPatch, *kinds: type[CopyBackend]) -> None:
    monkeypatch.setattr(
        probing,
        "CANDIDATES",
        tuple(
            Candidate(
                kind.name,
                lambda folder: (True, "it says"),
                lambda folder, read_blob, ignored, memory, kind=kind: kind(
                    folder, read_blob=read_blob, ignored=ignored
                ),
            )
            for kind in kinds
        ),
    )


def test_the_next_takes_the_place_of_one_that_opens_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    candidates(monkeypatch, Refusing, CopyBackend)
    remembered(tmp_path, "refusing", (), lambda: (True, "it was"))
    said: list[str] = []
    backend = open_backend(tmp_path / "1", read_blob=NO_BLOBS, ignored=nothing_ignored, said=said.append)
    scope = backend.open("root", Files.empty())
    assert scope.folder.is_dir()
    assert backend.name == "copy"
    (note,) = said
    assert "copies are made by copy: refusing was to be used, but cannot open a run's copy: no mount" in note
    assert not list(tmp_path.glob(".probed*"))
    backend.close()


def test_a_run_goes_on_with_the_next_and_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(make_workspace(tmp_path / "repo"))
    candidates(monkeypatch, Refusing, CopyBackend)
    done = run_work(tmp_path / "repo", "--quiet")
    assert done.status == 0, done.err
    assert "copies are made by copy" in done.err
    (tmp_path / "repo" / ".shepherd" / "config.toml").write_text('[scope]\nbackend = "refusing"\n')
    refused = run_work(tmp_path / "repo", "--quiet", "--keep")
    assert refused.status == 1
    assert "no mount [scope.io]" in refused.err


def falling(*backends: ScopeBackend) -> FallingBackend:
    def given_up(name: str, why: str, following: str) -> None:
        assert (name, following) == ("refusing", "refusing")

    return FallingBackend(iter(backends), given_up)


def test_where_none_opens_it_is_the_error_of_the_best(tmp_path: Path) -> None:
    worse = Refusing(tmp_path / "2", read_blob=NO_BLOBS)
    worse.number = errno.EIO
    with pytest.raises(ScopeError) as found:
        falling(Refusing(tmp_path / "1", read_blob=NO_BLOBS), worse).open("root", Files.empty())
    assert isinstance(found.value.__cause__, OSError)
    assert found.value.__cause__.errno == errno.EPERM


def test_a_full_disk_is_no_reason_to_copy(tmp_path: Path) -> None:
    full = Refusing(tmp_path / "1", read_blob=NO_BLOBS)
    full.number = errno.ENOSPC
    with pytest.raises(ScopeError):
        falling(full, CopyBackend(tmp_path / "2", read_blob=NO_BLOBS)).open("root", Files.empty())


def test_one_that_has_opened_something_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def more() -> Iterator[ScopeBackend]:
        yield CopyBackend(tmp_path / "1", read_blob=NO_BLOBS)
        asked.append("the next")

    backend = FallingBackend(more(), lambda *told: None)
    backend.open("root", Files.empty()).close()
    monkeypatch.setattr(CopyBackend, "open", Refusing.open)
    monkeypatch.setattr(CopyBackend, "number", errno.EPERM, raising=False)
    with pytest.raises(ScopeError):
        backend.open("other", Files.empty())
    assert asked == []


# ── why not ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("number", "what", "kind", "says"),
    [
        (errno.ENODEV, "overlay: No such device", "overlay", "modprobe overlay"),
        (errno.ENODEV, "mount at x: No such device", "fuse", "modprobe fuse"),
        (errno.ENOSYS, "overlay: Function not implemented", "overlay", "Linux 5.2"),
        (errno.EINVAL, "userxattr: Invalid argument", "overlay", "Linux 5.11"),
        (errno.ENOSPC, "a user namespace: No space left on device", "fuse", "sysctl user.max_user_namespaces"),
        (errno.ENOSPC, "a mount namespace: No space left on device", "fuse", "sysctl user.max_mnt_namespaces"),
    ],
)
def test_what_would_enable_it_is_said(number: int, what: str, kind: str, says: str, tmp_path: Path) -> None:
    assert kind in ("overlay", "fuse")
    reason = hindrance(OSError(number, what), tmp_path, "overlay" if kind == "overlay" else "fuse")
    assert what in reason
    assert says in reason


@pytest.mark.parametrize(
    ("kind", "says"), [("overlay", "a volume or a tmpfs mounted at .shepherd"), ("nfs4", "on nfs4"), ("", "ext4, xfs")]
)
def test_where_the_workspace_lies_is_said(
    kind: str, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reasons, "file_system", lambda folder: kind)
    assert says in hindrance(OSError(errno.EINVAL, "upperdir: Invalid argument"), tmp_path, "overlay")


@pytest.mark.parametrize(
    ("user", "status", "settings", "says"),
    [
        (0, "CapEff:\t000001fffedfffff\n", {}, "--cap-add SYS_ADMIN"),
        (0, "CapEff:\t000001ffffffffff\n", {}, "--security-opt apparmor=unconfined"),
        (7, "", {"kernel/unprivileged_userns_clone": "0"}, "sysctl -w kernel.unprivileged_userns_clone=1"),
        (
            7, "", {"kernel/apparmor_restrict_unprivileged_userns": "1"},
            "sysctl -w kernel.apparmor_restrict_unprivileged_userns=0",
        ),
        (7, "", {"user/max_user_namespaces": "0"}, "sysctl -w user.max_user_namespaces=10000"),
        (7, "Seccomp:\t2\n", {"kernel/unprivileged_userns_clone": "1"}, "--security-opt seccomp=unconfined"),
        (7, "Seccomp:\t0\n", {}, "user namespaces would allow it"),
    ],
)  # fmt: skip
def test_what_would_give_the_right_is_said(
    user: int,
    status: str,
    settings: dict[str, str],
    says: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in settings.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(f"{value}\n")
    (tmp_path / "status").write_text(status)
    monkeypatch.setattr(reasons, "_STATUS", tmp_path / "status")
    monkeypatch.setattr(reasons, "_SETTINGS", tmp_path)
    monkeypatch.setattr(os, "geteuid", lambda: user)
    assert says in hindrance(OSError(errno.EPERM, "a mount namespace: Operation not permitted"), tmp_path, "overlay")


@pytest.mark.skipif(sys.platform != "linux", reason="as /proc has it")
def test_the_kind_of_a_file_system_is_that_of_its_mount() -> None:
    assert file_system(Path("/proc")) == "proc"
    assert file_system(Path("/nowhere")) == ""


@needs_overlay
@as_root
def test_a_workspace_on_an_overlay_is_told_what_to_mount(tmp_path: Path) -> None:
    script = (
        'mount -t tmpfs none "$1" && cd "$1" && mkdir l u w m && '
        'mount -t overlay none -o lowerdir=l,upperdir=u,workdir=w m && cd m && "$2" -c "$3"'
    )
    look = f"{OF_OVERLAY}; print(u(Path.cwd()))"
    command = ["unshare", "-m", "sh", "-c", script, "sh", str(tmp_path), sys.executable, look]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "a volume or a tmpfs mounted at .shepherd would do" in done.stdout, done.stderr


def test_something_else_in_the_place_of_the_device_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from shepherd_dsl.scope import fuse_probe

    monkeypatch.setattr(fuse_probe, "_DEVICE", "/dev/null")
    assert "--device /dev/null" in fuse_probe._no_device()
    monkeypatch.setattr(fuse_probe, "_DEVICE", str(tmp_path / "none"))
    assert "--device" in fuse_probe._no_device()
    assert fuse_probe._device() == ""


# ── doctor ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def copies(workspace: Path, config: str) -> list[str]:
    (workspace / ".shepherd" / "config.toml").write_text(config)
    return [line for line in shepherd("doctor", "--quick").out.splitlines() if "copies  " in line]


def test_doctor_says_what_the_configuration_passes_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Other(CopyBackend):
        name = "reflink"

    workspace = make_workspace(tmp_path / "repo")
    monkeypatch.chdir(workspace)
    candidates(monkeypatch, Refusing, Other, CopyBackend)
    assert copies(workspace, "") == [
        "✓ copies     refusing (used): it says", "· copies     reflink: it says", "· copies     copy: it says"
    ]  # fmt: skip
    refusing, reflink, copy = copies(workspace, '[scope]\nbackend = "copy"\n')
    assert refusing == '· copies     refusing: it says; not used: [scope] backend = "copy"'
    assert reflink.endswith('; not used: [scope] backend = "copy"')
    assert copy.startswith("✓ copies     copy (used)")
    refusing, reflink, copy = copies(workspace, "[jail]\noff = true\n")
    assert "not used: with [jail] off, since only the jail" in refusing
    assert 'unless [scope] backend = "reflink"' in reflink
    assert copy.startswith("✓ copies     copy (used)")


def test_doctor_says_that_no_run_will_be_where_the_configured_one_is_unusable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace = make_workspace(tmp_path / "repo")
    monkeypatch.chdir(workspace)
    for config in ('[scope]\nbackend = "clouds"\n', '[scope]\nbackend = "overlay"\n[jail]\noff = true\n'):
        first, *others = copies(workspace, config)
        assert first.startswith("✗ copies     every run is refused: ")
        assert not any("(used)" in line or "✓" in line for line in others)
        assert run_work(workspace, "--quiet").status == 2


def test_doctor_says_what_a_full_jail_would_need(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(make_workspace(tmp_path / "repo"))
    monkeypatch.setattr(reasons, "permission", lambda: "do this")
    why = "namespaces: unshare: Operation not permitted"
    for found, says in (
        (Jail("landlock", 6, True, why), f"no namespaces ({why}; do this)"),
        (Jail("none", 0, True, why), "runs them; do this"),
    ):
        monkeypatch.setattr("shepherd_dsl.scope.jail.probe_jail", lambda found=found: found)
        assert says in shepherd("doctor", "--quick").out
