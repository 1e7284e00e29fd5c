"""The `--config` file: TOML, with options for all commands at its top and for one in a table of its name.

A preset has a table in its command's: `[train.triplet]` goes before `[train]`, and that before the top.
"""

import tomllib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from jobs.command import Command
from jobs.flag import Flag, Given
from revsearch.specs import did_you_mean

NOT_IN_FILE = frozenset({"config"})


def read_config(path: Path, command: Command, commands: Collection[str], flags: Sequence[Flag]) -> Given:
    """Return what the file gives `command`: its own table before the top.

    Every key must be an option of the command, every table a command, or one of its presets where it has any; tables
    of others are left alone.
    """
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        return Given(problems=[f"--config {path}: expected a TOML file, found: {error}"])
    top, tables = _split(document)
    own, presets = _split(tables.get(command.name, {}))
    layers = map(_by_field, (top, own, presets.get(command.preset, {})))
    given = Given()
    given.problems += _unknown("command", path, tables, commands)
    given.problems += _unknown(f"preset of {command.name}", path, presets, command.presets)
    _take(given, {key: value for layer in layers for key, value in layer.items()}, flags, path)
    return given


def _split(table: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the values of a table, and the tables in it by the names of commands or presets."""
    values = {key: value for key, value in table.items() if not isinstance(value, dict)}
    return values, {key.replace("_", "-"): value for key, value in table.items() if key not in values}


def _unknown(kind: str, path: Path, tables: Iterable[str], known: Collection[str]) -> Iterator[str]:
    for name in tables:
        if name not in known:
            yield f"--config {path}: unknown {kind} [{name}]{did_you_mean(name, known)}"


def _by_field(table: Mapping[str, Any]) -> dict[str, Any]:
    return {key.replace("-", "_"): value for key, value in table.items()}


def _take(given: Given, table: Mapping[str, Any], flags: Sequence[Flag], path: Path) -> None:
    known = {flag.name: flag for flag in flags if flag.name not in NOT_IN_FILE}
    for key, value in table.items():
        if key in known:
            given.add(key, known[key].from_plain(value))
        else:
            given.problems.append(f"--config {path}: unknown key {key}{did_you_mean(key, known)}")
