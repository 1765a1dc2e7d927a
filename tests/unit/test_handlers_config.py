"""`.shepherd/config.toml`: what it may say, and what is said of its mistakes."""

from __future__ import annotations

import contextlib
import re
from pathlib import Path
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shepherd_dsl.config import Config, origin_of, parse_config, read_config
from shepherd_dsl.errors import UserError
from shepherd_dsl.handlers.context import open_context


def test_no_file_is_all_defaults(tmp_path: Path) -> None:
    assert read_config(tmp_path / "config.toml") == Config()
    assert parse_config("") == Config()


def test_everything_can_be_set() -> None:
    config = parse_config(
        """
        [shell]
        time_limit = 5
        grace = 0.5
        output_limit = 10
        output_max = 20
        secrets = ["NPM_TOKEN"]
        [environment]
        allow = ["EDITOR"]
        set = { B = "2", A = "" }
        path = ["bin"]
        [secrets]
        names = ["CORP_*"]
        exclude = ["X_TOKEN"]
        minimum = 12
        [http]
        time_limit = 1
        body_limit = 1
        body_max = 2
        redirects = 0
        proxy = "http://proxy:3128"
        [http.secrets]
        GITHUB_TOKEN = ["https://API.github.com/", "http://[::1]:8080"]
        [model]
        default = "local"
        base_url = "http://localhost"
        max_tokens = 100
        time_limit = 30
        retries = 0
        [human]
        approve = "no"
        answers = "answers"
        [tracker]
        path = "t.jsonl"
        [handlers]
        shell = "pkg.mod:open_handler"
        """
    )
    assert config.shell.time_limit == 5.0
    assert config.environment.set == (("A", ""), ("B", "2"))
    assert config.http.secrets == (("GITHUB_TOKEN", ("https://api.github.com:443", "http://[::1]:8080")),)
    assert config.model.retries == 0
    assert config.human.approve == "no"
    assert config.handlers == (("shell", "pkg.mod:open_handler"),)


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("[shel]", "[shel] is not known; did you mean shell?"),
        ("[shell]\ntimelimit = 1", "[shell] timelimit is not known; did you mean time_limit?"),
        ("shell = 3", "[shell] must be a table"),
        ("[shell]\ntime_limit = true", "[shell] time_limit must be a number of seconds above 0"),
        ("[shell]\ntime_limit = nan", "[shell] time_limit must be a number of seconds above 0"),
        ("[shell]\noutput_limit = 1.5", "[shell] output_limit must be a whole number from 1 to"),
        ("[shell]\nsecrets = 'X'", "[shell] secrets must be a list of names"),
        ("[environment]\nset = { A = 1 }", "[environment] set must be a table of texts"),
        ("[secrets]\nminimum = 1", "[secrets] minimum must be a whole number from 4"),
        ("[http.secrets]\nX = ['ftp://x']", "[http] secrets must be a table of lists of origins"),
        ("[human]\napprove = 'maybe'", '[human] approve must be one of "ask", "yes", "no"'),
        ("[tracker]\npath = ''", "[tracker] path must be a text that is not empty"),
        ("[handlers]\nshell = 1", "[handlers] must be a table of texts"),
    ],
)
def test_a_mistake_is_named(text: str, part: str) -> None:
    with pytest.raises(UserError) as found:
        parse_config(text, where="here")
    assert found.value.code == "config.invalid"
    assert part in found.value.what
    assert found.value.where == "here"
    assert found.value.hint


def test_all_mistakes_at_once() -> None:
    with pytest.raises(UserError) as found:
        parse_config("[one]\n[shell]\ngrace = -1\n[http]\nredirects = 99")
    assert all(part in found.value.what for part in ("[one]", "grace", "redirects"))


def test_what_is_not_toml(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="line 2") as found:
        parse_config("[shell]\ngrace = soon\n")
    assert found.value.code == "config.syntax"
    (tmp_path / "config.toml").write_bytes(b"\xff")
    with pytest.raises(UserError) as found:
        read_config(tmp_path / "config.toml")
    assert found.value.code == "config.read"
    with pytest.raises(UserError) as found:
        read_config(tmp_path)
    assert found.value.code == "config.read"


@given(st.text(max_size=60))
def test_any_text_is_a_configuration_or_an_error(text: str) -> None:
    with contextlib.suppress(UserError):
        assert isinstance(parse_config(text), Config)


@pytest.mark.parametrize("url", ["", "x", "ftp://a", "http://", "http://a:99999", "https://[", "//a"])
def test_what_has_no_origin(url: str) -> None:
    assert origin_of(url) is None


def test_the_context_declares_what_the_configuration_names(tmp_path: Path) -> None:
    (tmp_path / ".shepherd").mkdir()
    (tmp_path / ".shepherd" / "config.toml").write_text(
        '[secrets]\nnames = ["ONE"]\n[shell]\nsecrets = ["TWO"]\n[http.secrets]\nTHREE = ["https://x.org"]'
    )
    environ = {"ONE": "value-one", "TWO": "value-two", "THREE": "value-three", "FOUR": "value-four"}
    context = open_context(tmp_path, environ=environ)
    assert sorted(context.secrets.values) == ["ONE", "THREE", "TWO"]
    assert context.redactor.text("value-one value-two value-three value-four") == (
        "‹secret ONE› ‹secret TWO› ‹secret THREE› value-four"
    )
    assert not any(value in repr(context) for value in ("value-one", "value-two", "value-three"))


def test_the_documentation_shows_every_setting_with_its_default() -> None:
    page = (Path(__file__).parents[2] / "docs" / "handlers.md").read_text()
    block = page.partition("```toml\n")[2].partition("```")[0]
    assert parse_config(block) == Config()
    # The examples in comments are sound too, and with them nothing is left out.
    whole = parse_config(re.sub(r"^# ", "", block, flags=re.MULTILINE))
    for table in attrs.fields(Config):
        shown = block.partition(f"[{table.name}]\n")[2].partition("\n[")[0]
        if table.name == "handlers":
            assert whole.handlers
            continue
        defaults: Any = table.default
        settings = [field for field in attrs.fields(type(defaults)) if field.name != "limits"]
        if len(settings) < len(attrs.fields(type(defaults))):
            settings += attrs.fields(type(defaults.limits))
        for setting in settings:
            in_table = f"[{table.name}.{setting.name}]" in block
            assert in_table or re.search(rf"^(# )?{setting.name} = ", shown, re.MULTILINE), (table.name, setting.name)
    assert whole.http.secrets
