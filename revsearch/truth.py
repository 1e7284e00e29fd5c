"""Truth files: which gallery images are right for a query, as a person or a protocol wrote it down."""

import csv
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

from revsearch.errors import InvalidSpec
from revsearch.specs import did_you_mean

FIELDS = ("query", "relevant", "hard", "junk")


@dataclass(frozen=True, slots=True)
class Truth:
    """What a truth file says of one query, as image ids.

    Attributes:
        relevant: right answers.
        hard: right answers that are hard to find; they count as relevant (the Medium setting of the revisited
            Oxford and Paris sets, Radenović et al. 2018).
        junk: neither right nor wrong: taken out of the ranking.
    """

    relevant: tuple[str, ...]
    hard: tuple[str, ...] = ()
    junk: tuple[str, ...] = ()

    @property
    def positives(self) -> tuple[str, ...]:
        """All right answers, easy and hard."""
        return self.relevant + self.hard


def parse_truth(name: str, lines: Iterable[str]) -> dict[str, Truth]:
    """Read the truth file called `name`, JSONL or CSV by its suffix; `lines` keep their line ends.

    Raises:
        InvalidSpec: for another suffix, or naming the line that cannot be read.
    """
    suffix = PurePosixPath(name).suffix.lower()
    parsers: dict[str, Callable[[Iterable[str]], dict[str, Truth]]] = {
        ".jsonl": parse_truth_jsonl,
        ".csv": parse_truth_csv,
    }
    if suffix not in parsers:
        raise InvalidSpec(f"truth file {name}: expected .jsonl or .csv, found {suffix or 'no suffix'}")
    return parsers[suffix](lines)


def parse_truth_jsonl(lines: Iterable[str]) -> dict[str, Truth]:
    """Read `{"query": id, "relevant": [ids], "hard": [ids], "junk": [ids]}`, one object a line.

    `hard` and `junk` may be left out; lines of one query add up; empty lines are skipped.

    Raises:
        InvalidSpec: naming the first line that is not such an object.
    """
    return _accumulate(_read_jsonl(lines))


def parse_truth_csv(lines: Iterable[str]) -> dict[str, Truth]:
    """Read a table with columns `query` and `relevant`, one relevant id a row; other columns are ignored.

    Raises:
        InvalidSpec: where a column is missing, or naming the first line that does not fit the header.
    """
    return _accumulate(_read_csv(lines))


_Row = tuple[int, str, Truth]  # line number, query id, what the line says


def _accumulate(rows: Iterable[_Row]) -> dict[str, Truth]:
    """Add up what the lines say of each query, each id once, and refuse what contradicts itself."""
    truth: dict[str, Truth] = {}
    for line, query, said in rows:
        before = truth.get(query, Truth(()))
        both = Truth(*(_once(getattr(before, name) + getattr(said, name)) for name in FIELDS[1:]))
        if contradictions := sorted(set(both.positives) & set(both.junk)):
            raise _broken(line, f"query {query!r} has {contradictions[0]!r} both as a right answer and as junk")
        truth[query] = both
    if not truth:
        raise InvalidSpec("truth file: expected at least one query, found none")
    return truth


def _once(ids: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(ids))


def _read_jsonl(lines: Iterable[str]) -> Iterator[_Row]:
    for number, line in enumerate(_without_mark(lines), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:  # nesting without end is a RecursionError
            raise _broken(number, f"expected a JSON object, found {line.strip()[:80]!r} ({error})") from error
        yield number, *_from_object(number, row)


def _from_object(number: int, row: object) -> tuple[str, Truth]:
    if not isinstance(row, dict) or not isinstance(row.get("query"), str) or "relevant" not in row:
        raise _broken(number, f'expected {{"query": id, "relevant": [ids], …}}, found {str(row)[:80]!r}')
    for name in row:
        if name not in FIELDS and (hint := did_you_mean(name, FIELDS)):
            raise _broken(number, f"unknown field {name!r}{hint}")
    return row["query"], Truth(*(_ids(number, name, row.get(name, [])) for name in FIELDS[1:]))


def _ids(number: int, name: str, value: object) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(id, str) for id in value):
        raise _broken(number, f"expected a list of ids in {name!r}, found {str(value)[:80]!r}")
    return tuple(value)


def _read_csv(lines: Iterable[str]) -> Iterator[_Row]:
    reader = csv.DictReader(_without_mark(lines), strict=True)
    try:
        columns = list(reader.fieldnames or [])
        for name in ("query", "relevant"):
            if name not in columns:
                hint = did_you_mean(name, columns)
                raise _broken(1, f"expected a column {name!r}, found {columns}{hint}")
        for row in reader:
            if None in row or None in row.values():
                raise _broken(reader.line_num, f"expected {len(columns)} fields as in the header")
            yield reader.line_num, row["query"], Truth((row["relevant"],))
    except csv.Error as error:
        # The line after the last whole row: an open quote runs on to the end of the file.
        raise _broken(reader.line_num + 1, str(error)) from error


def _without_mark(lines: Iterable[str]) -> Iterator[str]:
    """Drop the byte order mark that some editors put first."""
    for number, line in enumerate(lines):
        yield line.removeprefix("\ufeff") if number == 0 else line


def _broken(line: int, problem: str) -> InvalidSpec:
    return InvalidSpec(f"truth file, line {line}: {problem}")
