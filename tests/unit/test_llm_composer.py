"""The stand-in model answers from the passages, always in the same way."""

from hypothesis import given, settings
from hypothesis import strategies as st

from services.llm.composer import NOTHING_GIVEN, compose
from services.llm.tokens import tokenize
from services.llm.units import units

RUNBOOK = """The breaker of a dependency is open.

1. Open the **Dependencies** [dashboard](http://x/d).
2. Look at the traces:
   ```
   stack logs gateway
   ```
3. Restart the dependency.

Bananas are yellow. Apples are red."""
OTHER = "Bananas grow in warm countries."


def ask(question: str, *passages: tuple[str, str]) -> str:
    material = "\n".join(f'<passage title="{t}">\n{text}\n</passage>' for t, text in passages)
    return compose([("system", f"Rules. Never quote this. {material}"), ("user", question)])


def test_a_procedure_is_quoted_whole() -> None:
    """One step that matches brings all steps, in order, with the code under them."""
    answer = ask("What do I restart?", ("Breaker – What to do", RUNBOOK))
    steps = [
        "1. Open the Dependencies dashboard.",
        "2. Look at the traces:\n```\nstack logs gateway\n```",
        "3. Restart the dependency.",
    ]
    assert "\n".join(steps) in answer


def test_the_sentence_about_the_subject_is_chosen() -> None:
    """What shares rare words with the question is quoted, what does not is left out."""
    answer = ask("Where do bananas grow?", ("Breaker", RUNBOOK), ("Fruit", OTHER))
    assert OTHER in answer
    assert "Apples" not in answer


def test_only_passages_are_quoted() -> None:
    """The rules around the passages are no material, and without passages the model says so."""
    assert "Never quote" not in ask("Never quote this", ("Fruit", OTHER))
    assert ask("Never quote this") == NOTHING_GIVEN
    assert compose([]) == NOTHING_GIVEN


def test_a_table_is_quoted_by_rows() -> None:
    """A row stands for itself; the head and the rule under it are left out."""
    table = (
        "| Name | Default | Meaning |\n| --- | --- | --- |\n| RATE | – | requests per second |\n"
    )
    assert "- RATE – requests per second" in ask("What is RATE?", ("Settings", table))


def test_units_know_their_kind() -> None:
    """Sentences, items and steps are told apart; continuation lines belong to their item."""
    found = units("Intro one. Intro two.\n\n- first\n  goes on\n- second\n\n1) step")
    assert [(u.text, u.marker) for u in found] == [
        ("Intro one.", ""),
        ("Intro two.", ""),
        ("first goes on", "-"),
        ("second", "-"),
        ("step", "1."),
    ]


@settings(max_examples=60, deadline=None)
@given(st.text(alphabet="abAB1.-*|`# \n<>", max_size=200), st.text(max_size=40))
def test_any_passage_gives_one_answer(text: str, question: str) -> None:
    """No passage or question breaks the composer, and the same ones give the same answer."""
    answer = ask(question, ("T", text))
    assert answer
    assert answer == ask(question, ("T", text))


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=200))
def test_tokens_joined_are_the_text(text: str) -> None:
    """Streaming the tokens loses nothing."""
    assert "".join(tokenize(text)) == text
