"""What a job's cell has made and no ``-o`` names can be had all the same."""

from pathlib import Path

import pytest

from tests.notebook.gate import Gate
from tests.notebook.kernel import Kernel

TRAIN = "%%caikit_job {} --wait\nimport math\nmodel = {{'a': 1}}\nfor epoch in range(3): pass\n"
METHODS = ["fork", "forkserver"]
NAMES = ("model", "epoch", "large", "small", "huge", "lost", "value")


@pytest.fixture(autouse=True)
def nothing_of_that_name(kernel: Kernel) -> None:
    kernel.do(f"for name in {NAMES}: globals().pop(name, None)")
    kernel.do("%config CaikitJobs.keep_made_bytes = '100MB'")


@pytest.mark.parametrize("method", METHODS)
def test_the_card_brings_it_back(kernel: Kernel, method: str) -> None:
    kernel.do(TRAIN.format(f"by_{method} -m {method}"))
    card = kernel.card(f"by_{method}")
    card.wait_for("made here: epoch, model")
    assert kernel.value("'model' in globals()") is False
    kernel.click(card.button("Bring back"))
    card.wait_for("epoch, model are in the namespace")
    assert kernel.value("[model, epoch]") == [{"a": 1}, 2]
    kernel.read_until(lambda: not card.shows_button("Bring back"))
    assert "made here" not in card.html


def test_one_that_is_missed_is_found(kernel: Kernel) -> None:
    kernel.do(TRAIN.format("missed"))
    kernel.card("missed").wait_for("made here")
    told = kernel.run("model['a']").text
    assert "model was made by job missed" in told
    assert "missed.made['model']" in told
    assert kernel.value("missed.made['model']") == {"a": 1}
    assert kernel.value("sorted(missed.made)") == ["epoch", "model"]
    assert "made by job" not in kernel.run("nobodys").text


@pytest.mark.parametrize("value", ["bytes(2_000_000)", "__import__('threading').Lock()"])
def test_one_that_was_not_kept_is_told_of_too(kernel: Kernel, value: str) -> None:
    kernel.do("%config CaikitJobs.keep_made_bytes = '1MB'")
    kernel.do(f"%%caikit_job unkept --wait\nsmall, huge = 1, {value}")
    kernel.card("unkept").wait_for("made here: small")
    told = kernel.run("huge").text
    assert "huge was made by job unkept, and was not kept" in told
    assert "-o huge" in told


def test_it_comes_over_what_was_there_before_and_over_nothing_newer(kernel: Kernel) -> None:
    kernel.do("model, epoch = 'old', 'old'")
    kernel.do(TRAIN.format("over"))
    card = kernel.card("over")
    card.wait_for("made here")
    kernel.do("epoch = 'mine'")
    kernel.click(card.button("Bring back"))
    card.wait_for("model is in the namespace")
    card.wait_for("epoch was not overwritten, because you reassigned it")
    assert kernel.value("[model, epoch, over.made['epoch']]") == [{"a": 1}, "mine", 2]


def test_a_later_run_brings_its_own(kernel: Kernel) -> None:
    for value in (1, 2):
        kernel.do(f"%%caikit_job run{value} --wait\nmodel = {value}")
        card = kernel.card(f"run{value}")
        card.wait_for("made here")
        kernel.click(card.button("Bring back"))
        card.wait_for("model is in the namespace")
        assert kernel.value("model") == value


def test_what_is_large_or_pickled_by_ones_own_code_is_not_kept(kernel: Kernel) -> None:
    kernel.do("%config CaikitJobs.keep_made_bytes = '100kB'")
    kernel.do(
        "%%caikit_job kept --wait\n"
        "class Odd:\n    def __getstate__(self): print('asked'); return {}\n"
        "large, small, odd = bytes(200_000), bytes(2_000), Odd()"
    )
    card = kernel.card("kept")
    card.wait_for("made here: Odd, small")
    assert kernel.value("[len(kept.made['small']), 'large' in kept.made]") == [2000, False]
    assert "asked" not in kernel.value("kept.logs()")
    kernel.do("%config CaikitJobs.keep_made_bytes = 0")
    kernel.do("%%caikit_job none --wait\nvalue = 1")
    assert kernel.value("[len(none.made), none._job.ended.wait(120)]") == [0, True]


def test_it_goes_with_the_result(kernel: Kernel) -> None:
    kernel.do("%%caikit_job gone --wait\nlost = bytes(5_000)")
    card = kernel.card("gone")
    card.wait_for("made here: lost")
    kept = Path(kernel.value("str(gone._job.directory)"), "made.bin")
    assert kept.stat().st_size >= 5_000
    assert kept.stat().st_mode & 0o077 == 0
    kernel.do("%caikit_jobs purge gone")
    card.wait_for("made here: lost · dropped")
    kernel.read_until(lambda: not card.shows_button("Bring back"))
    assert not kept.exists()
    told = kernel.run("lost").text
    assert "lost was made by job gone, whose result has been dropped" in told


def test_one_that_is_on_its_way_is_told_of(kernel: Kernel, gate: Gate) -> None:
    kernel.do(f"%%caikit_job coming -o value\n{gate.wait}\nvalue = 1")
    assert "value comes with job coming, which has not ended" in kernel.run("value").text
    gate.open()
    kernel.until("globals().get('value') == 1")


def test_it_is_kept_beside_a_result_and_a_handler_of_atexit(kernel: Kernel) -> None:
    kernel.do(
        "%%caikit_job late --wait\nimport atexit\nvalue = 1\n"
        "atexit.register(lambda: print('last'))\n'result'"
    )
    assert kernel.value("late.result(120)") == "result"
    kernel.card("late").wait_for("made here: value")


def test_what_should_have_come_home_and_is_not_there_is_in_the_head(kernel: Kernel) -> None:
    kernel.do("%%caikit_job without -o best,lock --wait\nimport threading\nlock = threading.Lock()")
    card = kernel.card("without")
    card.wait_for("completed without best, lock")
    assert "⚠" in card.html
    assert "✓" not in card.html
    assert kernel.value("[without.status.name, without.get_info().reason]") == [
        "COMPLETED",
        "without best, lock",
    ]


@pytest.mark.parametrize("way", ["read", "button"])
def test_a_function_that_was_made_leaves_the_users_variables_alone(
    kernel: Kernel, way: str
) -> None:
    kernel.do("small = 'mine'")
    kernel.do(f"%%caikit_job of_{way} --wait\nsmall = 'of the job'\ndef value(): return small")
    card = kernel.card(f"of_{way}")
    card.wait_for("made here: small, value")
    kernel.do("small = 'my week of work'")
    if way == "read":
        assert kernel.value(f"of_{way}.made['value']()") == "of the job"
    else:
        kernel.click(card.button("Bring back"))
        card.wait_for("value is in the namespace")
        assert kernel.value("value()") == "of the job"
    assert kernel.value("small") == "my week of work"
