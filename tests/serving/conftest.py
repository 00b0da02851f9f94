"""Fixtures for tests of serving.

A process that has loaded grpc can't fork, which other tests do in this one: so grpc is imported
by fixtures only, and tests/conftest.py has the tests of this folder come last.
"""

import fcntl
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import cloudpickle
import pytest

from caikit_nb.serving.limits import ServerLimits
from caikit_nb.serving.model_server import ModelServer
from caikit_nb.serving.settings import ServerSettings
from tests.environments import make_environment, run_or_skip

START_S = 180


def double(x):
    return x * 2


class Held:
    """A model whose reading says that it has begun, and waits at a pipe."""

    def __init__(self, gate: Path, begun: Path) -> None:
        self.gate, self.begun = str(gate), str(begun)

    def __reduce__(self):
        code = (
            "(lambda os: (open({begun!r}, 'w').write(str(os.getpid())), open({gate!r}).read(), "
            "lambda x: x)[2])(__import__('os'))"
        )
        return eval, (code.format(begun=self.begun, gate=self.gate),)


@pytest.fixture(scope="session")
def estimators() -> dict[str, Any]:
    """Fitted models of scikit-learn."""
    import numpy as np
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    rng = np.random.default_rng(0)
    rows = rng.normal(size=(200, 3))
    labels = (rows @ [1.0, -2.0, 0.5] > 0).astype(int)
    return {
        "churn": make_pipeline(StandardScaler(), LogisticRegression()).fit(rows, labels),
        "words": LogisticRegression().fit(rows, np.where(labels, "yes", "no")),
    }


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory, estimators: dict[str, Any]) -> Path:
    """A folder with a model of each format."""
    import joblib
    import skops.io

    folder = tmp_path_factory.mktemp("models")
    joblib.dump(estimators["churn"], folder / "churn.joblib")
    joblib.dump(estimators["words"], folder / "words.joblib")
    skops.io.dump(estimators["churn"], folder / "churn.skops")
    (folder / "double.cloudpickle").write_bytes(cloudpickle.dumps(lambda x: x * 2))
    (folder / "corrupt.joblib").write_bytes(b"\x80\x05 nothing of the kind")
    write_onnx(folder / "scale.onnx")
    (folder / "folder").mkdir()
    skops.io.dump(estimators["words"], folder / "folder" / "words.skops")
    return folder


def write_onnx(path: Path) -> None:
    """A model that multiplies FP32 by three."""
    from onnx import TensorProto, helper, save

    graph = helper.make_graph(
        [helper.make_node("Mul", ["x", "three"], ["y"])],
        "scale",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, 2])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [None, 2])],
        [helper.make_tensor("three", TensorProto.FLOAT, [1], [3.0])],
    )
    opset = [helper.make_opsetid("", 17)]
    save(helper.make_model(graph, opset_imports=opset, ir_version=8), path)


@pytest.fixture
def held(root: Path, tmp_path: Path) -> Callable[[str], tuple[Any, Any]]:
    """Write a model whose load waits; returns its gate and the pipe that tells the pid."""
    from tests.fifo import Fifo

    def make(name: str) -> tuple[Fifo, Fifo]:
        gate, begun = Fifo(tmp_path / f"{name}.gate"), Fifo(tmp_path / f"{name}.begun")
        model = Held(Path(gate.path), Path(begun.path))
        (root / f"{name}.cloudpickle").write_bytes(cloudpickle.dumps(model))
        return gate, begun

    return make


@pytest.fixture
def start_server(root: Path) -> Iterator[Callable[..., ModelServer]]:
    """Start a server on the folder of models; it is stopped after the test."""
    with ExitStack() as servers:

        def start(objects: dict[str, Any] | None = None, **settings: Any) -> ModelServer:
            chosen = {"root": root, "trusted": (root,), **settings}
            server = ModelServer("test", ServerSettings(**chosen), objects or {}, "0")
            servers.enter_context(server)
            assert server.wait_until_ready(START_S)
            return server

        yield start


@pytest.fixture(scope="module")
def server(root: Path) -> Iterator[ModelServer]:
    """One server for a module's tests."""
    limits = ServerLimits(capacity_bytes=2**30, max_concurrency=2)
    settings = ServerSettings(root=root, trusted=(root,), limits=limits)
    with ModelServer("module", settings, {"double": double}, "0") as running:
        assert running.wait_until_ready(START_S)
        yield running


@pytest.fixture
def connect() -> Iterator[Callable[..., Any]]:
    """Make clients of servers, closed after the test."""
    from tests.serving.client import Client

    with ExitStack() as clients:
        yield lambda server, **more: clients.enter_context(Client(server.target, **more))


@pytest.fixture
def client(server: ModelServer, connect: Callable[..., Any]) -> Iterator[Any]:
    """A client of the module's server; what it has loaded is unloaded after the test."""
    made = connect(server)
    yield made
    for model_id in list(made.loaded):
        made.unload(model_id)


@pytest.fixture(scope="session")
def caikit_python(pytestconfig: pytest.Config) -> str:
    """An interpreter with the real caikit, its generated modules made, and our dependencies.

    It is kept in pytest's cache: caikit needs an older protobuf than ours.
    """
    home = pytestconfig.cache.mkdir("caikit")  # type: ignore[union-attr]
    python, done = home / "bin" / "python", home / "is-complete"
    with home.with_suffix(".lock").open("w") as lock:  # tests may run in several processes
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not done.exists():
            make_environment(home, "caikit-grpc")
            run_or_skip(python, *_protoc(home), why="caikit's modules can't be made")
            done.touch()
    return str(python)


def _protoc(home: Path) -> tuple[str, ...]:
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    here = home / "lib" / version / "site-packages" / "caikit" / "runtime" / "protobufs"
    outputs = (f"--python_out={here}", f"--grpc_python_out={here}")
    return ("grpc_tools.protoc", f"-I{here / 'protos'}", *outputs, "model-runtime.proto")


@pytest.fixture
def run_caikit(caikit_python: str, pytestconfig: pytest.Config) -> Callable[..., str]:
    """Run some code beside the real caikit; returns what it printed."""

    def run(code: str, *arguments: str) -> str:
        environment = {**os.environ, "PYTHONPATH": str(pytestconfig.rootpath)}
        done = subprocess.run(
            [caikit_python, "-W", "ignore", "-c", code, *arguments],
            capture_output=True,
            text=True,
            env=environment,
            timeout=180,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run
