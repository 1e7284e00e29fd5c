"""Which commands there are: the modules of this folder that define COMMAND, found without importing them."""

import ast
from collections.abc import Mapping
from functools import cache
from pathlib import Path

FOLDER = Path(__file__).parent


@cache
def commands() -> dict[str, str]:
    """Return the first docstring line of every command, by its name as typed."""
    found = {}
    for path in sorted(FOLDER.glob("*.py")):
        module = ast.parse(path.read_bytes(), str(path))
        if any(_defines_command(statement) for statement in module.body):
            first_line = (ast.get_docstring(module) or "").partition("\n")[0]
            found[path.stem.replace("_", "-")] = first_line
    return found


def command_names() -> list[str]:
    """Return the names of all commands, sorted."""
    return list(commands())


def listing(told: Mapping[str, str]) -> list[str]:
    """Return a line of help a name: the name, and what is told of it."""
    width = max(map(len, told), default=0)
    return [f"  {name:{width}}  {text}" for name, text in told.items()]


def module_name(command: str) -> str:
    """Return the module that holds a command."""
    return f"jobs.{command.replace('-', '_')}"


def _defines_command(statement: ast.stmt) -> bool:
    targets = statement.targets if isinstance(statement, ast.Assign) else []
    return any(isinstance(target, ast.Name) and target.id == "COMMAND" for target in targets)
