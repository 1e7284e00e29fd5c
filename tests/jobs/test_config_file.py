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


@dataclass(frozen=True)
class WideSpec(Spec):
    """Build wide."""

    width: int = option(3, help="width")


def run(spec: Spec, job: Job) -> Outcome:
    return Outcome()


@pytest.fixture
def read(tmp_path, monkeypatch):
    def read(text: str | bytes, command: Command | None = None):
        monkeypatch.setattr(Command, "name", "build-index")
        command = command or Command(spec=Spec, run=run)
        path = tmp_path / "revsearch.toml"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return read_config(path, command, ["build-index", "embed"], flags_of(command))

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
    (problem,) = read_config(tmp_path / "none.toml", Command(spec=Spec, run=run), [], []).problems
    assert "none.toml" in problem


PRESETS = Command(spec=Spec, run=run, presets={"wide-one": WideSpec, "plain": Spec})


@pytest.mark.parametrize("preset", ["wide-one", "wide_one"])
def test_a_preset_goes_before_its_command_and_that_before_the_top(read, preset):
    text = (
        f'M = 1\nstore = "s"\nef_construction = 1\n[build-index]\nM = 2\nef-construction = 2\n[build-index.{preset}]\n'
    )
    given = read(text + "M = 3\nwidth = 9\n", PRESETS.with_preset("wide-one"))
    assert given.values == {"store": "s", "M": 3, "ef_construction": 2, "width": 9}
    assert given.problems == []


def test_tables_of_other_presets_are_left_alone(read):
    given = read("[build-index]\nM = 2\n[build-index.wide-one]\nwidth = 9\n", PRESETS.with_preset("plain"))
    assert (given.values, given.problems) == ({"M": 2}, [])


def test_an_unknown_preset(read, tmp_path):
    where = f"--config {tmp_path / 'revsearch.toml'}"
    assert read("[build-index.wide-on]\nM = 2\n", PRESETS.with_preset("plain")).problems == [
        f"{where}: unknown preset of build-index [wide-on]; did you mean wide-one?"
    ]
    assert read("[build-index.x]\nM = 2\n").problems == [f"{where}: unknown preset of build-index [x]"]
