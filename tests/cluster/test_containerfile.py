"""The image's recipe, read as it stands: there is no engine here that would build it."""

import re
import shlex
from dataclasses import dataclass
from fnmatch import fnmatch
from itertools import pairwise

import pytest

from tests.cluster.shipped import CLUSTER, ROOT, secrets_in, version

FILE = CLUSTER / "Containerfile"
KNOWN = {"ARG", "CMD", "COPY", "ENV", "FROM", "RUN", "USER", "WORKDIR"}


@dataclass(frozen=True)
class Instruction:
    """One line of the recipe, continued lines joined."""

    name: str
    text: str

    @property
    def words(self) -> list[str]:
        return shlex.split(self.text)


def instructions() -> list[Instruction]:
    lines = [line for line in FILE.read_text().splitlines() if not line.lstrip().startswith("#")]
    whole = "\n".join(lines).replace("\\\n", " ")
    split = [line.split(None, 1) for line in whole.splitlines() if line.strip()]
    return [Instruction(name, text) for name, text in split]


def named(name: str) -> list[Instruction]:
    return [each for each in instructions() if each.name == name]


def copied() -> list[tuple[list[str], str]]:
    """Sources and target of what comes from the repository."""
    found = [each.words for each in named("COPY") if not each.text.startswith("--from")]
    return [(sources, target) for *sources, target in found]


def stages() -> list[list[Instruction]]:
    starts = [n for n, each in enumerate(instructions()) if each.name == "FROM"]
    return [instructions()[start:end] for start, end in pairwise([*starts, None])]


def test_every_instruction_is_one() -> None:
    assert {each.name for each in instructions()} <= KNOWN
    assert instructions()[0].name == "FROM"


def test_stages_are_of_one_pinned_python_and_name_no_registry() -> None:
    bases = {each.words[0] for each in named("FROM")}
    (base,) = bases
    assert re.fullmatch(r"python:3\.1[123]-slim", base)


def test_what_is_copied_is_there_and_travels_to_the_builder() -> None:
    allowed = [line[1:] for line in (ROOT / ".dockerignore").read_text().split() if line.startswith("!")]
    sources = [source for names, _ in copied() for source in names]
    for source in sources:
        assert (ROOT / source).exists(), source
        assert source in allowed, source
    assert set(allowed) == set(sources)


def test_nothing_else_travels_to_the_builder() -> None:
    lines = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and not line.startswith("#")]
    assert lines[0] == "*"
    assert not [line for line in lines[1:] if fnmatch("store", line.lstrip("!")) and line.startswith("!")]


@pytest.mark.parametrize("package", ["jobs", "revsearch"])
def test_the_code_is_installed(package: str) -> None:
    assert ([package], package) in copied()
    assert any(each.text.endswith("--no-deps .") for each in named("RUN"))


def test_versions_are_those_of_the_lock_by_their_hashes() -> None:
    builder, _ = stages()
    assert (["cluster/requirements.lock"], ".") in copied()
    installs = [each.text for each in builder if "pip install" in each.text]
    assert len(installs) == 2
    assert "--require-hashes -r requirements.lock" in installs[0]
    assert "--no-deps" in installs[1]


def test_hnswlib_is_built_for_other_machines_than_this() -> None:
    """setuptools compiles C++ with CXXFLAGS, and not with CFLAGS."""
    (install,) = (each.text for each in named("RUN") if "requirements.lock" in each.text)
    assert "HNSWLIB_NO_NATIVE=1" in install
    assert re.search(r'CXXFLAGS="[^"]*\$HNSWLIB_MARCH"', install)
    assert "ARG HNSWLIB_MARCH=-march=x86-64-v3" in FILE.read_text()


def test_no_compiler_and_no_root_in_what_runs() -> None:
    _, final = stages()
    assert not [each for each in final if "g++" in each.text or "pip install" in each.text]
    (user,) = (each for each in final if each.name == "USER")
    after = final[final.index(user) :]
    assert user.text == "1000:1000"
    assert not [each for each in after if each.name in ("RUN", "COPY")]


def test_login_shells_find_the_programs_too() -> None:
    """KubeRay starts `bash -lc`, and Debian's profile sets PATH anew."""
    _, final = stages()
    assert [each for each in final if "/opt/venv/bin" in each.text and "/etc/profile.d/" in each.text]


def test_the_tag_it_suggests_is_that_of_our_version() -> None:
    assert f"-t revsearch:{version()} ." in FILE.read_text()


def test_no_secret_is_in_it() -> None:
    assert secrets_in(FILE.read_text()) == []
