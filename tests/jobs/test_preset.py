from dataclasses import dataclass

import pytest

from jobs.command import Command, Job, Outcome
from jobs.preset import asks_for_presets, choose_preset, presets_overview
from revsearch.errors import InvalidSpec


@dataclass(frozen=True)
class Triplet:
    """Images of one class near.

    And more.
    """


@dataclass(frozen=True)
class Classifier:
    """Classes told apart."""


def run(spec: object, job: Job) -> Outcome:
    return Outcome()


PLAIN = Command(spec=Triplet, run=run)
PRESETS = Command(spec=object, run=run, presets={"triplet": Triplet, "classifier": Classifier})


def test_the_first_word_chooses_and_the_others_are_left():
    command, arguments = choose_preset(PRESETS, ["classifier", "--help", "triplet"])
    assert (command.spec, command.preset, command.title) == (Classifier, "classifier", "test-preset classifier")
    assert command.name == "test-preset"
    assert list(arguments) == ["--help", "triplet"]


def test_a_command_without_presets_is_given_back_as_it_is():
    assert choose_preset(PLAIN, ["triplet"]) == (PLAIN, ["triplet"])
    assert PLAIN.title == "test-preset"


@pytest.mark.parametrize(
    ("arguments", "found"),
    [
        ([], "found nothing"),
        (["tripelt"], "found 'tripelt'; did you mean triplet?"),
        (["--manifest", "x", "triplet"], "found '--manifest'"),
        (["Triplet"], "found 'Triplet'; did you mean triplet?"),
    ],
)
def test_what_is_no_preset(arguments, found):
    with pytest.raises(InvalidSpec) as caught:
        choose_preset(PRESETS, arguments)
    (problem,) = caught.value.problems
    assert problem.startswith(f"test-preset: expected a preset first, one of triplet, classifier; {found}")
    assert problem.endswith("see `revsearch test-preset --help`")


@pytest.mark.parametrize("arguments", [["--help"], ["-h"], ["--json", "--help"]])
def test_help_without_a_preset_asks_for_them_all(arguments):
    assert asks_for_presets(PRESETS, arguments)
    assert not asks_for_presets(PLAIN, arguments)


@pytest.mark.parametrize("arguments", [[], (), ["triplet", "--help"], ["tripelt", "--help"], ["--json"]])
def test_everything_else_does_not(arguments):
    assert not asks_for_presets(PRESETS, arguments)


def test_the_overview_has_a_line_a_preset():
    lines = presets_overview(PRESETS)
    assert lines[0] == "usage: revsearch test-preset PRESET ..."
    assert "  triplet     Images of one class near." in lines
    assert "  classifier  Classes told apart." in lines
