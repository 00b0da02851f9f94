"""Model servers from a notebook, in a real kernel."""

import os
import signal
import socket

import pytest

from tests.notebook.conftest import LOAD
from tests.notebook.kernel import Kernel
from tests.waiting import is_gone_within

SETUP = """
import sys, pathlib, cloudpickle
import numpy as np

class Model:
    def predict(self, rows):
        return rows.sum(axis=1)

# This process must not load grpc.
import json, subprocess
asking = subprocess.Popen([sys.executable, '-m', 'tests.serving.asking'],
    stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

def answer_to(*question):
    print(json.dumps(question), file=asking.stdin, flush=True)
    return json.loads(asking.stdout.readline())

def ask(server, name, values):
    return answer_to("ask", server.target, name, values, server.token)

def load(server, path):
    "Have it load another model."
    return answer_to("load", server.target, str(path))
"""
SAVE = """%%caikit_job {name} --save-path {name}_model --wait
import cloudpickle, pathlib
here = pathlib.Path(caikit_nb.current_job().save_path)
here.mkdir(parents=True)
(here / "model.cloudpickle").write_bytes(cloudpickle.dumps(Model()))
"""


@pytest.fixture(scope="module")
def loaded_kernel(tmp_path_factory: pytest.TempPathFactory):
    with Kernel(tmp_path_factory.mktemp("kernel")) as kernel:
        kernel.do(f"{LOAD}\n{SETUP}")
        yield kernel


def is_open(target: str) -> bool:
    host, _, port = target.rpartition(":")
    with socket.socket() as tried:
        return tried.connect_ex((host, int(port))) == 0


def test_a_job_that_saved_its_model_is_served_in_one_line(kernel: Kernel) -> None:
    kernel.do(SAVE.format(name="saver"))
    kernel.do("server = caikit_nb.serve(saver, name='sums')")
    assert kernel.value("ask(server, 'sums', [[1, 2], [3, 4]])") == "[3.0, 7.0]"
    kernel.do("server.stop()")


def test_a_jobs_result_and_a_function_of_the_notebook_are_served(kernel: Kernel) -> None:
    kernel.do("job = caikit_nb.submit(Model)\njob.wait()")
    kernel.do("one = caikit_nb.serve(job)\ntwo = caikit_nb.serve(lambda x: x * 2, 'double')")
    assert kernel.value("ask(one, one.name, [[1, 2]])") == "[3.0]"
    assert kernel.value("ask(two, 'double', [1, 2])") == "[2.0, 4.0]"
    kernel.do("one.stop(); two.stop()")


def test_a_model_that_a_job_brought_back_is_served_if_there_is_only_one(kernel: Kernel) -> None:
    kernel.do("%%caikit_job outs -o model,number --wait\nmodel, number = Model(), 3")
    kernel.do("server = caikit_nb.serve(outs)")
    assert kernel.value("ask(server, 'outs', [[1, 2]])") == "[3.0]"
    kernel.do("server.stop()")
    kernel.do("%%caikit_job several -o one,other --wait\none, other = Model(), Model()\n3")
    assert "serve one of one, other" in kernel.run("caikit_nb.serve(several)").traceback
    kernel.do("%%caikit_job nothing --wait\n3")
    assert "has no model" in kernel.run("caikit_nb.serve(nothing)").traceback


def test_a_model_that_is_both_result_and_brought_back_is_one(kernel: Kernel) -> None:
    kernel.do("%%caikit_job both -o model --wait\nmodel = Model()\nmodel")
    kernel.do("server = caikit_nb.serve(both)")
    assert kernel.value("ask(server, 'both', [[1, 2]])") == "[3.0]"
    kernel.do("server.stop()")


def test_a_kernel_that_serves_can_still_fork(kernel: Kernel) -> None:
    kernel.do("server = caikit_nb.serve(lambda x: x, 'same')")
    kernel.do("%%caikit_job forked -m fork\n1")
    kernel.until("forked.status.is_terminal")
    assert kernel.value("[forked.result(), 'grpc' in sys.modules]") == [1, False]
    kernel.do("server.stop()")


