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
    exact: bool = option(False, help="exact", short="x")
    epochs: int = option(20, help="epochs", short="e")
    words: tuple[str, ...] = option((), help="words", short="ws")


@dataclass(frozen=True)
class Words:
    """Rank."""

    queries: tuple[str, ...] = option(help="queries", positional=True)
    k: int = option(10, help="images")


@dataclass(frozen=True)
class OneWord:
    """Show."""

    id: str = option(help="id", positional=True)


@dataclass(frozen=True)
class Rest:
    """Send."""

    command: tuple[str, ...] = option(help="command", positional=True, rest=True)
    id: str | None = option(None, help="id")
    many: tuple[str, ...] = option((), help="many")


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
        (Flags, ["-e", "5"], {"epochs": 5}),
        (Flags, ["-e=5"], {"epochs": 5}),
        (Flags, ["-e", "-5"], {"epochs": -5}),
        (Flags, ["-e", "5", "--epochs", "6"], {"epochs": 6}),
        (Flags, ["--epochs=5", "-e=6", "-x"], {"epochs": 6, "exact": True}),
        (Flags, ["-ws", "a", "b=-e", "-e", "5"], {"words": ("a", "b=-e"), "epochs": 5}),
        (Words, ["a", "--k", "3", "b"], {"queries": ("a", "b"), "k": 3}),
        (Words, ["--k", "3", "a", "b"], {"queries": ("a", "b"), "k": 3}),
        (Words, ["--k", "3", "--", "-a", "--k"], {"queries": ("-a", "--k"), "k": 3}),
        (OneWord, ["a"], {"id": "a"}),
        (Rest, ["--", "embed", "--k", "3"], {"command": ("embed", "--k", "3")}),
        (Rest, ["embed", "--k", "3", "--id=x"], {"command": ("embed", "--k", "3", "--id=x")}),
        (Rest, ["--id", "x", "--json", "embed", "--json"], {"id": "x", "json": True, "command": ("embed", "--json")}),
        (Rest, ["--id=x", "embed"], {"id": "x", "command": ("embed",)}),
        (Rest, ["--many", "a", "b", "--", "embed"], {"many": ("a", "b"), "command": ("embed",)}),
    ],
)
def test_values(spec, arguments, values):
    assert read(spec, *arguments) == (values, [])


@pytest.mark.parametrize(
    ("spec", "arguments", "problems"),
    [
        (Flags, ["--MM", "4"], ["unknown option --MM; did you mean --M?"]),
        (Flags, ["--zzzzzz=4"], ["unknown option --zzzzzz"]),
        (Flags, ["-q"], ["unknown option -q"]),
        (Flags, ["-e5"], ["unknown option -e5; did you mean -e?"]),
        (Flags, ["-e"], ["-e: expected a value, found nothing"]),
        (Flags, ["-e", "-x"], ["-e: expected a value, found -x"]),
        (Flags, ["-e", "x"], ["--epochs: expected a whole number, found 'x'"]),
        (Flags, ["-x=1"], ["-x: expected no value, found '-x=1'"]),
        (Flags, ["-ws", "a", "--words=b"], ["--words: given twice; give all values after one --words"]),
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
    assert "-e INT, --epochs INT" in shown
    assert shown.isascii()


def test_the_options_of_every_command_are_as_agreed():
    """What scripts rely on changes on purpose only: REVSEARCH_REWRITE_FLAGS=1 writes the table anew."""
    table = "".join(_lines(command) for name in command_names() for command in _variants(name))
    if os.environ.get(REWRITE):
        TABLE.write_text(table)
    assert table == TABLE.read_text()


def test_no_command_has_two_options_of_one_name():
    for command in (each for name in command_names() for each in _variants(name)):
        flags = flags_of(command)
        names, spellings = [flag.name for flag in flags], [word for flag in flags for word in flag.spellings]
        assert len(names) == len(set(names)), command.title
        assert len(spellings) == len(set(spellings)), command.title
        assert not {"-h", "--help"} & set(spellings), command.title


def _variants(name: str) -> list[Command]:
    """Return a command, or where it has presets one of each."""
    command: Command = importlib.import_module(module_name(name)).COMMAND
    assert command.name == name
    return [command.with_preset(preset) for preset in command.presets] or [command]


def _lines(command: Command) -> str:
    return f"{command.title}\n" + "".join(f"  {_line(flag)}\n" for flag in flags_of(command))


def _line(flag: Flag) -> str:
    spellings = " ".join(reversed(flag.spellings))
    shown = ("" if flag.positional else spellings, "" if flag.switch else flag.takes, flag.hint)
    return " ".join(filter(None, shown))
