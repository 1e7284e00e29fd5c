"""From values back to a command line: what was read from flags, environment and `--config`, as flags alone."""

from collections.abc import Iterator, Mapping
from typing import Any

from jobs.command import Command
from jobs.command_line import is_option
from jobs.flag import Flag, flags_of
from revsearch.errors import InvalidSpec

_RESOLVED = frozenset({"config"})  # its values are among those given


def spelled(command: Command, given: Mapping[str, Any]) -> list[str]:
    """Return the words after the command's name that give it the same values wherever it is run.

    Raises:
        InvalidSpec: where no words do.
    """
    flags = [flag for flag in flags_of(command) if flag.name in given and flag.name not in _RESOLVED]
    options = [word for flag in flags if not flag.positional for word in _option(flag, given[flag.name])]
    words = [word for flag in flags if flag.positional for word in _texts(given[flag.name])]
    preset = [command.preset] if command.preset else []
    return [*preset, *options, *(["--", *words] if words else [])]


def _option(flag: Flag, value: Any) -> Iterator[str]:
    if flag.switch:
        yield from [flag.spelling] if value else []
    elif flag.many:
        yield from _list(flag, _texts(value))
    else:
        yield f"{flag.spelling}={value}"


def _list(flag: Flag, texts: list[str]) -> list[str]:
    """Spell a list; after `=` its first value may look like an option, no other one may."""
    if not texts:
        return [flag.spelling]
    if strange := [text for text in texts[1:] if is_option(text)]:
        raise InvalidSpec(
            f"{flag.spelling}: expected at most its first value to begin with `-` in a command that is sent, found "
            f"{strange[0]!r}"
        )
    return [f"{flag.spelling}={texts[0]}", *texts[1:]]


def _texts(value: Any) -> list[str]:
    return [str(each) for each in value] if isinstance(value, tuple) else [str(value)]
