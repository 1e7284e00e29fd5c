"""From a command to its command line (tyro), and from what was typed to values, with all mistakes at once.

tyro stops at the first mistake. So options that it would stumble over are taken out before it reads, every value
reaches us as text, and an option that nobody gave is seen as such: it may still come from elsewhere.
"""

import dataclasses
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import field
from itertools import groupby, pairwise
from typing import Annotated, Any

from jobs.command import Command, first_line
from jobs.flag import Flag, Given, flags_of
from revsearch.errors import InvalidSpec
from revsearch.specs import did_you_mean

_NEGATIVE_NUMBER = re.compile(r"-(\.?\d|inf|nan)", re.IGNORECASE)
_HELP = ("-h", "--help")


def read_command_line(command: Command, arguments: Sequence[str]) -> Given:
    """Read the arguments of a command; `--help` writes to stdout and leaves by SystemExit(0).

    Raises:
        InvalidSpec: where tyro refuses what passed our own checks; it has said why.
    """
    flags = flags_of(command)
    sound, problems = _without_mistakes(_with_rest_marked(arguments, flags), flags)
    texts, strays = _parse(command, flags, sound)
    words = next((flag.name for flag in flags if flag.positional and flag.many), None)
    if strays and words:  # `rank a.jpg --k 3 b.jpg`: tyro takes words of one place only
        texts[words] = [*texts.get(words, ()), *strays]
    elif strays and not problems:  # after an unknown option a stray word is most likely its value
        problems.append(f"expected no argument without a flag, found {' '.join(map(repr, strays))}")
    given = Given(problems=problems)
    for flag in flags:
        if flag.name in texts:
            given.add(flag.name, True if flag.switch else flag.from_texts(texts[flag.name]))
    return given


def _with_rest_marked(arguments: Sequence[str], flags: Sequence[Flag]) -> Sequence[str]:
    """Put the `--` that nobody typed before the first word of another command: it is no option, and no value of one."""
    if "--" in arguments or not any(flag.rest for flag in flags):
        return arguments
    by_spelling = {spelling: flag for flag in flags for spelling in flag.spellings}
    before: Flag | None = None  # whose value a word would be
    for place, word in enumerate(arguments):
        if is_option(word):
            flag = by_spelling.get(word)
            before = flag if flag is not None and not flag.switch else None
        elif before is None:
            return [*arguments[:place], "--", *arguments[place:]]
        elif not before.many:
            before = None
    return arguments


def _without_mistakes(arguments: Sequence[str], flags: Sequence[Flag]) -> tuple[list[str], list[str]]:
    """Return the arguments that tyro can read, and what is wrong with each other one."""
    by_spelling = {spelling: flag for flag in flags for spelling in flag.spellings if not flag.positional}
    end = arguments.index("--") if "--" in arguments else len(arguments)
    sound, problems = [], []
    for word, follows in pairwise([*arguments[:end], None]):
        mistake = _mistake(word, follows, by_spelling) if word is not None and is_option(word) else None
        if mistake:
            problems.append(mistake)
        elif word is not None:
            sound.append(_in_full(word, by_spelling))
    problems += _given_twice(sound, by_spelling)
    return [*sound, *arguments[end:]], problems


def _mistake(word: str, follows: str | None, by_spelling: Mapping[str, Flag]) -> str | None:
    spelling, equals, _ = word.partition("=")
    flag = by_spelling.get(spelling.replace("_", "-"))
    if word in _HELP:
        return None
    if flag is None:
        return f"unknown option {spelling}{did_you_mean(spelling, by_spelling)}"
    if flag.switch:
        return f"{spelling}: expected no value, found {word!r}" if equals else None
    if not equals and (follows is None or is_option(follows)):
        return f"{spelling}: expected a value, found {'nothing' if follows is None else follows}"
    return None


def _in_full(word: str, by_spelling: Mapping[str, Flag]) -> str:
    """Return `--epochs=5` for `-e=5`, and a word that is no short option as it is."""
    spelling, equals, value = word.partition("=")
    flag = by_spelling.get(spelling)
    return word if flag is None else f"{flag.spelling}{equals}{value}"


def _given_twice(words: Sequence[str], by_spelling: Mapping[str, Flag]) -> Iterator[str]:
    """Say where a later list of values would silently replace an earlier one; a single value may be overridden."""
    spellings = sorted(word.partition("=")[0].replace("_", "-") for word in words if is_option(word))
    for spelling, times in groupby(spellings):
        if spelling in by_spelling and by_spelling[spelling].many and len(list(times)) > 1:
            yield f"{spelling}: given twice; give all values after one {spelling}"


def is_option(word: str) -> bool:
    """Say whether a word would be taken for an option: it begins with a dash, and is no negative number."""
    return len(word) > 1 and word.startswith("-") and not _NEGATIVE_NUMBER.match(word)


def _parse(
    command: Command, flags: Sequence[Flag], arguments: Sequence[str]
) -> tuple[dict[str, Sequence[str]], list[str]]:
    """Let tyro read: the texts of each option that was given, and the words that belong to none."""
    import tyro  # here, so that a listing of the commands need not wait for it

    # Boxes of plain characters: help goes through pipes and terminals of any encoding.
    tyro._experimental_options["utf8_boxes"] = False
    groups = [_group(owner, owned, command) for owner, owned in groupby(flags, key=lambda flag: flag.owner)]
    titles = [command.name.replace("-", "_"), "shared", "resources"]
    fields = [(title, group, field(default_factory=group)) for title, group in zip(titles, groups, strict=False)]
    line: type[Any] = dataclasses.make_dataclass("CommandLine", fields)
    try:
        read, strays = tyro.cli(
            line,
            prog=f"revsearch {command.title}",
            description=first_line(command.spec),
            args=list(arguments),
            return_unknown_args=True,
            config=(tyro.conf.OmitArgPrefixes, tyro.conf.FlagCreatePairsOff),
        )
    except SystemExit as stop:
        if not stop.code:
            raise
        raise InvalidSpec("the command line could not be read; see above") from stop
    texts = {name: value for title in vars(read) for name, value in vars(getattr(read, title)).items() if value}
    return texts, list(strays)


def _group(owner: type[Any], flags: Iterator[Flag], command: Command) -> type[Any]:
    """Return the dataclass that shows the options of one owner to tyro: lists of texts, empty where not given."""
    fields = [(flag.name, _annotation(flag), field(default=False if flag.switch else ())) for flag in flags]
    group = dataclasses.make_dataclass(owner.__name__, fields)
    group.__doc__ = "" if owner is command.spec else first_line(owner)  # the spec's heads the whole help
    return group


def _annotation(flag: Flag) -> Any:
    import tyro

    shown = tyro.conf.arg(help=flag.help, help_behavior_hint=flag.hint, aliases=flag.spellings[1:])
    if flag.switch:
        return Annotated[bool, shown]
    texts: tyro.constructors.PrimitiveConstructorSpec[Sequence[str]] = tyro.constructors.PrimitiveConstructorSpec(
        nargs="*" if flag.many else 1,
        metavar=flag.takes,
        instance_from_str=lambda texts: texts,
        is_instance=lambda value: isinstance(value, Sequence),
        str_from_instance=list,
    )
    annotation = Annotated[Sequence[str], texts, shown]
    return tyro.conf.Positional[annotation] if flag.positional else annotation
