"""A command as a cluster will run it: read and checked here, by the code that reads a local one, and spelled out."""

import importlib
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

from jobs.catalogue import command_names, module_name
from jobs.places import MARK_OF_A_JOB
from jobs.preset import choose_preset
from jobs.runtime_env import secret_words
from jobs.settings import read_settings
from jobs.spelling import spelled
from revsearch.errors import InvalidSpec
from revsearch.specs import did_you_mean

NOT_SENT = frozenset({"submit", "status", "stop"})  # they talk to a cluster from outside


@dataclass(frozen=True)
class RemoteCommand:
    """A sound command.

    Attributes:
        words: what follows its name: all that flags, environment and `--config` gave here.
        as_json: whether its own output was asked for as JSON.
    """

    name: str
    words: tuple[str, ...]
    as_json: bool

    @classmethod
    def of(cls, typed: Sequence[str], environment: Mapping[str, str]) -> Self:
        """Read what was typed after `--`; `--help` shows the command's own and leaves.

        Raises:
            InvalidSpec: with every mistake in it, a relative place among them.
        """
        name, *arguments = typed
        if name not in command_names() or name in NOT_SENT:
            known = sorted({*command_names()} - NOT_SENT)
            raise InvalidSpec(f"COMMAND: expected one of {', '.join(known)}, found {name!r}{did_you_mean(name, known)}")
        command, arguments_left = choose_preset(importlib.import_module(module_name(name)).COMMAND, arguments)
        settings = read_settings(command, arguments_left, {**environment, MARK_OF_A_JOB: "{}"})
        given = {key: value for key, value in settings.given.items() if key != "json"}
        words = spelled(command, {**given, "json": True})
        problems = list(secret_words(words))
        if command.computes and settings.resources.address:
            problems.append(
                f"{name} --address {settings.resources.address}: a job runs on the cluster it is sent to; "
                "leave it out, or give it to `submit`, before the `--`"
            )
        if problems:
            raise InvalidSpec(*problems)
        return cls(name, tuple(words), settings.options.json)

    @property
    def entrypoint(self) -> str:
        """The shell command that runs it: -P, for a folder `jobs` where it runs must not hide ours."""
        return shlex.join(["python", "-P", "-m", module_name(self.name), *self.words])