def test_requests_are_answered_while_a_cell_computes(kernel: Kernel) -> None:
    kernel.do("server = caikit_nb.serve(lambda x: x + 1, 'busy')")
    kernel.do(
        "from concurrent.futures import ThreadPoolExecutor\n"
        "with ThreadPoolExecutor(1) as threads:\n"
        "    asked, count = threads.submit(ask, server, 'busy', [1]), 0\n"
        "    while not asked.done():\n"
        "        count += 1"
    )
    assert kernel.value("asked.result()") == "[2.0]"
    kernel.do("server.stop()")


def test_the_best_job_of_an_experiment_is_served_in_one_line(kernel: Kernel) -> None:
    kernel.do(
        "from caikit_nb.experiments import *\n"
        "def train(x):\n"
        "    import cloudpickle, pathlib\n"
        "    here = pathlib.Path(caikit_nb.current_job().save_path)\n"
        "    here.mkdir(parents=True, exist_ok=True)\n"
        "    dumped = cloudpickle.dumps(lambda values: values * x)\n"
        "    (here / 'm.cloudpickle').write_bytes(dumped)\n"
        "    return {'score': x}\n"
        "search = ExperimentDB().add_experiment(GridSearch('grid', {'x': [1, 3, 2]}))\n"
        "run = search.run(train, save_path='grid', save_with_id=True)\n"
        "run.wait()"
    )
    kernel.do("server = caikit_nb.serve(search.best('score'), 'best')")
    assert kernel.value("ask(server, 'best', [1, 10])") == "[3.0, 30.0]"
    kernel.do("server.stop()")


def test_a_path_that_nobody_trusts_is_refused_and_one_that_is_trusted_not(kernel: Kernel) -> None:
    kernel.do("pathlib.Path('own.cloudpickle').write_bytes(cloudpickle.dumps(Model()))")
    refused = kernel.run("caikit_nb.serve('own.cloudpickle')")
    assert "ModelRefusedError" in refused.traceback
    assert "trust" in refused.traceback
    kernel.do("server = caikit_nb.serve('own.cloudpickle', trusted=True)")
    assert kernel.value("[server.name, ask(server, 'own', [[1, 2]])]") == ["own", "[3.0]"]
    kernel.do("server.stop()")


@pytest.mark.parametrize("what", ["saver_1", "lambda x: x", "'saver_1_model'"])
def test_it_may_load_what_other_jobs_saved_and_what_is_trusted(kernel: Kernel, what: str) -> None:
    kernel.do("import shutil\nfor place in pathlib.Path().glob('saver_*'): shutil.rmtree(place)")
    for name in ("saver_1", "saver_2"):
        kernel.do(SAVE.format(name=name))
    kernel.do(
        "for name in ('known', 'unknown'):\n"
        "    shutil.copytree('saver_1_model', name, dirs_exist_ok=True)\n"
        f"server = caikit_nb.serve({what}, 'it', root='.', trusted='known')"
    )
    paths = ("saver_2_model", "known", "unknown")
    codes = [kernel.value(f"load(server, {path!r})") for path in paths]
    assert codes == ["OK", "OK", "FAILED_PRECONDITION"]
    kernel.do("server.stop()")


def test_a_token_is_asked_for(kernel: Kernel) -> None:
    kernel.do("server = caikit_nb.serve(lambda x: x, 'secret', token=True)")
    assert kernel.value("ask(server, 'secret', [1])") == "[1.0]"
    kernel.do("import types; open_one = types.SimpleNamespace(target=server.target, token='no')")
    assert "UNAUTHENTICATED" in kernel.value("ask(open_one, 'secret', [1])")
    assert kernel.value("server.token not in repr(server) + repr(server.settings)")
    kernel.do("server.stop()")


