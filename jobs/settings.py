"""Where each value comes from: flag > environment > --config > profile > declared default; then all checks at once."""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jobs.catalogue import command_names
from jobs.command import ENVIRONMENT, Command, Options
from jobs.command_line import read_command_line
from jobs.config_file import read_config
from jobs.flag import Flag, Given, Invalid, flags_of
from jobs.places import in_submitted_job, relative_places
from jobs.profiles import profile
from revsearch.errors import InvalidSpec
from revsearch.specs import Resources, problems


@dataclass(frozen=True)
class Settings:
    """All that a command needs to know before it starts.

    Attributes:
        given: the values that somebody gave, by field name, wherever they came from.
    """

    spec: Any
    options: Options
    resources: Resources
    given: Mapping[str, Any]


def read_settings(command: Command, arguments: Sequence[str], environment: Mapping[str, str]) -> Settings:
    """Read command line, environment and config file into a sound spec, options and resources.

    Raises:
        InvalidSpec: with every mistake found, one a line.
    """
    flags = flags_of(command)
    sources = [read_command_line(command, arguments), _from_environment(flags, environment)]
    config = _first("config", sources)
    if isinstance(config, str):
        sources.append(read_config(Path(config), command, command_names(), flags))
    values = {flag.name: value for flag in flags if (value := _first(flag.name, sources)) is not None}
    found = [problem for source in sources for problem in source.problems]
    missing = [flag for flag in flags if flag.required and not values.get(flag.name)]
    found += [f"{flag.spelling}: required: {flag.help}" for flag in missing]
    if in_submitted_job(environment):
        found += relative_places(flags, values)
    given = {
        owner: {flag.name: values[flag.name] for flag in flags if flag.owner is owner and flag.name in values}
        for owner in (command.spec, Options, Resources)
    }
    given[Resources] = _of_profile(values.get("profile")) | given[Resources]
    settings = [_checked(owner, own, found) for owner, own in given.items()]
    if found:
        raise InvalidSpec(*found)
    spec, options, resources = settings
    return Settings(spec, options, resources, values)


def _from_environment(flags: Sequence[Flag], environment: Mapping[str, str]) -> Given:
    given = Given()
    for flag in flags:
        if text := environment.get(ENVIRONMENT.get(flag.name, "")):
            given.add(flag.name, flag.from_texts([text]))
    given.problems[:] = [f"environment: {problem}" for problem in given.problems]
    return given


def _of_profile(name: object) -> dict[str, Any]:
    return dataclasses.asdict(profile(name if isinstance(name, str) else Options.profile))


def _first(name: str, sources: Sequence[Given]) -> Any:
    return next((source.values[name] for source in sources if name in source.values), None)


def _checked(owner: type[Any], values: Mapping[str, Any], found: list[str]) -> Any:
    """Build an owner of its values, or None; bounds are checked even where other values are missing or wrong."""
    own = {field.name: field for field in dataclasses.fields(owner)}
    good = {name: value for name, value in values.items() if name in own and not isinstance(value, Invalid)}
    wanted = {name for name, field in own.items() if field.default is dataclasses.MISSING or name in values}
    if good.keys() >= wanted:
        try:
            built = owner(**good)
        except InvalidSpec as error:
            found += error.problems
            return None
        found += problems(built)
        return built
    # Conflicts between values can only be told of a whole spec; the bounds of each value can be told now.
    fields = [(name, Any, dataclasses.field(metadata=own[name].metadata)) for name in good]
    found += problems(dataclasses.make_dataclass(owner.__name__, fields)(**good))
    return None
