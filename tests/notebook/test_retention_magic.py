"""``%caikit_jobs du``, ``pin`` and ``unpin``, and the countdown on the card."""

import re

from tests.notebook.gate import Gate
from tests.notebook.kernel import Kernel


def text_of_table(kernel: Kernel, line: str) -> str:
    return str(kernel.value(f"repr(get_ipython().run_line_magic('caikit_jobs', {line!r}))"))


def test_du_says_what_results_hold_and_when_they_go(kernel: Kernel) -> None:
    kernel.do("%%caikit_job big --retain 3h\nimport numpy\nprint('x' * 999)\nnumpy.zeros(250_000)")
    kernel.do("%%caikit_job ever --retain forever\n1")
    kernel.do("%%caikit_job short --retain 0s\n1")
    assert kernel.value("[job.wait(120) for job in (big, ever, short)]") == [True] * 3
    kernel.until("short._job.expired")
    lines = text_of_table(kernel, "du big ever short").splitlines()
    assert lines[0].split("  ")[0] == "job"
    assert re.fullmatch(r"big +2\.0 MB +\d+ B +2\.0 kB +2\.0 MB +in 3 h", lines[1])
    assert re.fullmatch(r"ever +\d+ B +\d+ B +0 B +\d+ B +with the session", lines[2])
    assert re.fullmatch(r"short +0 B +0 B +0 B +0 B +gone: it was kept for 0 s .*", lines[3])
    assert re.match(r"all .* 2\.0 MB", lines[4])


def test_a_pinned_result_stays_and_an_unpinned_one_goes(kernel: Kernel, gate: Gate) -> None:
    kernel.do(f"%%caikit_job dear --retain 0.1s\n{gate.wait}\n6 * 7")
    kernel.do("%caikit_jobs pin dear")
    gate.open()
    assert kernel.value("dear.result(120)") == 42
    kernel.card("dear").wait_for("· pinned")
    kernel.do("%%caikit_job other --retain 0.1s\n1")
    kernel.until("other._job.expired")
    assert kernel.value("dear.result()") == 42
    assert "pinned" in text_of_table(kernel, "du dear")
    kernel.do("%caikit_jobs unpin dear")
    kernel.until("dear._job.expired")
    assert kernel.do("%caikit_jobs pin dear").text.startswith("the result of dear is gone")


def test_the_card_counts_down(kernel: Kernel) -> None:
    kernel.do("%%caikit_job counted --retain 100s\n1")
    kernel.read_until(lambda: kernel.has_card("counted"))
    card = kernel.card("counted")
    shown: list[int] = []

    def counts_down() -> bool:
        found = re.search(r"kept for (\d+) s more", card.html)
        if found and int(found[1]) not in shown:
            shown.append(int(found[1]))
        return len(shown) >= 3

    kernel.read_until(counts_down)  # a busy machine may leave out a second
    assert 100 >= shown[0] > shown[1] > shown[2]
    assert re.search(r"kept until \d{4}-\d\d-\d\d \d\d:\d\d", card.saved["text/html"])


def test_of_very_many_jobs_the_table_shows_the_newest(kernel: Kernel) -> None:
    kernel.do("%caikit_jobs purge")
    kernel.do(
        "many = [caikit_nb.options(start_method='thread').submit(int) for n in range(250)]\n"
        "[job.wait(120) for job in many]",
        timeout=180,
    )
    lines = text_of_table(kernel, "").splitlines()
    assert len(lines) == 202
    assert re.match(r"… \d+ more", lines[1])
    assert lines[-1].startswith(kernel.value("many[-1].name"))
    kernel.do("%caikit_jobs purge")


def test_the_oldest_results_go_first(kernel: Kernel) -> None:
    kernel.do("%config CaikitJobs.max_results = 2")
    try:
        kernel.do("dear = caikit_nb.submit(int)\ndear.pin()")
        kernel.do("kept = [dear, *(caikit_nb.submit(int, n) for n in range(4))]")
        assert kernel.value("[job.wait(120) for job in kept]") == [True] * 5
        kernel.until("sum(job._job.expired is not None for job in kept) == 2")
        assert kernel.value("kept[0]._job.expired") is None
        assert "newer results took its place" in kernel.value(
            "next(job._job.expired.why for job in kept if job._job.expired)"
        )
    finally:
        kernel.do("%config CaikitJobs.max_results = None")


def test_a_new_limit_holds_at_once(kernel: Kernel) -> None:
    # One after the other: the oldest is the one that has ended first.
    kernel.do(
        "kept = []\nfor n in range(3):\n    kept.append(caikit_nb.submit(int, n))\n"
        "    kept[-1].wait(120)"
    )
    try:
        kernel.do("%config CaikitJobs.max_results = 1")
        kernel.until("kept[1]._job.expired is not None")
        assert kernel.value("kept[2]._job.expired") is None
    finally:
        kernel.do("%config CaikitJobs.max_results = None")


def test_a_queue_is_told_in_the_table(kernel: Kernel, gate: Gate) -> None:
    kernel.do(f"%%caikit_job first\n{gate.wait}")
    kernel.do("%%caikit_job second --after first\n1")
    assert re.search(r"second +queued .*after first", text_of_table(kernel, ""))
    assert "after first" in kernel.card("second").html
    gate.open()
    assert kernel.value("second.result(120)") == 1