def test_the_magic_serves_lists_and_stops(kernel: Kernel) -> None:
    kernel.do(SAVE.format(name="magic"))
    kernel.do("%caikit_serve magic --name sums")
    target = kernel.value("caikit_nb.session.current_session().servers['sums'].target")
    assert f"server sums: serving {target}" in kernel.do("%caikit_serve").text
    kernel.do("%caikit_serve stop sums")
    assert not is_open(target)
    for line in ("absent", "stop absent", "magic --port x", "magic --port 99999", "SETUP"):
        text = kernel.run(f"%caikit_serve {line}").text
        assert text.startswith("UsageError: %caikit_serve: "), text
        assert len(text.strip().splitlines()) == 1


def test_the_card_tells_how_it_stands(kernel: Kernel) -> None:
    kernel.do("server = caikit_nb.serve(lambda x: 1 / len(x.nonzero()[0]) * x, 'shown')")
    view = shown(kernel, "shown")
    kernel.read_until(lambda: "serving" in view())
    assert kernel.value("ask(server, 'shown', [1])") == "[1.0]"
    assert "ZeroDivisionError" in kernel.value("ask(server, 'shown', [0])")
    kernel.read_until(lambda: "last error: the model failed: ZeroDivisionError" in view())
    assert "tritonclient" in view()
    kernel.do("server.stop()")
    kernel.read_until(lambda: "✓" in view() and "stopped" in view())


def test_the_list_tells_what_a_server_did_that_has_ended(kernel: Kernel) -> None:
    kernel.do("server = caikit_nb.serve(lambda x: x, 'done')")
    assert kernel.value("ask(server, 'done', [1])") == "[1.0]"
    kernel.do("server.stop()")
    lines = kernel.do("%caikit_serve").text.splitlines()
    at = lines.index("server done: stopped")
    assert lines[at + 1].split()[:2] == ["done", "python"]
    assert "  requests 1  " in lines[at + 1]
    assert lines[at + 1].endswith("  errors 0")


def shown(kernel: Kernel, name: str):
    """The HTML of the newest card of a server, as it stands."""
    messages = [
        message["content"]["data"]
        for message in kernel.seen
        if message["msg_type"] == "display_data"
        and message["content"]["data"].get("text/plain", "").startswith(f"server {name}:")
    ]
    box = messages[-1]["application/vnd.jupyter.widget-view+json"]["model_id"]

    def texts(model_id: str):
        state = kernel.widgets[model_id]
        yield state.get("value", "")
        for child in state.get("children", ()):
            yield from texts(child.removeprefix("IPY_MODEL_"))

    return lambda: "".join(text for text in texts(box) if isinstance(text, str))


def test_a_server_that_dies_says_why(kernel: Kernel) -> None:
    kernel.do("import os, signal\nserver = caikit_nb.serve(lambda x: os.abort(), 'crash')")
    assert "UNAVAILABLE" in kernel.value("ask(server, 'crash', [1])")
    kernel.until("server.state == 'failed'")
    assert "SIGABRT" in kernel.value("str(server.error)")


@pytest.mark.parametrize("ending", ["kill", "shutdown"])
def test_no_process_and_no_port_outlives_the_kernel(start_kernel, ending: str) -> None:
    kernel, other = start_kernel(), start_kernel()
    kernel.do(f"{LOAD}\nserver = caikit_nb.serve(lambda x: x, 'a')")
    serve = f"{LOAD}\nb = caikit_nb.serve(lambda x: x, 'b', socket={str(kernel.home / 's')!r})"
    kernel.do(serve)
    target, pids = kernel.value("[server.target, [server._process.pid, b._process.pid]]")
    assert is_open(target)
    assert "somebody listens there" in other.run(serve).traceback
    if ending == "kill":
        os.kill(kernel.pid, signal.SIGKILL)
    else:
        kernel.manager.shutdown_kernel()
    assert all(is_gone_within(pid, 20) for pid in pids)
    assert not is_open(target)
    other.do(serve)
