"""One option of a command line: its spelling, what it takes, and how a text or a TOML value becomes its value."""

import dataclasses
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import MISSING, dataclass, field
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from jobs.command import ENVIRONMENT, Command, Options
from revsearch.specs import Place, Resources, did_you_mean


@dataclass(frozen=True)
class Invalid:
    """In place of a value that an option does not take: what was expected and found."""

    problem: str


@dataclass
class Given:
    """What one source gives: values by field name (Invalid where one is wrong), and every mistake."""

    values: dict[str, Any] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    def add(self, name: str, value: Any) -> None:
        """Take one value, and its mistake if it is one."""
        self.values[name] = value
        if isinstance(value, Invalid):
            self.problems.append(value.problem)


@dataclass(frozen=True)
class Flag:
    """One declared field, seen from the command line.

    Attributes:
        owner: the dataclass that declares it.
        kind: the type of one value: int, float, str, bool or a Literal.
        many: whether it takes several values (a tuple field).
    """

    owner: type[Any]
    declared: dataclasses.Field[Any]
    kind: Any
    many: bool

    @property
    def name(self) -> str:
        """The field's name."""
        return self.declared.name

    @property
    def positional(self) -> bool:
        """Whether it stands without a flag."""
        return bool(self.declared.metadata["positional"])

    @property
    def place(self) -> Place | None:
        """Whether it names files that every worker must see, and which outlast the job."""
        place: Place | None = self.declared.metadata["place"]
        return place

    @property
    def rest(self) -> bool:
        """Whether it takes all words from its first one on, options of another command among them."""
        return bool(self.declared.metadata["rest"])

    @property
    def spelling(self) -> str:
        """As typed: `--ef-construction`, or `SOURCES` where it is positional."""
        return self.name.upper() if self.positional else "--" + self.name.replace("_", "-")

    @property
    def spellings(self) -> tuple[str, ...]:
        """All that may be typed for it: the long one, then the short one where there is one (`-bs`)."""
        short = self.declared.metadata["short"]
        return (self.spelling, f"-{short}") if short else (self.spelling,)

    @property
    def switch(self) -> bool:
        """Whether it takes no value."""
        return self.kind is bool

    @property
    def required(self) -> bool:
        """Whether somebody must give it."""
        return self.declared.default is MISSING

    @property
    def choices(self) -> tuple[str, ...]:
        """The words it takes, or none where any will do."""
        return get_args(self.kind) if get_origin(self.kind) is Literal else ()

    @property
    def takes(self) -> str:
        """What stands for its value in the help."""
        word = "{" + ",".join(self.choices) + "}" if self.choices else self.kind.__name__.upper()
        return (self.name.upper() if self.positional else word) + (" ..." if self.many else "")

    @property
    def help(self) -> str:
        """Its help text; a declared text doubles its per cent signs."""
        return str(self.declared.metadata["help"]).replace("%%", "%")

    @property
    def hint(self) -> str:
        """What happens without it, in brackets; nothing where the help text says so itself."""
        if self.required:
            return "(required)"
        default: Any = self.declared.default
        told = default not in (None, ()) and not self.switch
        said = [f"default: {' '.join(map(str, default)) if self.many else default}"] if told else []
        if self.name in ENVIRONMENT and self.owner is Options:
            said.append(f"environment: {ENVIRONMENT[self.name]}")
        return f"({'; '.join(said)})" if said else ""

    def from_texts(self, texts: Sequence[str]) -> Any:
        """Return the value of what was typed, or Invalid."""
        return _together([self._from_text(text) for text in texts]) if self.many else self._from_text(texts[0])

    def from_plain(self, value: object) -> Any:
        """Return the value of what stands in a TOML file, or Invalid."""
        if not self.many:
            return self._from_plain(value)
        if not isinstance(value, list):
            return Invalid(f"{self.spelling}: expected a list, found {value!r}")
        return _together([self._from_plain(each) for each in value])

    def _from_text(self, text: str) -> Any:
        try:
            return _choice(text, self.choices) if self.choices else _READERS[self.kind](text)
        except ValueError:
            return self._refused(text)

    def _from_plain(self, value: object) -> Any:
        wanted = str if self.choices else self.kind
        number = wanted is float and type(value) is int
        if type(value) is not wanted and not number:  # not isinstance: to Python, not to a user, a bool is an int
            return self._refused(value)
        return value if self.switch else self._from_text(str(value))

    def _refused(self, found: object) -> Invalid:
        near = did_you_mean(str(found), self.choices)
        expected = f"one of {', '.join(self.choices)}" if self.choices else _EXPECTED[self.kind]
        return Invalid(f"{self.spelling}: expected {expected}, found {found!r}{near}")


def flags_of(command: Command) -> list[Flag]:
    """Return every option of a command: its spec's, the shared ones it takes, and `Resources` where it computes.

    Of one name the spec's goes first: the batch of `train` decides what is learned, not how fast.
    """
    own = list(_declared(command.spec))
    names = {flag.name for flag in own}
    shared = [flag for flag in _declared(Options) if flag.name not in command.hidden]
    resources = [flag for flag in _declared(Resources) if command.computes and flag.name not in names]
    return [*own, *shared, *resources]


def _declared(owner: type[Any]) -> Iterator[Flag]:
    hints = get_type_hints(owner)
    for declared in dataclasses.fields(owner):
        kind, many = _plain_type(hints[declared.name])
        yield Flag(owner, declared, kind, many)


def _plain_type(hint: Any) -> tuple[Any, bool]:
    """Return the type of one value, and whether there may be several."""
    if get_origin(hint) in (Union, UnionType):
        (hint,) = (each for each in get_args(hint) if each is not NoneType)
    if get_origin(hint) is tuple:
        return get_args(hint)[0], True
    return hint, False


def _together(values: list[Any]) -> Any:
    """Return the values of a list option, or the first that is Invalid."""
    return next((value for value in values if isinstance(value, Invalid)), tuple(values))


def _choice(text: str, choices: Sequence[str]) -> str:
    if text not in choices:
        raise ValueError(text)
    return text


def _finite(text: str) -> float:
    if not math.isfinite(number := float(text)):
        raise ValueError(text)
    return number


def _text(text: str) -> str:
    if not text:
        raise ValueError(text)
    return text


_READERS: dict[Any, Callable[[str], Any]] = {int: int, float: _finite, str: _text}
_EXPECTED = {int: "a whole number", float: "a number", str: "a text", bool: "true or false"}
