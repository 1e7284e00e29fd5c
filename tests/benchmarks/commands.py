"""Running what is compared, each as a process of its own, and telling what was measured."""

import subprocess
import sys


def revsearch(command: str, *arguments: object) -> str:
    """Run a command and return the last line of its stdout."""
    module = f"jobs.{command.replace('-', '_')}"
    return stdout(sys.executable, "-m", module, *map(str, arguments)).splitlines()[-1]


def stdout(*command: str, environment: dict[str, str] | None = None) -> str:
    """Run a program and return what it wrote; ends this one where it fails."""
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False, env=environment)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}: ended with {done.returncode}")
    return done.stdout


def rounded(value: object) -> object:
    """Return what was measured with two decimals."""
    if isinstance(value, dict):
        return {name: rounded(each) for name, each in value.items()}
    if isinstance(value, list):
        return [rounded(each) for each in value]
    return round(value, 2) if isinstance(value, float) else value
