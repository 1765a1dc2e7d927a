"""`text.merge`: both changes of one text, or the clashes with their texts."""

from __future__ import annotations

import anyio
from hypothesis import given
from hypothesis import strategies as st

from shepherd_dsl.check.load import load_source
from shepherd_dsl.core.value import Con, Record, ok, record
from shepherd_dsl.handlers.fits import misfit
from shepherd_dsl.handlers.text import OPERATIONS, TextHandler
from shepherd_dsl.lower import lower
from shepherd_dsl.scope.lines import MOST_LINES
from shepherd_dsl.testing.requests import make_request

TEXTS = st.lists(st.sampled_from(["a\n", "b\n", "ü\r\n", "\n", "\0\n", "\u2028", "\ue000\n", "=======\n"]), max_size=8)


def perform(*args: str) -> Con:
    return anyio.run(TextHandler().perform, make_request("text.merge", *args))


def test_changes_apart_from_each_other_are_joined() -> None:
    assert perform("a\nb\nc\n", "A\nb\nc\n", "a\nb\nc\nd") == ok(Con("Merged", ("A\nb\nc\nd",)))


def test_a_clash_gives_the_marked_text_and_what_clashes() -> None:
    assert perform("1\n2\n3\n4\n5", "1\nzwei\n3\n4\nfünf", "1\ndeux\n3\n4\ncinq\n") == ok(
        Con(
            "Conflict",
            (
                "1\n<<<<<<< ours\nzwei\n||||||| base\n2\n=======\ndeux\n>>>>>>> theirs\n"
                "3\n4\n<<<<<<< ours\nfünf\n||||||| base\n5\n=======\ncinq\n>>>>>>> theirs\n",
                (
                    record(base="2\n", ours="zwei\n", theirs="deux\n"),
                    record(base="5", ours="fünf", theirs="cinq\n"),
                ),
            ),
        )
    )


@given(TEXTS.map("".join), TEXTS.map("".join), TEXTS.map("".join))
def test_answers_fit_their_type_and_have_the_texts_of_both(base: str, ours: str, theirs: str) -> None:
    outcome = perform(base, ours, theirs)
    (answer,) = outcome.args
    assert misfit(OPERATIONS["text.merge"].result, answer) is None
    assert isinstance(answer, Con)
    if answer.name == "Merged":
        assert base not in (ours, theirs) or answer.args[0] == (theirs if base == ours else ours)
        return
    marked, clashes = answer.args
    assert isinstance(marked, str)
    assert isinstance(clashes, tuple)
    for clash in clashes:
        assert isinstance(clash, Record)
        for label, whole in (("base", base), ("ours", ours), ("theirs", theirs)):
            part = clash.get(label)
            assert isinstance(part, str)
            assert part in whole
            assert part in marked


def test_a_text_that_is_too_large_is_an_error() -> None:
    outcome = perform("", "\n" * (MOST_LINES + 1), "a")
    assert isinstance(outcome.args[0], Record)
    assert (outcome.name, outcome.args[0].get("code")) == ("Err", "size")


def test_every_program_may_ask_for_it() -> None:
    program = lower(
        load_source(
            "agent main(base: Text, ours: Text, theirs: Text) -> Text\n  grants text.merge\n{\n"
            "  match do text.merge(base, ours, theirs) {\n    Merged(text) => return text\n"
            '    Conflict(_, clashes) => return text_join(for one in clashes { one.base }, "")\n  }\n}\n',
            file="main.shep",
        )
    ).program
    declared = program.ops["text.merge"]
    assert (declared.effect_class, declared.undo) == (OPERATIONS["text.merge"].effect_class, None)
