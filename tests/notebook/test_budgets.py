"""What cards cost: counted messages, whatever their jobs do."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import pytest

from tests.notebook.kernel import Kernel
from tests.notebook.test_card import card_of

UPDATES_A_S = 5
ALL_CARDS_A_S = 40
SECONDS = 2

PRINTS = "for n in range(100): print('line', tick, n)"
METRICS = "for n in range(10): caikit_nb.log_metric(loss=tick + n, accuracy=-n)"
BARS = "bars[tick % 100].update()"
DISPLAYS = "display({'text/html': f'<b>{tick}</b>'}, raw=True)"
REDRAWN = "from IPython.display import clear_output; clear_output(wait=True); print(tick)"


def busy(work: str, setup: str = "") -> str:
    """A cell that does something a hundred times a second, for some seconds."""
    body = "\n".join(f"    {line}" for line in work.splitlines())
    return (
        f"import time\nfrom caikit_nb import progress\n{setup}\nstart = time.monotonic()\n"
        f"for tick in range({SECONDS * 100}):\n{body}\n"
        "    time.sleep(max(0.0, start + tick / 100 - time.monotonic()))\nprint('the end')"
    )


def updates(kernel: Kernel, since: int, until: int | None = None) -> list[tuple[float, str]]:
    """When which widget was told something."""
    return [
        (message["header"]["date"].timestamp(), message["content"]["comm_id"])
        for message in kernel.seen[since:until]
        if message["msg_type"] in ("comm_msg", "comm_open", "comm_close")
    ]


def most_in_a_window(times: Iterable[float], seconds: float) -> int:
    """The most messages that came within so many seconds."""
    ordered = sorted(times)
    return max(
        (sum(1 for t in ordered[at:] if t < first + seconds) for at, first in enumerate(ordered)),
        default=0,
    )


@pytest.mark.parametrize("method", ["fork", "thread"])
@pytest.mark.parametrize(
    ("work", "setup"),
    [
        (PRINTS, ""),
        (METRICS, ""),
        (BARS, "import tqdm\nbars = [tqdm.tqdm(total=50, desc=str(n)) for n in range(100)]"),
        (REDRAWN, ""),
    ],
    ids=["prints", "metrics", "bars", "redrawn"],
)
def test_a_card_costs_five_updates_a_second_at_most(
    kernel: Kernel, method: str, work: str, setup: str
) -> None:
    since = len(kernel.seen)
    kernel.do(f"%%caikit_job busy -m {method}\n{busy(work, setup)}")
    card = card_of(kernel, "busy")
    card.wait_for("completed")
    told = [entry for entry in updates(kernel, since) if entry[1] in card.model_ids]
    first, last = min(told)[0], max(told)[0]
    assert last - first > SECONDS / 2, "the card is drawn while the job is busy"
    for comm_id, count in Counter(comm_id for _, comm_id in told).items():
        limit = UPDATES_A_S * (last - first) + 3  # one at the start, two at the end
        assert count <= limit, kernel.widgets[comm_id]["_model_name"]


def test_displays_in_a_flood_are_bounded_and_what_is_left_out_is_said(kernel: Kernel) -> None:
    kernel.do(f"%%caikit_job shown -m fork\n{busy(DISPLAYS)}")
    card = card_of(kernel, "shown")
    card.wait_for("completed")
    assert kernel.value("len(shown.displays)") == 100
    html = card.wait_for("displays are left out here: in ")
    assert f"{SECONDS * 100 - 100} earlier displays" in html
    directory = html.split("left out here: in ")[1].split("<")[0]
    count = f"len(list(__import__('pathlib').Path({directory!r}).glob('*.html')))"
    assert kernel.value(count) == SECONDS * 100 - 100
    kernel.do("shown.purge()")
    assert kernel.value(f"__import__('os').path.exists({directory!r})") is False


def test_fifty_cards_share_a_budget(kernel: Kernel) -> None:
    kernel.do("%config CaikitJobs.max_workers = 60")
    work = "print(tick)\ncaikit_nb.log_metric(loss=tick)\ntime.sleep(0.05)"
    body = busy(work).replace(f"range({SECONDS * 100})", "range(60)")
    kernel.do(
        "cell = '''" + body + "'''\nfor n in range(50):\n"
        "    get_ipython().run_cell_magic('caikit_job', f'crowd_{n} -m thread', cell)",
        timeout=180,
    )
    shown = len(kernel.seen)
    for n in range(50):
        card_of(kernel, f"crowd_{n}").wait_for("completed")
    times = [at for at, _ in updates(kernel, shown)]
    span = max(times) - min(times)
    assert span > 1
    assert len(times) <= ALL_CARDS_A_S * span + ALL_CARDS_A_S
    kernel.do("%config CaikitJobs.max_workers = 4")
