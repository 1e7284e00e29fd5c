"""flag > environment > --config > profile > default, and everything wrong at once."""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from jobs.command import Command, Job, Outcome
from jobs.profiles import PROFILES
from jobs.settings import read_settings
from revsearch.errors import InvalidSpec
from revsearch.specs import option


@dataclass(frozen=True)
class Spec:
    """Build."""

    index: str = option(help="index id or ref")
    M: int = option(16, help="links", at_least=2)
    ef_construction: int = option(200, help="width", at_least=2)

    def conflicts(self) -> Iterator[str]:
        if self.ef_construction < self.M:
            yield "ef-construction below M"


def run(spec: Spec, job: Job) -> Outcome:
    return Outcome()


COMMAND = Command(spec=Spec, run=run)


def settings(*arguments: str, **environment: str):
    return read_settings(COMMAND, arguments, environment)


def problems(*arguments: str, **environment: str) -> list[str]:
    with pytest.raises(InvalidSpec) as caught:
        settings(*arguments, **environment)
    return list(caught.value.problems)


@pytest.fixture
def config(tmp_path):
    def write(text: str) -> str:
        path = tmp_path / "c.toml"
        path.write_text(text)
        return str(path)

    return write


def test_store_by_flag_environment_config_and_default(config):
    file = config('index = "i"\nstore = "from-config"')
    assert settings("--index", "i").options.store == "./store"
    assert settings("--config", file).options.store == "from-config"
    assert settings("--config", file, REVSEARCH_STORE="from-env").options.store == "from-env"
    assert settings("--config", file, "--store", "from-flag", REVSEARCH_STORE="from-env").options.store == "from-flag"


def test_an_empty_environment_variable_is_none_at_all():
    assert settings("--index", "i", REVSEARCH_STORE="").options.store == "./store"


def test_resources_by_flag_config_and_profile(config):
    file = config('index = "i"\nbatch_size = 7\nprofile = "cluster"')
    assert settings("--index", "i").resources == PROFILES["laptop"]
    assert settings("--index", "i", "--profile", "cluster").resources == PROFILES["cluster"]
    assert settings("--index", "i", REVSEARCH_PROFILE="cluster").resources == PROFILES["cluster"]
    from_file = settings("--config", file).resources
    assert (from_file.batch_size, from_file.image_timeout_s) == (7, PROFILES["cluster"].image_timeout_s)
    assert settings("--config", file, "--batch-size", "9").resources.batch_size == 9


def test_an_option_of_the_spec_that_resources_have_too_is_the_specs_alone():
    @dataclass(frozen=True)
    class Batches:
        """Learn."""

        batch_size: int = option(60, help="images a step", at_least=50)

    command = Command(spec=Batches, run=run)
    for arguments, size in ([], 60), (["--batch-size", "90"], 90), (["--profile", "cluster"], 60):
        found = read_settings(command, arguments, {})
        assert found.spec.batch_size == size
        assert found.resources.batch_size == PROFILES[found.options.profile].batch_size
    with pytest.raises(InvalidSpec) as caught:
        read_settings(command, ["--batch-size", "0"], {})
    assert caught.value.problems == ("--batch-size: expected at least 50, found 0",)


def test_a_required_value_may_come_from_the_config_file(config):
    assert settings("--config", config('index = "i"')).spec.index == "i"


def test_an_empty_list_does_not_stand_for_a_required_one(config):
    @dataclass(frozen=True)
    class Many:
        """Take many."""

        ids: tuple[str, ...] = option(help="ids")

    with pytest.raises(InvalidSpec, match="--ids: required"):
        read_settings(Command(spec=Many, run=run), ["--config", config("ids = []")], {})


def test_everything_wrong_is_told_at_once(config):
    file = config("Mm = 1\n[no-such-command]\n")
    found = problems(
        *(
            "--ef-constuction",
            "4",
            "--M",
            "1",
            "--batch-size",
            "many",
            "--profile",
            "laptob",
            "--json=1",
            "--config",
            file,
        ),
        REVSEARCH_PROFILE="x",
    )
    assert found[0] == "unknown option --ef-constuction; did you mean --ef-construction?"
    assert found[1] == "--json: expected no value, found '--json=1'"
    assert set(found[2:]) == {
        "--batch-size: expected a whole number, found 'many'",
        "--profile: expected one of laptop, cluster, found 'laptob'; did you mean laptop?",
        "environment: --profile: expected one of laptop, cluster, found 'x'",
        f"--config {file}: unknown command [no-such-command]",
        f"--config {file}: unknown key Mm; did you mean M?",
        "--index: required: index id or ref",
        "--M: expected at least 2, found 1",
    }


def test_conflicts_are_told_of_sound_values():
    assert problems("--index", "i", "--M", "16", "--ef-construction", "8") == ["ef-construction below M"]


@pytest.mark.parametrize(("rate", "problem"), [("-1", "at least 0"), ("1.5", "at most 1"), ("nan", "a number")])
def test_shared_options_have_bounds_too(rate, problem):
    (found,) = problems("--index", "i", "--max-reject-rate", rate)
    assert found.startswith(f"--max-reject-rate: expected {problem}")


def test_what_a_spec_itself_refuses_is_told_too():
    @dataclass(frozen=True)
    class Strict:
        """Refuse."""

        seed: int = option(0, help="seed")

        def __post_init__(self) -> None:
            raise InvalidSpec("no seed will do")

    with pytest.raises(InvalidSpec, match="no seed will do"):
        read_settings(Command(spec=Strict, run=run), [], {})
