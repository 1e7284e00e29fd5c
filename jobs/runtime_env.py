"""What a submitted job finds in its environment: settings travel with it, secrets never do."""

import os
import re
from collections.abc import Callable, Iterator, Mapping
from itertools import chain
from pathlib import Path
from typing import Any

from jobs.printable import printable
from revsearch.errors import InvalidSpec

# Where things are; who may have them is for each machine to know by itself.
_SERVER, _REGION = ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"), ("AWS_REGION", "AWS_DEFAULT_REGION")
TRAVELS = (*_SERVER, *_REGION, "AWS_NO_SIGN_REQUEST", "REVSEARCH_WEIGHTS")
_FOLDERS = frozenset({"REVSEARCH_WEIGHTS"})
_FILES = frozenset({"pip", "uv", "conda"})  # keys where Ray puts what is in a file in the place of its name
_SECRET_NAME = re.compile(
    r"SECRET|PASSWORD|PASSWD|CREDENTIAL|ACCESS_KEY|API_KEY|PRIVATE_KEY|TOKEN$|PWD$|_PASS$|_PAT$", re.IGNORECASE
)
_SSH_USER = re.compile(r"(?<=ssh://)[^:/@\s]+@")
_SEEN_BY_ALL = "the cluster shows it to all who may ask; give its machines a role or an environment of their own"
# Ray's supervisor reads it in the job's own environment. Without it a job has 3 s from SIGTERM to SIGKILL.
_STOP_WAIT, _STOP_WAIT_S = "RAY_JOB_STOP_WAIT_TIME_S", "30"


def read_runtime_env(path: str | None, environment: Mapping[str, str]) -> dict[str, Any]:
    """Return the runtime environment of `--runtime-env`, with this process's settings below those it declares.

    Raises:
        InvalidSpec: with everything that is wrong with it, or with those settings.
    """
    declared = {} if path is None else _read(path)
    if problems := [f"--runtime-env {path}: {problem}" for problem in _mistakes(declared)]:
        raise InvalidSpec(*problems)
    variables = declared.get("env_vars", {})
    declared_groups = [group for group in (_SERVER, _REGION) if any(name in variables for name in group)]
    taken = {*variables, *chain.from_iterable(declared_groups)}  # of two that say the same, the other may be stronger
    settings = {name: environment[name] for name in TRAVELS if environment.get(name) and name not in taken}
    problems = [f"--runtime-env {path}: {problem}" for problem in (*_secret_names(variables), *_secrets(declared))]
    problems += [*_secret_values(settings), *_relative_folders(settings)]
    if problems:
        raise InvalidSpec(*problems)
    return {**declared, "env_vars": {_STOP_WAIT: _STOP_WAIT_S, **settings, **variables}}


def environment_with_server() -> dict[str, str]:
    """Return this process's environment, with server and region as the files of the AWS command line say: those stay.

    Raises:
        InvalidSpec: where they cannot be used.
    """
    found = dict(os.environ)
    files = Path(found.get("AWS_CONFIG_FILE", "~/.aws/config")).expanduser()
    if not found.get("AWS_PROFILE") and not files.is_file():
        return found
    from revsearch.storage.s3.client import Endpoint  # here, because boto3 takes half a second to import

    endpoint = Endpoint.configured()
    if endpoint.url is not None and not any(map(found.get, _SERVER)):
        found["AWS_ENDPOINT_URL_S3"] = endpoint.url
    if endpoint.region is not None and not any(map(found.get, _REGION)):
        found["AWS_REGION"] = endpoint.region
    return found


def secret_words(words: Iterator[str] | list[str]) -> Iterator[str]:
    """Yield what is wrong with words that hold a secret of an address: the cluster shows them to all who ask."""
    for word in words:
        if hides_secret(word):
            yield (
                f"COMMAND: expected no secret, found one in {printable(word)!r}: the cluster shows the command to all "
                "who may ask it; give the machines of the cluster their own credentials"
            )


def hides_secret(text: str) -> bool:
    """Say whether there is a secret in an address, as `printable` would hide it; the user of git+ssh:// is none."""
    told = _SSH_USER.sub("", text)
    return "***" in printable(told) and "***" not in told


def _read(path: str) -> dict[str, Any]:
    import yaml  # here, because few ask for it

    try:
        found = yaml.safe_load(Path(path).read_text(encoding="utf-8"))  # type: ignore[no-untyped-call]  # no types here
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise InvalidSpec(f"--runtime-env {path}: expected a YAML file, found: {_reason(error)}") from error
    if not isinstance(found, dict):
        raise InvalidSpec(f"--runtime-env {path}: expected keys such as pip, and env_vars with names and values")
    return {key: value for key, value in found.items() if value is not None}  # a key alone says nothing


def _mistakes(declared: Mapping[str, Any]) -> Iterator[str]:
    """Yield what is not of its kind among the keys that are looked into here; Ray looks at the others."""
    for key, (expected, sound) in _KINDS.items():
        if key in declared and not sound(declared[key]):
            yield f"{key}: expected {expected}"


def _is_texts(found: object) -> bool:
    return isinstance(found, list) and all(isinstance(each, str) for each in found)


def _is_variables(found: object) -> bool:
    return isinstance(found, dict) and all(isinstance(each, str) for pair in found.items() for each in pair)


_KINDS: Mapping[str, tuple[str, Callable[[object], bool]]] = {
    "env_vars": ("names and values, each a text: a number in quotes", _is_variables),
    "working_dir": ("the path of a folder, or a URI", lambda found: isinstance(found, str)),
    "excludes": ("a list of patterns", _is_texts),
    "py_modules": ("a list of paths and URIs", _is_texts),
}


def _reason(error: Exception) -> str:
    """Return what is wrong with a file, without the line of it that may hold a secret."""
    return str(getattr(error, "problem", None) or error)


def _secret_names(variables: Mapping[str, str]) -> Iterator[str]:
    for name in variables:
        if _SECRET_NAME.search(name):
            yield f"env_vars: expected no secrets, found {printable(name)}: {_SEEN_BY_ALL}"


def _secrets(declared: Mapping[str, Any]) -> Iterator[str]:
    for key, value in declared.items():
        texts = list(_texts(value))
        named = chain.from_iterable(map(_lines_at, texts)) if key in _FILES else ()
        for text in filter(hides_secret, chain(texts, named)):
            yield f"{key}: expected no secret, found one in {printable(text)!r}: {_SEEN_BY_ALL}"


def _lines_at(path: str) -> list[str]:
    """Return the lines of a file, none where it is no name of one."""
    try:
        return Path(path).read_text(encoding="utf-8").splitlines() if Path(path).is_file() else []
    except (OSError, ValueError):
        return []


def _texts(value: object) -> Iterator[str]:
    """Yield every text in what YAML gives, keys too."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, (list, dict)):
        within = chain.from_iterable(value.items()) if isinstance(value, dict) else value
        for each in within:
            yield from _texts(each)


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
