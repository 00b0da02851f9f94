"""The commands that the README and the documentation name, run at a shell or found where they are.

The cells are run by tests/notebook/test_readme.py, and the page for authors of backends by
tests/docs/test_docs.py.
"""

import os
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import cloudpickle
import pytest

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "SECURITY.md", *sorted((ROOT / "notebooks").rglob("*.md"))]
# What each target that is named runs, as is tested elsewhere: by tests/test_demo.py, tests/browser,
# tests/docs/test_docs.py, tests/benchmarks, and this run itself.
TARGETS = {
    "audit": "-m pip_audit",
    "bench": "-m tests.benchmarks",
    "check": "-m ruff check",
    "demo": "notebooks/demo.py",
    "docs": "-m sphinx",
    "lab": "-m jupyterlab",
    "lock": "uv pip compile",
    "test": "-m pytest",
    "test-cluster": "-m pytest -m cluster",
    "test-collaboration": "-m collaboration",
    "test-newest": "--upgrade-strategy eager",
    "test-oldest": "-m pytest",
    "test-slow": "-m pytest -m slow",
}
TRAIN = """
import json, sys
print("--- RESULTS ---")
print(json.dumps({"loss": float(sys.argv[sys.argv.index("--lr") + 1])}))
"""
EXPERIMENTS = {
    "add": "digits grid lr='[0.5]'",
    "list": "",
    "push": "digits -p lr=0.25",
    "run": "digits python train.py %h",
    "show": "digits",
    "export": "digits",
    "rm": "digits -f",
}


def commands() -> set[str]:
    """Every line for a shell: of its own, in a block, or among words."""
    found: set[str] = set()
    for path in PAGES:
        text = path.read_text("utf-8")
        for block in re.findall(r"^```(?:sh|bash|console)\n(.*?)^```", text, re.DOTALL | re.M):
            found |= set(block.splitlines())
        text = re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.M)
        found |= {line.strip() for line in re.findall(r"^ {4}\S.*$", text, re.M)}
        found |= set(re.findall(r"`((?:make|pip|caikit-nb) [^`]*)`", text))
    lines = {re.split(r"\s+# ", line)[0] for line in found}
    return {line for line in lines if line and not line.startswith("%")} - {"pip install"}


def of(program: str) -> list[str]:
    """The commands of one program, without its name."""
    return sorted(c.partition(" ")[2] for c in commands() if c.partition(" ")[0] == program)


def test_every_command_is_of_a_kind_that_is_tested_here() -> None:
    assert {command.partition(" ")[0] for command in commands()} == {"make", "pip", "caikit-nb"}


def test_the_extras_that_are_named_can_be_installed() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    asked = of("pip")
    assert len(asked) >= 5
    for arguments in asked:
        install, what, *others = shlex.split(arguments)
        name, extras = re.fullmatch(r"(\.|caikit_nb)\[([\w,]+)\]", what).groups()
        assert (install, name in (".", project["name"])) == ("install", True)
        assert set(extras.split(",")) <= set(project["optional-dependencies"])
        known = project["optional-dependencies"]["test"]
        assert all(any(each.startswith(other) for each in known) for other in others)


def test_the_targets_that_are_named_are_listed_and_run_what_is_tested() -> None:
    named = {command.partition(" PYTHON=")[0] for command in of("make")}
    assert named == set(TARGETS)
    listed = make("help")
    for target, program in TARGETS.items():
        assert re.search(rf"^  make {target} ", listed, re.MULTILINE)
        assert program in make("-n", target)


def make(*arguments: str) -> str:
    done = subprocess.run(
        ["make", *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


Shell = Callable[..., subprocess.Popen]


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    """Start a command line where ``caikit-nb`` and ``python`` are those of this run."""
    programs = tmp_path / "bin"
    programs.mkdir()
    starts = {"python": "", "caikit-nb": "-c 'from caikit_nb.program import main; main()'"}
    for name, arguments in starts.items():
        program = programs / name
        program.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} {arguments} "$@"\n')
        program.chmod(0o755)
    environment = {
        **os.environ,
        "CAIKIT_NB_EXPERIMENTS": f"sqlite:///{tmp_path}/experiments.sqlite",
        "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "PYTHONUNBUFFERED": "1",
    }

    def start(command: str) -> subprocess.Popen:
        pipe = subprocess.PIPE
        return subprocess.Popen(
            f"exec {command}",
            shell=True,
            cwd=tmp_path,
            env=environment,
            stdout=pipe,
            stderr=pipe,
            text=True,
        )

    return start


def output(started: subprocess.Popen) -> str:
    out, err = started.communicate(timeout=180)
    assert started.returncode == 0, err
    return out


def test_experiments_are_run_at_a_shell(shell: Shell, tmp_path: Path) -> None:
    (synopsis,) = (each for each in of("caikit-nb") if "|" in each)
    assert set(synopsis.partition(" ")[2].split("|")) == set(EXPERIMENTS)
    (run,) = (each for each in of("caikit-nb") if each.startswith("experiments run "))
    assert run.replace("EXPERIMENT", "digits") == f"experiments run {EXPERIMENTS['run']}"
    (tmp_path / "train.py").write_text(TRAIN)
    told = {
        name: output(shell(f"caikit-nb experiments {name} {arguments}"))
        for name, arguments in EXPERIMENTS.items()
    }
    assert "digits" in told["list"]
    assert '"loss": 0.25' in told["export"]
    assert '"loss": 0.5' in told["export"]
    assert output(shell("caikit-nb experiments list")).strip() == "none"


def test_the_service_of_experiments_has_a_token_and_listens_on_this_machine(shell: Shell) -> None:
    assert {"experiments serve", "experiments add-token EMAIL"} <= set(of("caikit-nb"))
    assert len(output(shell("caikit-nb experiments add-token me@example.org")).strip()) > 40
    serving = shell("caikit-nb experiments serve --port 0")
    try:
        assert "served at http://127.0.0.1:" in serving.stderr.readline()
    finally:
        serving.terminate()
        serving.communicate(timeout=180)


def test_models_are_served_from_a_folder(shell: Shell, tmp_path: Path) -> None:
    (synopsis,) = (each for each in of("caikit-nb") if each.startswith("serve "))
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "m.cloudpickle").write_bytes(cloudpickle.dumps(lambda x: 2 * x))
    given = re.sub(r"[\[\]]", "", synopsis).replace("NAME=PATH", "twice=m.cloudpickle")
    serving = shell(f"caikit-nb {given.replace('DIR', 'models')} --port 0")
    try:
        line = serving.stdout.readline()
        assert line.startswith("serving twice at 127.0.0.1:"), serving.stderr.read()
    finally:
        serving.terminate()
        out, err = serving.communicate(timeout=180)
    assert (serving.returncode, out, err) == (0, "stopping\n", "")
