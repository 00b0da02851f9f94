"""``job.replay()`` of cells."""

import pytest

from tests.notebook.kernel import Kernel


@pytest.mark.parametrize("method", ["fork", "forkserver", "spawn"])
def test_a_cell_is_replayed_with_the_variables_of_then(kernel: Kernel, method: str) -> None:
    kernel.do("import numpy as np\nfactor, unused = 6, 'not read'\ndef times(x): return factor * x")
    kernel.do(
        f"%%caikit_job first -m {method} -p lr=0.5 -o drawn\n"
        "drawn = np.random.random()\n[times(7), lr, drawn]"
    )
    result = kernel.value("first.result(120)")
    assert result[:2] == [42, 0.5]
    kernel.do("factor = 0\ndel drawn\nagain = first.replay()")
    assert kernel.value("again.result(120)") == result
    kernel.until("'drawn' in globals()")
    assert kernel.value("drawn") == result[2]
    assert "it replays first" in kernel.value("again._job.notes")


def test_a_replay_that_can_not_be_says_why(kernel: Kernel) -> None:
    kernel.do("import threading\nlock = threading.Lock()")
    kernel.do("%%caikit_job locked -m fork\nlock.locked()")
    assert kernel.value("locked.result(120)") is False
    error = kernel.run("locked.replay()").traceback
    assert "job 'locked' can't be replayed" in error
    assert "'lock' can't be pickled" in error


def test_a_replay_shows_its_card(kernel: Kernel) -> None:
    kernel.do("%%caikit_job shown\n6 * 7")
    assert kernel.value("shown.result(120)") == 42
    kernel.do("shown.replay()")
    name = kernel.value("list(caikit_nb.jobs)[-1]")
    kernel.read_until(lambda: kernel.has_card(name))
    assert "it replays shown" in kernel.card(name).wait_for("completed")


def test_a_forked_job_begins_without_the_pickling_code_of_what_it_reads(kernel: Kernel) -> None:
    kernel.do(
        "class Costly:\n"
        "    def __getstate__(self):\n"
        "        print('pickled')\n"
        "        return {}\n"
        "thing = Costly()"
    )
    kernel.do("%%caikit_job spared -m fork\nprint('begun')\n_ = str(thing)")
    assert kernel.value("spared.wait(120)")
    assert kernel.value("spared.logs()") == "begun\n"
    error = kernel.run("spared.replay()").traceback
    assert "'thing' would be pickled by your own Costly.__getstate__" in error
