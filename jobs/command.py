"""The nouns of a job file: what a command is, what it is given and what it gives back."""

import inspect
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

from revsearch.errors import InvalidSpec, RevsearchError
from revsearch.specs import Plan, Resources, option

if TYPE_CHECKING:  # a usage error is told before the storage layer is imported
    from jobs.report import Ending
    from revsearch.storage.artifact import Artifact
    from revsearch.storage.card import Counts
    from revsearch.storage.store import Store

ProfileName = Literal["laptop", "cluster"]

ENVIRONMENT: Mapping[str, str] = {"store": "REVSEARCH_STORE", "profile": "REVSEARCH_PROFILE"}


@dataclass(frozen=True)
class Options:
    """What commands share."""

    store: str = option("./store", help="where artifacts lie: a folder, or s3://bucket/prefix", place="path")
    config: str | None = option(None, help="TOML file with options, a table a command or flat")
    json: bool = option(False, help="write one JSON object to stdout")
    debug: bool = option(False, help="more log lines, and the traceback of a failure")
    name: str | None = option(None, help="move this ref to the result")
    dry_run: bool = option(False, help="write nothing; show rows, parts, bytes and resources")
    max_reject_rate: float = option(
        0.05, help="exit with 3 where a larger share of the rows was rejected", at_least=0, at_most=1
    )
    profile: ProfileName = option("laptop", help="preset of the options below, for a GPU cluster or for this machine")

    def conflicts(self) -> Iterator[str]:
        """Yield what is wrong with `--name`: it is used when all the work is done, which is late to hear of it."""
        if self.name is None:
            return
        from revsearch.storage.refs import require_name

        try:
            require_name(self.name)
        except InvalidSpec as error:
            yield from error.problems


OF_ARTIFACTS = frozenset({"name", "max_reject_rate"})
OF_PLANS = frozenset({"dry_run"})
OF_RESOURCES = frozenset({"profile"})
OF_STORES = frozenset({"store"})


@dataclass(frozen=True)
class Job:
    """What a command is given beside its spec."""

    options: Options
    resources: Resources

    @cached_property
    def store(self) -> "Store":
        """The store of `--store`, opened when it is first asked for."""
        from revsearch.storage.opening import open_store

        return open_store(self.options.store)


@dataclass(frozen=True)
class Outcome:
    """What a command made.

    Attributes:
        artifact: the result; its id is the last line of stdout.
        path: the file or folder written, where the result is no artifact.
        lines: data for stdout, before that last line.
        related: ids of what the result was made of, by kind; members of the `--json` object.
        metrics: by name: `value`, `low`, `high`, `n`, `source`.
        paths: places worth opening, by name.
        artifacts: everything committed on the way; each is held against `--max-reject-rate`.
        failure: what the command ends with all the same, when everything else is told.
        counts: of the whole command, where the artifact's own are not those.
        told: members of the `--json` object as a job told them that ran elsewhere; they go before our own.
        ending: how that job ended.
    """

    artifact: "Artifact | None" = None
    path: Path | None = None
    lines: tuple[str, ...] = ()
    related: Mapping[str, str] = field(default_factory=dict)
    metrics: Mapping[str, dict[str, Any]] = field(default_factory=dict)
    paths: Mapping[str, str] = field(default_factory=dict)
    artifacts: "tuple[Artifact, ...]" = ()
    failure: RevsearchError | None = None
    counts: "Counts | None" = None
    told: Mapping[str, Any] = field(default_factory=dict)
    ending: "Ending | None" = None


@dataclass(frozen=True)
class Command:
    """One command: the module that holds it gives the name (`build_index.py` is `build-index`).

    Attributes:
        spec: dataclass whose fields are the command's own options; where there are presets, what all of them have.
        run: makes the outcome.
        plan: says what `run` would do, without writing; without it `--dry-run` is refused.
        commits: whether it makes artifacts, and so takes `--name`, `--max-reject-rate` and `--dry-run`.
        computes: whether it uses Ray, and so takes `--profile` and the fields of `Resources`.
        stores: whether it works on the store of `--store`, and so takes that option.
        presets: the spec of each preset by its name, any words; the first word typed chooses one.
        preset: the chosen one.
    """

    spec: type[Any]
    run: Callable[[Any, Job], Outcome]
    plan: Callable[[Any, Job], Plan] | None = None
    commits: bool = True
    computes: bool = True
    stores: bool = True
    presets: Mapping[Any, type[Any]] = field(default_factory=dict)
    preset: str = ""

    @property
    def hidden(self) -> frozenset[str]:
        """The shared options that it does not take."""
        takes = (
            (self.commits, OF_ARTIFACTS),
            (self.commits or self.plan is not None, OF_PLANS),
            (self.computes, OF_RESOURCES),
            (self.stores, OF_STORES),
        )
        return frozenset().union(*(options for taken, options in takes if not taken))

    @property
    def name(self) -> str:
        """As typed: the stem of the file that holds `run`, which is right under `python -m` too."""
        return Path(inspect.getfile(self.run)).stem.replace("_", "-")

    @property
    def title(self) -> str:
        """As typed, with its preset: `train triplet`."""
        return f"{self.name} {self.preset}".rstrip()

    @property
    def description(self) -> str:
        """What it does: the first docstring line of the module that holds `run`."""
        return first_line(sys.modules[self.run.__module__])

    def with_preset(self, preset: str) -> Self:
        """Return the command with the options of one of its presets."""
        return replace(self, spec=self.presets[preset], preset=preset)


def first_line(documented: object) -> str:
    """Return the first docstring line of a class or module, nothing where there is none."""
    return (documented.__doc__ or "").strip().partition("\n")[0]
