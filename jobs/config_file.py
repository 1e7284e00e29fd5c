"""The `--config` file: TOML, with options for all commands at its top and for one in a table of its name."""

import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jobs.flag import Flag, Given
from revsearch.specs import did_you_mean

NOT_IN_FILE = frozenset({"config"})


def read_config(path: Path, command: str, commands: Sequence[str], flags: Sequence[Flag]) -> Given:
    """Return what the file gives `command`: its own table before the top.

    Every key must be an option of the command, every table a command; tables of other commands are left alone.
    """
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        return Given(problems=[f"--config {path}: expected a TOML file, found: {error}"])
    given = Given()
    tables = {key.replace("_", "-"): value for key, value in document.items() if isinstance(value, dict)}
    for name in tables:
        if name not in commands:
            given.problems.append(f"--config {path}: unknown command [{name}]{did_you_mean(name, commands)}")
    top = {key: value for key, value in document.items() if not isinstance(value, dict)}
    own = tables.get(command, {})
    _take(given, {**_by_field(top), **_by_field(own)}, flags, path)
    return given


def _by_field(table: Mapping[str, Any]) -> dict[str, Any]:
    return {key.replace("-", "_"): value for key, value in table.items()}


def _take(given: Given, table: Mapping[str, Any], flags: Sequence[Flag], path: Path) -> None:
    known = {flag.name: flag for flag in flags if flag.name not in NOT_IN_FILE}
    for key, value in table.items():
        if key in known:
            given.add(key, known[key].from_plain(value))
        else:
            given.problems.append(f"--config {path}: unknown key {key}{did_you_mean(key, known)}")
