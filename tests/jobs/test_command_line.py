"""Reading what was typed, and the frozen table of every command's options."""

import importlib
import os
from dataclasses import dataclass
from pathlib import Path

import pytest

from jobs.catalogue import command_names, module_name
from jobs.command import Command, Job, Outcome
from jobs.command_line import read_command_line
from jobs.flag import Flag, flags_of
from revsearch.specs import option

TABLE = Path(__file__).with_name("flags.txt")
REWRITE = "REVSEARCH_REWRITE_FLAGS"


@dataclass(frozen=True)
class Flags:
    """Build."""

    ids: tuple[str, ...] = option(help="ids")
    M: int = option(16, help="links")
    exact: bool = option(False, help="exact")


@dataclass(frozen=True)
class Words:
    """Rank."""

    queries: tuple[str, ...] = option(help="queries", positional=True)
    k: int = option(10, help="images")


@dataclass(frozen=True)
class OneWord:
    """Show."""

    id: str = option(help="id", positional=True)


def run(spec: object, job: Job) -> Outcome:
    return Outcome()


def read(spec: type, *arguments: str):
    given = read_command_line(Command(spec=spec, run=run), arguments)
    return given.values, given.problems


@pytest.mark.parametrize(
    ("spec", "arguments", "values"),
    [
        (Flags, [], {}),
        (Flags, ["--ids", "a", "b", "--M", "4", "--exact"], {"ids": ("a", "b"), "M": 4, "exact": True}),
        (Flags, ["--M=4", "--M", "5"], {"M": 5}),
        (Flags, ["--M", "-4"], {"M": -4}),
        (Flags, ["--max_reject_rate", "1"], {"max_reject_rate": 1.0}),
        (Flags, ["--name=-x"], {"name": "-x"}),
        (Words, ["a", "--k", "3", "b"], {"queries": ("a", "b"), "k": 3}),
        (Words, ["--k", "3", "a", "b"], {"queries": ("a", "b"), "k": 3}),
        (Words, ["--k", "3", "--", "-a", "--k"], {"queries": ("-a", "--k"), "k": 3}),
        (OneWord, ["a"], {"id": "a"}),
    ],
)
def test_values(spec, arguments, values):
    assert read(spec, *arguments) == (values, [])


@pytest.mark.parametrize(
    ("spec", "arguments", "problems"),
    [
        (Flags, ["--MM", "4"], ["unknown option --MM; did you mean --M?"]),
        (Flags, ["--zzzzzz=4"], ["unknown option --zzzzzz"]),
        (Flags, ["-x"], ["unknown option -x"]),
        (Flags, ["--no-exact"], ["unknown option --no-exact; did you mean --exact?"]),
        (Flags, ["--M"], ["--M: expected a value, found nothing"]),
        (Flags, ["--ids", "--M", "4"], ["--ids: expected a value, found --M"]),
        (Flags, ["--exact=yes"], ["--exact: expected no value, found '--exact=yes'"]),
        (Flags, ["--ids", "a", "--ids=b"], ["--ids: given twice; give all values after one --ids"]),
        (Flags, ["a"], ["expected no argument without a flag, found 'a'"]),
        (OneWord, ["a", "b", "c"], ["expected no argument without a flag, found 'b' 'c'"]),
        (Flags, ["--M", "x", "--exat", "--store", "--profile", "lap"], [
            "unknown option --exat; did you mean --exact?",
            "--store: expected a value, found --profile",
            "--M: expected a whole number, found 'x'",
            "--profile: expected one of laptop, cluster, found 'lap'; did you mean laptop?",
        ]),
    ],
)  # fmt: skip
def test_mistakes(spec, arguments, problems):
    assert read(spec, *arguments)[1] == problems


def test_help_shows_defaults_and_choices(capsys):
    with pytest.raises(SystemExit) as left:
        read(Flags, "--help")
    shown = capsys.readouterr().out
    assert left.value.code == 0
    for part in ("usage: revsearch test-command-line", "--M INT", "(default: 16)", "{laptop,cluster}", "(required)"):
        assert part in shown
    assert shown.isascii()


def test_the_options_of_every_command_are_as_agreed():
    """What scripts rely on changes on purpose only: REVSEARCH_REWRITE_FLAGS=1 writes the table anew."""
    table = "".join(_lines(name) for name in command_names())
    if os.environ.get(REWRITE):
        TABLE.write_text(table)
    assert table == TABLE.read_text()


def test_no_command_has_two_options_of_one_name():
    for name in command_names():
        names = [flag.name for flag in flags_of(importlib.import_module(module_name(name)).COMMAND)]
        assert len(names) == len(set(names)), name


def _lines(name: str) -> str:
    command: Command = importlib.import_module(module_name(name)).COMMAND
    assert command.name == name
    return f"{name}\n" + "".join(f"  {_line(flag)}\n" for flag in flags_of(command))


def _line(flag: Flag) -> str:
    shown = ("" if flag.positional else flag.spelling, "" if flag.switch else flag.takes, flag.hint)
    return " ".join(filter(None, shown))
