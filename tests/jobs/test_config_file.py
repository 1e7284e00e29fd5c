from dataclasses import dataclass

import pytest

from jobs.command import Command, Job, Outcome
from jobs.config_file import read_config
from jobs.flag import flags_of
from revsearch.specs import option


@dataclass(frozen=True)
class Spec:
    """Build."""

    M: int = option(16, help="links")
    ef_construction: int = option(200, help="width")


def run(spec: Spec, job: Job) -> Outcome:
    return Outcome()


@pytest.fixture
def read(tmp_path):
    def read(text: str | bytes):
        path = tmp_path / "revsearch.toml"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return read_config(path, "build-index", ["build-index", "embed"], flags_of(Command(spec=Spec, run=run)))

    return read


def test_the_own_table_goes_before_the_top_and_other_tables_are_left_alone(read):
    given = read('store = "s"\nM = 4\n[build-index]\nM = 8\nef-construction = 9\n[embed]\nencoder = "e"\n')
    assert given.values == {"store": "s", "M": 8, "ef_construction": 9}
    assert given.problems == []


@pytest.mark.parametrize("table", ["build-index", "build_index"])
@pytest.mark.parametrize("key", ["ef-construction", "ef_construction"])
def test_both_spellings_do(read, table, key):
    assert read(f"[{table}]\n{key} = 9\n").values == {"ef_construction": 9}


def test_all_mistakes_are_told(read, tmp_path):
    where = f"--config {tmp_path / 'revsearch.toml'}"
    assert read('ef_constuction = 9\nM = "x"\nconfig = "y"\n[embd]\n').problems == [
        f"{where}: unknown command [embd]; did you mean embed?",
        f"{where}: unknown key ef_constuction; did you mean ef_construction?",
        "--M: expected a whole number, found 'x'",
        f"{where}: unknown key config",
    ]


@pytest.mark.parametrize("text", ["M = ", b"\xff\xfe", "[a\n"])
def test_a_file_that_is_no_toml(read, text):
    (problem,) = read(text).problems
    assert "expected a TOML file" in problem


def test_a_missing_file(tmp_path):
    (problem,) = read_config(tmp_path / "none.toml", "embed", [], []).problems
    assert "none.toml" in problem
