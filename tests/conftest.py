"""What every test may ask for."""

import importlib
import io
import json
import os
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from jobs.catalogue import module_name
from jobs.command import ENVIRONMENT
from jobs.launch import execute

os.environ["RAY_ENABLE_AUTO_CONNECT"] = "0"  # no test starts a Ray by accident, and none leaves it to the next

SHARED_DATA = Path(__file__).parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real test images beside the checkout; tests that ask for it skip where it is missing."""
    if not SHARED_DATA.is_dir():
        pytest.skip(f"no test data at {SHARED_DATA}")
    return SHARED_DATA


@dataclass(frozen=True)
class Told:
    """What a command told the world."""

    code: int
    out: str
    err: str

    @property
    def last(self) -> str:
        """The last line of stdout."""
        return self.out.splitlines()[-1] if self.out else ""

    @property
    def json(self) -> Any:
        """The one object on stdout."""
        return json.loads(self.out)


@pytest.fixture(scope="session")
def revsearch() -> Callable[..., Told]:
    """Run a command in this process, as its command line would: `revsearch("ls", "--json", REVSEARCH_STORE="…")`.

    Ray stays connected between commands: it is started once a session.
    """

    def run(name: str, *arguments: object, **environment: str) -> Told:
        command = importlib.import_module(module_name(name)).COMMAND
        out, err = io.StringIO(), io.StringIO()
        with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
            for variable in ENVIRONMENT.values():
                patch.delenv(variable, raising=False)
            for variable, value in environment.items():
                patch.setenv(variable, value)
            code = execute(command, list(map(str, arguments)))
        return Told(code, out.getvalue(), err.getvalue())

    return run
