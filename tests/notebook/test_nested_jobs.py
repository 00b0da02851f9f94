"""Jobs that a job submits: what the card of the outer one says of them."""

import re

from tests.notebook.gate import Gate
from tests.notebook.kernel import Card, Kernel

NEST = "get_ipython().run_cell_magic('caikit_job', {line!r}, {cell!r})"


def outer(kernel: Kernel, name: str, line: str, cell: str, *more: str) -> Card:
    nested = NEST.format(line=line, cell=cell)
    kernel.do("\n".join((f"%%caikit_job {name}", nested, *more)))
    return kernel.card(name)


def saved(card: Card) -> str:
    """What the file has of a card, without its code."""
    html = re.sub(r"<details.*?</details>", "", card.saved["text/html"], flags=re.DOTALL)
    return " ".join(re.sub("<[^>]*>", " ", html).split())


def wait_saved(kernel: Kernel, card: Card, words: str) -> str:
    kernel.read_until(lambda: words in saved(card), 180, f"{words!r} is saved")
    return saved(card)


def test_the_end_of_a_nested_job_is_on_the_card(kernel: Kernel) -> None:
    card = outer(kernel, "o1", "i1 --wait", "print('begun')\nprint('over')\n6 * 7", "print('all')")
    text = wait_saved(kernel, card, "completed o1")
    assert "completed i1" in text
    assert text.index("over 42") < text.index("all")
    assert "running" not in text


def test_a_nested_job_is_live_while_its_job_runs(kernel: Kernel, gate: Gate) -> None:
    card = outer(kernel, "o2", "i2", f"print('begun')\n{gate.wait}\nprint('over')", "i2.result()")
    inner = {"running", "i2", "begun"}
    kernel.read_until(lambda: inner <= words_of_widgets(kernel), 180, "the inner card is live")
    gate.open()
    assert "over" in wait_saved(kernel, card, "completed o2")


def words_of_widgets(kernel: Kernel) -> set[str]:
    html = " ".join(str(state.get("value", "")) for state in kernel.widgets.values())
    return set(re.sub("<[^>]*>", " ", html).split())


def test_one_that_has_not_ended_ends_with_its_job(kernel: Kernel, gate: Gate) -> None:
    card = outer(kernel, "o3", "i3", gate.wait)
    text = wait_saved(kernel, card, "completed o3")
    assert "ended with the outer job i3" in text
    assert "running" not in text


def test_also_if_that_is_cancelled(kernel: Kernel, gate: Gate) -> None:
    card = outer(kernel, "o4", "i4", gate.wait, "i4.result()")
    kernel.read_until(lambda: "i4" in words_of_widgets(kernel), 180, "the inner card is there")
    kernel.do("%caikit_jobs cancel o4")
    text = wait_saved(kernel, card, "cancelled o4")
    assert "running" not in text
    assert "queued" not in text
    assert "i4" in text


def test_what_has_ended_has_no_buttons_left(kernel: Kernel) -> None:
    card = outer(kernel, "o5", "i5 --wait", "print('over')")
    static = [{"text/html", "text/plain"}]
    kernel.read_until(lambda: kinds_of_displays(kernel, card) == static, 180, "it is static")


def kinds_of_displays(kernel: Kernel, card: Card) -> list[set[str]]:
    shown = [kernel.widgets[model_id].get("outputs", ()) for model_id in card.model_ids]
    return [set(output["data"]) for outputs in shown for output in outputs]


def test_a_job_has_its_own_jobs_in_one_place(kernel: Kernel) -> None:
    """Whether they are made by the magic or by a call, its table and `caikit_nb.jobs` have them."""
    kernel.do("bystander = caikit_nb.submit(int)")
    kernel.do(
        "%%caikit_job o6 --wait\n"
        "called = [caikit_nb.options(name=f'called{n}').submit(int) for n in range(2)]\n"
        "line = %caikit_job 6 * 7\n"
        "print([future.result() for future in [*called, line]], len(caikit_nb.jobs))\n"
        "%caikit_jobs"
    )
    text = wait_saved(kernel, kernel.card("o6"), "completed o6")
    assert "[0, 0, 42] 3" in text
    table = text[text.index("job state time") :]
    assert all(name in table for name in ("called0", "called1"))
    assert "bystander" not in table


def test_the_settings_hold_for_its_jobs_too(kernel: Kernel) -> None:
    kernel.do("%config CaikitJobs.retention_duration = '2h'")
    kernel.do("%%caikit_job o7 --wait\nprint(caikit_nb.submit(int)._job.spec.retention_s)")
    assert "7200" in wait_saved(kernel, kernel.card("o7"), "completed o7")


def test_a_job_of_the_kernels_is_shown_as_it_was_at_the_fork(kernel: Kernel, gate: Gate) -> None:
    kernel.do(f"%%caikit_job beside\nprint('first')\n{gate.wait}\nprint('second')")
    kernel.card("beside").wait_for("first")
    kernel.do("%%caikit_job o8 --wait\ndisplay(beside)\nprint('after')")
    text = wait_saved(kernel, kernel.card("o8"), "completed o8")
    assert re.search(r"running at [\d:]+ on [\d-]+ beside", text)
    assert "after" in text
    gate.open()
    kernel.card("beside").wait_for("completed")


def test_a_loop_of_submits_in_a_job_is_one_card_of_its(kernel: Kernel) -> None:
    kernel.do(
        "%%caikit_job o9 --wait\n"
        "def work(n): print('words', n * 111)\n"
        "futures = [caikit_nb.submit(work, n) for n in range(1, 4)]\n"
        "for future in futures: future.result()"
    )
    text = wait_saved(kernel, kernel.card("o9"), "completed o9")
    assert "3 jobs: 3 completed" in text
    assert "running" not in text
    assert "words 333" in kernel.card("o9").saved["text/html"]


def test_a_loop_that_has_not_ended_ends_with_its_job(kernel: Kernel, gate: Gate) -> None:
    kernel.do(
        "%%caikit_job o10 --wait\n"
        f"def work(n):\n    if n: {gate.wait}\n"
        "futures = [caikit_nb.submit(work, n) for n in range(3)]\nfutures[0].result()"
    )
    text = wait_saved(kernel, kernel.card("o10"), "completed o10")
    assert "3 jobs: 1 completed, 2 ended with the outer job" in text
