"""Run a command: spec dataclass -> command line -> run -> exit code. The only place that prints and exits."""

import dataclasses
import importlib
import json
import os
import sys
import time
from collections.abc import Iterable, Sequence
from contextlib import redirect_stdout, suppress
from dataclasses import dataclass
from importlib import metadata
from typing import Any, NoReturn

from jobs.catalogue import commands, listing, module_name
from jobs.command import Command, Job, Outcome
from jobs.console import logs_to
from jobs.failure import ending_of, sigterm_raises, traceback_lines
from jobs.preset import asks_for_presets, choose_preset, presets_overview
from jobs.printable import printable
from jobs.report import Ending, artifact_id, as_json, plan_lines, result_line, summary, verdict
from jobs.settings import Settings, read_settings
from revsearch.errors import InvalidSpec
from revsearch.specs import Plan, did_you_mean

__all__ = ["Command", "Job", "Outcome", "Plan", "execute", "launch", "main"]


def main() -> NoReturn:
    """Run `revsearch <command> …`: only the module of that command is imported."""
    name, *arguments = sys.argv[1:] or ["--help"]
    if name in ("-h", "--help"):
        _to_stdout(_overview())
        sys.exit(0)
    if name == "--version":
        _to_stdout([f"revsearch {metadata.version('revsearch')}"])
        sys.exit(0)
    if name not in commands():
        problem = f"expected a command, found {name!r}{did_you_mean(name, commands())}; see `revsearch --help`"
        sys.exit(_Run(name, as_json="--json" in arguments).tell(ending_of(InvalidSpec(problem))))
    launch(importlib.import_module(module_name(name)).COMMAND, arguments)


def launch(command: Command, arguments: Sequence[str] | None = None) -> NoReturn:
    """Run a command on the arguments of this process, or on those given, and leave with its exit code."""
    code = execute(command, sys.argv[1:] if arguments is None else arguments)
    if cluster := sys.modules.get("revsearch.stages.cluster"):  # else nothing has connected to Ray
        with suppress(KeyboardInterrupt, Exception):  # how it ended has been told; Ray itself tries again
            cluster.leave()
    sys.exit(code)


def execute(command: Command, arguments: Sequence[str]) -> int:
    """Run a command and tell its end on stdout and stderr.

    Returns:
        The exit code. Only `--help` leaves by itself, with SystemExit(0).
    """
    if asks_for_presets(command, arguments):
        _to_stdout(presets_overview(command))
        sys.exit(0)
    run = _Run(command.name, "--json" in arguments, "--debug" in arguments, stores=command.stores)
    try:
        command, arguments = choose_preset(command, arguments)
        settings = read_settings(command, arguments, os.environ)
    except Exception as error:  # noqa: BLE001  # whatever it was, it becomes an exit code and a message
        return run.tell(run.failed(error))
    run.as_json, run.debug, run.settings = settings.options.json, settings.options.debug, settings
    try:
        with sigterm_raises(), logs_to(sys.stderr, debug=run.debug), redirect_stdout(sys.stderr):
            ending = run.work(command, settings)
    except BaseException as error:  # noqa: BLE001  # signals too become an exit code and a message
        ending = run.failed(error)
    return run.tell(ending)


@dataclass
class _Run:
    """One run of a command, and what there is to tell of it."""

    name: str
    as_json: bool = False
    debug: bool = False
    stores: bool = True
    settings: Settings | None = None
    outcome: Outcome = dataclasses.field(default_factory=Outcome)
    plan: Plan | None = None
    began: float = dataclasses.field(default_factory=time.time)

    def work(self, command: Command, settings: Settings) -> Ending:
        """Plan or run the command, hold the result against the limits, and move the ref."""
        job = Job(settings.options, settings.resources)
        if job.options.dry_run:
            self.plan = _planned(command, settings.spec, job)
            return Ending()
        self.outcome = command.run(settings.spec, job)
        if self.outcome.failure is not None:
            raise self.outcome.failure
        if self.outcome.ending is not None:
            return self.outcome.ending
        ending = verdict(self.outcome, job.options.max_reject_rate)
        if job.options.name is not None:
            ending = _named(job, job.options.name, self.outcome, ending)
        return ending

    def failed(self, error: BaseException) -> Ending:
        """Return how an error ends the run; its traceback is shown where `--debug` asks for it."""
        if self.debug:
            _to_stderr(traceback_lines(error))
        return dataclasses.replace(ending_of(error), artifact=artifact_id(self.outcome) or "")

    def tell(self, ending: Ending) -> int:
        """Print what was made and what went wrong; return the exit code."""
        _to_stderr(summary(self.outcome))
        _to_stderr(f"revsearch: {problem}" for problem in ending.problems)
        _to_stdout(self._data(ending))
        if ending.code:
            _to_stderr([ending.last_line])
        return ending.code

    def _data(self, ending: Ending) -> Iterable[str]:
        if self.as_json:  # written in ASCII by json itself
            return [json.dumps(as_json(self.name, self.outcome, ending, self._circumstances(), self.plan))]
        plan = [] if self.plan is None else plan_lines(self.plan)
        result = result_line(self.outcome)
        return map(printable, [*plan, *self.outcome.lines, *([] if result is None else [result])])

    def _circumstances(self) -> dict[str, Any]:
        settings = self.settings if self.stores else None
        where = {} if settings is None else {"store": printable(settings.options.store)}
        started = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(self.began))
        return {**where, "started": started, "seconds": round(time.time() - self.began, 3)}


def _planned(command: Command, spec: Any, job: Job) -> Plan:
    if command.plan is None:
        raise InvalidSpec(f"--dry-run: {command.name} cannot say beforehand what it would do; run it without")
    return command.plan(spec, job)


def _named(job: Job, name: str, outcome: Outcome, ending: Ending) -> Ending:
    """Let the ref point to the artifact, unless the verdict is against it."""
    if outcome.artifact is None:
        raise InvalidSpec(f"--name {name}: this run made no artifact that a ref could point to")
    if ending.code:
        return dataclasses.replace(ending, problems=(*ending.problems, f"--name {name}: the ref was not moved"))
    from revsearch.storage.refs import move_ref  # here: a usage error need not wait for the storage layer

    move_ref(job.store, name, str(outcome.artifact))
    return ending


def _overview() -> list[str]:
    usage = ["usage: revsearch COMMAND ...", "", f"{metadata.metadata('revsearch')['Summary']}.", "", "commands:"]
    return [
        *usage,
        *listing(commands()),
        "",
        "`revsearch COMMAND --help` shows the options of a command; --version the version.",
    ]


def _to_stderr(lines: Iterable[str]) -> None:
    for line in lines:
        print(printable(line), file=sys.stderr, flush=True)


def _to_stdout(lines: Iterable[str]) -> None:
    try:
        for line in lines:
            print(line)
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader (`| head`) has seen enough. Nothing may be flushed into the closed pipe when Python ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
