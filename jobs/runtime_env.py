"""What a submitted job finds in its environment: settings travel with it, secrets never do."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from jobs.printable import printable
from revsearch.errors import InvalidSpec

# Where things are; who may have them is for each machine to know by itself.
TRAVELS = ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_REGION", "AWS_DEFAULT_REGION", "REVSEARCH_WEIGHTS")
_FOLDERS = frozenset({"REVSEARCH_WEIGHTS"})
_SECRET_NAME = re.compile(r"SECRET|PASSWORD|PASSWD|CREDENTIAL|ACCESS_KEY|API_KEY|TOKEN$", re.IGNORECASE)


def read_runtime_env(path: str | None, environment: Mapping[str, str]) -> dict[str, Any]:
    """Return the runtime environment of `--runtime-env`, with this process's settings below those it declares.

    Raises:
        InvalidSpec: with everything that is wrong with it, or with those settings.
    """
    declared = {} if path is None else _read(path)
    variables = declared.get("env_vars") or {}
    settings = {name: environment[name] for name in TRAVELS if environment.get(name) and name not in variables}
    problems = [*_secret_names(variables, path), *_secret_values(settings), *_relative_folders(settings)]
    if problems:
        raise InvalidSpec(*problems)
    return {**declared, "env_vars": {**settings, **variables}}


def secret_words(words: Iterator[str] | list[str]) -> Iterator[str]:
    """Yield what is wrong with words that hold a secret of an address: the cluster shows them to all who ask."""
    for word in words:
        if hides_secret(word):
            yield (
                f"COMMAND: expected no secret, found one in {printable(word)!r}: the cluster shows the command to all "
                "who may ask it; give the machines of the cluster their own credentials"
            )


def hides_secret(text: str) -> bool:
    """Say whether there is a secret in an address, as `printable` would hide it."""
    return "***" in printable(text) and "***" not in text


def _read(path: str) -> dict[str, Any]:
    import yaml  # here, because few ask for it

    try:
        found = yaml.safe_load(Path(path).read_text(encoding="utf-8"))  # type: ignore[no-untyped-call]  # no types here
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise InvalidSpec(f"--runtime-env {path}: expected a YAML file, found: {_reason(error)}") from error
    if not isinstance(found, dict) or not isinstance(found.get("env_vars") or {}, dict):
        raise InvalidSpec(f"--runtime-env {path}: expected keys such as pip, and env_vars with names and values")
    return found


def _reason(error: Exception) -> str:
    """Return what is wrong with a file, without the line of it that may hold a secret."""
    return str(getattr(error, "problem", None) or error)


def _secret_names(variables: Mapping[str, Any], path: str | None) -> Iterator[str]:
    for name in variables:
        if _SECRET_NAME.search(str(name)):
            yield (
                f"--runtime-env {path}: env_vars: expected no secrets, found {name}: the cluster shows a job's "
                "environment to all who may ask it; give its machines a role or an environment of their own"
            )


def _secret_values(settings: Mapping[str, str]) -> Iterator[str]:
    for name, value in settings.items():
        if hides_secret(value):
            yield f"{name}: expected an address without user and password, found {printable(value)!r}"


def _relative_folders(settings: Mapping[str, str]) -> Iterator[str]:
    for name in _FOLDERS & settings.keys():
        if "://" not in settings[name] and not settings[name].startswith("/"):
            yield (
                f"{name}: expected an absolute path that all machines of the cluster see, or s3://bucket/prefix, "
                f"found {settings[name]!r}"
            )
