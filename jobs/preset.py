"""Commands with presets: the first word after the command chooses one, and with it the options there are."""

from collections.abc import Sequence

from jobs.catalogue import listing
from jobs.command import Command, first_line
from revsearch.errors import InvalidSpec
from revsearch.specs import did_you_mean

_HELP = frozenset({"-h", "--help"})


def asks_for_presets(command: Command, arguments: Sequence[str]) -> bool:
    """Say whether `--help` was typed without a preset before it."""
    without = bool(arguments) and arguments[0].startswith("-")
    return bool(command.presets) and without and not _HELP.isdisjoint(arguments)


def presets_overview(command: Command) -> list[str]:
    """Return the help of a command whose options hang on its preset, a line each."""
    presets = {name: first_line(spec) for name, spec in command.presets.items()}
    head = [f"usage: revsearch {command.name} PRESET ...", "", command.description, "", "presets:"]
    return [*head, *listing(presets), "", f"`revsearch {command.name} PRESET --help` shows the options of a preset."]


def choose_preset(command: Command, arguments: Sequence[str]) -> tuple[Command, Sequence[str]]:
    """Return the command with the preset that the first word names, and the words after it.

    A command without presets is given back as it is.

    Raises:
        InvalidSpec: where the first word is no preset, or there is none.
    """
    if not command.presets:
        return command, arguments
    if arguments and arguments[0] in command.presets:
        return command.with_preset(arguments[0]), arguments[1:]
    found = f"{arguments[0]!r}{did_you_mean(arguments[0], command.presets)}" if arguments else "nothing"
    raise InvalidSpec(
        f"{command.name}: expected a preset first, one of {', '.join(command.presets)}; found {found}; "
        f"see `revsearch {command.name} --help`"
    )
