from dataclasses import dataclass
from typing import Literal

import pytest

from jobs.command import OF_ARTIFACTS, OF_RESOURCES, Command, Job, Outcome
from jobs.flag import Invalid, flags_of
from revsearch.specs import Resources, option


@dataclass(frozen=True)
class Spec:
    """One field of every kind."""

    words: tuple[str, ...] = option(help="words", positional=True)
    ef_construction: int = option(200, help="width")
    rate: float | None = option(None, help="95 %% of it")
    kind: Literal["exact", "hnsw"] = option("exact", help="kind")
    twice: bool = option(False, help="do it twice")
    name_of_it: str = option("x", help="a name")
    shares: tuple[float, ...] = option((0.5, 1.0), help="shares", short="sh")


def run(spec: Spec, job: Job) -> Outcome:
    return Outcome()


FLAGS = {flag.name: flag for flag in flags_of(Command(spec=Spec, run=run))}


@pytest.mark.parametrize(
    ("name", "texts", "value"),
    [
        ("words", ["a", "b"], ("a", "b")),
        ("ef_construction", ["12"], 12),
        ("ef_construction", ["-1"], -1),
        ("rate", ["1e-3"], 0.001),
        ("kind", ["hnsw"], "hnsw"),
        ("name_of_it", ["-x"], "-x"),
    ],
)
def test_texts_become_values(name, texts, value):
    assert FLAGS[name].from_texts(texts) == value


@pytest.mark.parametrize(
    ("name", "text", "problem"),
    [
        ("ef_construction", "1.5", "--ef-construction: expected a whole number, found '1.5'"),
        ("ef_construction", "", "--ef-construction: expected a whole number, found ''"),
        ("rate", "x", "--rate: expected a number, found 'x'"),
        ("rate", "nan", "--rate: expected a number, found 'nan'"),
        ("rate", "inf", "--rate: expected a number, found 'inf'"),
        ("kind", "hnws", "--kind: expected one of exact, hnsw, found 'hnws'; did you mean hnsw?"),
        ("name_of_it", "", "--name-of-it: expected a text, found ''"),
        ("words", "", "WORDS: expected a text, found ''"),
    ],
)
def test_wrong_texts_say_what_was_expected_and_found(name, text, problem):
    assert FLAGS[name].from_texts([text]) == Invalid(problem)


@pytest.mark.parametrize(
    ("name", "plain", "value"),
    [
        ("words", ["a"], ("a",)),
        ("ef_construction", 3, 3),
        ("rate", 1, 1.0),
        ("kind", "exact", "exact"),
        ("twice", True, True),
    ],
)
def test_toml_values_become_values(name, plain, value):
    assert FLAGS[name].from_plain(plain) == value
    assert type(FLAGS[name].from_plain(plain)) is type(value)


@pytest.mark.parametrize(
    ("name", "plain", "problem"),
    [
        ("words", "a", "WORDS: expected a list, found 'a'"),
        ("words", [1], "WORDS: expected a text, found 1"),
        ("ef_construction", "3", "--ef-construction: expected a whole number, found '3'"),
        ("ef_construction", True, "--ef-construction: expected a whole number, found True"),
        ("ef_construction", [3], "--ef-construction: expected a whole number, found [3]"),
        ("kind", 1, "--kind: expected one of exact, hnsw, found 1"),
        ("twice", 1, "--twice: expected true or false, found 1"),
        ("rate", float("inf"), "--rate: expected a number, found 'inf'"),
    ],
)
def test_wrong_toml_values_say_what_was_expected_and_found(name, plain, problem):
    assert FLAGS[name].from_plain(plain) == Invalid(problem)


def test_spelling_and_help():
    assert FLAGS["ef_construction"].spelling == "--ef-construction"
    assert FLAGS["words"].spelling == "WORDS"
    assert FLAGS["words"].takes == "WORDS ..."
    assert FLAGS["kind"].takes == "{exact,hnsw}"
    assert FLAGS["rate"].help == "95 % of it"
    assert FLAGS["words"].hint == "(required)"
    assert FLAGS["kind"].hint == "(default: exact)"
    assert FLAGS["rate"].hint == FLAGS["twice"].hint == ""
    assert FLAGS["shares"].hint == "(default: 0.5 1.0)"
    assert FLAGS["shares"].spellings == ("--shares", "-sh")
    assert FLAGS["rate"].spellings == ("--rate",)
    assert FLAGS["store"].hint == "(default: ./store; environment: REVSEARCH_STORE)"


@pytest.mark.parametrize("commits", [True, False])
@pytest.mark.parametrize("computes", [True, False])
def test_a_command_takes_the_groups_it_asks_for(commits, computes):
    names = {flag.name for flag in flags_of(Command(spec=Spec, run=run, commits=commits, computes=computes))}
    assert (names >= OF_ARTIFACTS) is commits
    assert (names >= OF_RESOURCES | Resources.__dataclass_fields__.keys()) is computes
    assert names >= {"words", "store", "json", "debug", "config"}
    assert bool(names & (OF_ARTIFACTS - {"x"})) is commits


def test_of_one_name_the_option_of_the_spec_goes_first():
    @dataclass(frozen=True)
    class Batches:
        """Learn."""

        batch_size: int = option(60, help="images a step")

    (batch_size,) = (flag for flag in flags_of(Command(spec=Batches, run=run)) if flag.name == "batch_size")
    assert (batch_size.owner, batch_size.hint) == (Batches, "(default: 60)")
