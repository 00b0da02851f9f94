"""The card: what it shows while its job runs, its buttons, and what a saved notebook keeps."""

import json
import re
from datetime import datetime

import pytest

from tests.notebook.gate import Gate
from tests.notebook.kernel import Card, Kernel

METHODS = ("fork", "forkserver", "spawn", "thread")
KINDS = ("fork", "forkserver", "thread")  # a spawned job is drawn as any other fresh one
UPDATES_A_S = 6
LINES_A_S = 10_000


def card_of(kernel: Kernel, name: str) -> Card:
    """The card of a job, once it is there."""
    kernel.read_until(lambda: kernel.has_card(name))
    return kernel.card(name)


def state(card: Card) -> str:
    """The state that the card shows, without its sign."""
    shown = re.findall(r'role="status">(.*?)</span> (.*?)</span>', card.html)
    assert len(shown) == 1
    return shown[0][1]


def bars(card: Card) -> list[tuple[str, int, int]]:
    """The bars that the card shows: label, indentation in pixels, percent."""
    found = re.findall(
        r"margin-left:(\d+)px.*?"
        r'role="progressbar" aria-label="(.*?)".*?aria-valuenow="(\d+)"',
        card.html,
        re.DOTALL,
    )
    return [(label, int(indent), int(percent)) for indent, label, percent in found]


@pytest.mark.parametrize("method", KINDS)
def test_the_state_goes_from_running_to_completed(kernel: Kernel, gate: Gate, method: str) -> None:
    kernel.do(f"%%caikit_job stated -m {method}\nprint('begun')\n{gate.wait}\n6 * 7")
    card = card_of(kernel, "stated")
    card.wait_for("begun")
    assert state(card) == "running"
    gate.open()
    card.wait_for("completed")
    assert state(card) == "completed"


def test_a_failed_job_shows_its_error_and_where_it_was(kernel: Kernel) -> None:
    kernel.do("%%caikit_job failing\nshare = [1, 2]\nshare[0] / 0")
    card = card_of(kernel, "failing")
    html = card.wait_for("failed")  # the state comes last
    assert state(card) == "failed"
    assert "ZeroDivisionError: division by zero" in html
    assert ">Traceback</summary>" in html
    plain = re.sub("<[^>]*>", "", html)
    assert "share[0] / 0" in plain
    assert "caikit_nb" not in plain


def test_a_queued_job_shows_its_place_and_can_be_cancelled(kernel: Kernel, gate: Gate) -> None:
    kernel.do("%config CaikitJobs.max_workers = 1")
    kernel.do(f"%%caikit_job ahead -m fork\n{gate.wait}")
    kernel.do("%%caikit_job behind -m fork\nprint('never')")
    card = card_of(kernel, "behind")
    card.wait_for("queued, number 1 in the queue")
    assert not card.shows_button("Interrupt")
    kernel.click(card.button("Cancel"))
    card.wait_for("⊘")
    gate.open()
    assert kernel.value("[ahead.wait(120), behind.logs()]") == [True, ""]
    kernel.do("%config CaikitJobs.max_workers = 4")


@pytest.mark.parametrize("kind", ["caikit_nb.progress", "tqdm.tqdm", "tqdm.auto.tqdm"])
@pytest.mark.parametrize("method", KINDS)
def test_nested_bars_follow_the_loops(kernel: Kernel, gate: Gate, method: str, kind: str) -> None:
    kernel.do(
        f"%%caikit_job nested -m {method}\nimport tqdm, tqdm.auto\n"
        f"for epoch in {kind}(range(4), desc='epochs'):\n"
        f"    for batch in {kind}(range(10), desc='batches'):\n"
        f"        if (epoch, batch) == (1, 3): {gate.wait}"
    )
    card = card_of(kernel, "nested")
    html = card.wait_for("3/10")
    assert "1/4" in html
    assert bars(card)[0] == ("epochs", 0, 25)
    assert bars(card)[-1] == ("batches", 12, 30)
    gate.open()
    card.wait_for("completed")
    assert bars(card)[0] == ("epochs", 0, 100)
    assert bars(card)[-1][2] == 100


def test_a_bar_without_a_total_shows_its_count(kernel: Kernel, gate: Gate) -> None:
    kernel.do(
        "%%caikit_job endless -m fork\n"
        "for n in caikit_nb.progress(iter(range(9)), desc='reading'):\n"
        f"    if n == 5: {gate.wait}"
    )
    card = card_of(kernel, "endless")
    card.wait_for("reading")
    card.wait_for(">5 ")
    assert "5/" not in card.html
    gate.open()
    card.wait_for("completed")


@pytest.mark.parametrize("method", KINDS)
def test_the_log_shows_its_first_and_last_lines(kernel: Kernel, gate: Gate, method: str) -> None:
    kernel.do(
        f"%%caikit_job talking -m {method}\nfor n in range(50): print(f'line {{n}}.')\n{gate.wait}"
    )
    card = card_of(kernel, "talking")
    html = card.wait_for("line 49.")
    shown = [int(n) for n in re.findall(r"line (\d+)\.", html)]
    assert shown == [0, 1, 2, *range(38, 50)]
    assert "… 35 lines …" in html
    gate.open()
    card.wait_for("completed")
    assert "line 49." in card.html


def test_what_a_job_prints_is_text_and_never_markup(kernel: Kernel) -> None:
    kernel.do(
        "%%caikit_job marked -p word='<i>param</i>'\n"
        "print('<script>alert(1)</script> & so on')\nraise ValueError('<b>bold</b>')"
    )
    card = card_of(kernel, "marked")
    card.wait_for("failed")
    for html in (card.html, card.saved["text/html"]):
        assert "&lt;script&gt;alert(1)&lt;/script&gt; &amp; so on" in html
        assert not re.search("<script>|<b>bold|<i>param", html)


@pytest.mark.parametrize("method", KINDS)
def test_metrics_are_drawn_as_a_chart(kernel: Kernel, gate: Gate, method: str) -> None:
    kernel.do(
        f"%%caikit_job measured -m {method}\nfor n in range(1, 6):\n"
        f"    caikit_nb.log_metric(loss=1 / n, accuracy=1 - 1 / n)\n{gate.wait}"
    )
    card = card_of(kernel, "measured")
    card.wait_for("loss 0.2 at step")
    chart = re.search("<svg.*</svg>", card.html, re.DOTALL)
    assert chart
    assert 'role="img"' in chart.group()
    assert "loss" in chart.group()
    assert "accuracy 0.8 at step" in chart.group()
    gate.open()
    card.wait_for("completed")


def test_of_very_many_metrics_the_first_are_drawn(kernel: Kernel) -> None:
    """To draw all of them would take minutes, in which no cell runs."""
    kernel.do(
        "%%caikit_job layers\nfor n in range(20):\n"
        "    caikit_nb.log_metric(**{f'layer {i:04}': n for i in range(2000)})"
    )
    card = card_of(kernel, "layers")
    card.wait_for("completed")
    for html in (card.html, card.saved["text/html"]):
        drawn = set(re.findall(r"layer \d{4}", html))
        assert drawn == {f"layer {i:04}" for i in range(16)}
        assert "1,984 more metrics: layers.metrics has all of them" in html
    assert "1,984 more metrics" in card.saved["text/plain"]
    assert kernel.value("len(layers.metrics)") == 2000


def test_parameters_and_the_way_it_runs_are_shown(kernel: Kernel) -> None:
    kernel.do("%%caikit_job tuned -m spawn -p lr=0.1 -p name='x' -o y\ny = lr")
    card = card_of(kernel, "tuned")
    html = card.wait_for("completed")
    assert "spawn: " in html
    assert "lr=0.1, name=&#x27;x&#x27;" in html
    assert "brings back y" in html


@pytest.mark.parametrize("method", METHODS)
def test_the_cancel_button_ends_the_job(kernel: Kernel, method: str) -> None:
    kernel.do(
        f"%%caikit_job endless -m {method}\nimport time\nprint('begun')\n"
        "while True: time.sleep(0.01)"
    )
    card = card_of(kernel, "endless")
    card.wait_for("begun")
    kernel.click(card.button("Cancel"))
    card.wait_for("⊘")
    assert state(card) == "cancelled"
    assert "cancelled from the card" in card.html + kernel.value("endless.get_info().reason")
    kernel.read_until(lambda: not card.shows_button("Cancel"), what="the buttons to go")
    assert not card.shows_button("Interrupt")
    assert kernel.value("[endless.wait(120), endless.status.name]") == [True, "CANCELED"]


@pytest.mark.parametrize("method", METHODS)
def test_the_interrupt_button_raises_in_the_job(kernel: Kernel, method: str) -> None:
    kernel.do(
        f"%%caikit_job patient -m {method}\nimport time\n"
        "try:\n    print('begun')\n    while True: time.sleep(0.01)\n"
        "except KeyboardInterrupt:\n    print('interrupted, as asked')\n'tidied'"
    )
    card = card_of(kernel, "patient")
    card.wait_for("begun")
    kernel.click(card.button("Interrupt"))
    card.wait_for("interrupted, as asked")
    assert kernel.value("[patient.result(120), patient.status.name]") == ["tidied", "COMPLETED"]


def test_buttons_work_while_a_cell_waits_for_the_job(kernel: Kernel, gate: Gate) -> None:
    cell = kernel.execute(f"%%caikit_job waited -m fork --wait\nprint('begun')\n{gate.wait}")
    card = card_of(kernel, "waited")
    card.wait_for("begun")
    kernel.interrupt()
    kernel.finish(cell)
    kernel.click(card.button("Cancel"))
    card.wait_for("⊘")


def test_two_cards_have_buttons_of_their_own(kernel: Kernel, gate: Gate) -> None:
    kernel.do(f"%%caikit_job left -m fork\n{gate.wait}\n'left alone'")
    kernel.do(f"%%caikit_job right -m fork\n{gate.wait}")
    card_of(kernel, "left").wait_for("running")
    card = card_of(kernel, "right")
    card.wait_for("running")
    kernel.click(card.button("Cancel"))
    card.wait_for("⊘")
    assert state(kernel.card("left")) == "running"
    kernel.value("right.wait(120)")
    gate.open()
    assert kernel.value("left.result(120)") == "left alone"


FLOOD = f"""
import time
start = time.monotonic()
for tick in range(200):
    for n in range({LINES_A_S // 100}):
        print('line', tick * {LINES_A_S // 100} + n)
    time.sleep(max(0.0, start + (tick + 1) / 100 - time.monotonic()))
print('the last line')
"""


@pytest.mark.parametrize("method", KINDS)
def test_a_flood_of_lines_updates_the_card_a_few_times_a_second(
    kernel: Kernel, method: str
) -> None:
    kernel.do(f"%%caikit_job flood -m {method}\n{FLOOD}")
    card = card_of(kernel, "flood")
    card.wait_for("completed")
    card.wait_for("the last line")
    times: dict[str, list[datetime]] = {}
    for message in kernel.seen:
        comm_id = message["content"].get("comm_id")
        is_update = message["msg_type"] == "comm_msg" and comm_id in card.model_ids
        if is_update and kernel.widgets[comm_id]["_model_name"] == "HTMLModel":
            times.setdefault(comm_id, []).append(message["header"]["date"])
    assert len(times) >= 2, "at least the head and the text"
    span = (max(map(max, times.values())) - min(map(min, times.values()))).total_seconds()
    assert span > 1, "the card is drawn while the lines come"
    for updates in times.values():
        assert len(updates) <= UPDATES_A_S * span + 1
    assert max(map(len, times.values())) >= 2 * span, "and not only now and then"


@pytest.mark.parametrize("ending", ["completed", "failed", "cancelled"])
@pytest.mark.parametrize("method", KINDS)
def test_the_saved_output_has_the_final_state(
    kernel: Kernel, gate: Gate, method: str, ending: str
) -> None:
    last = "raise ValueError('odd text')" if ending == "failed" else "'a value'"
    kernel.do(
        f"%%caikit_job kept -m {method}\nimport time\n"
        "for n in caikit_nb.progress(range(2), desc='rounds'):\n"
        "    caikit_nb.log_metric(loss=n)\n    print('round', n)\n"
        f"{'while True: time.sleep(0.01)' if ending == 'cancelled' else gate.wait}\n{last}"
    )
    card = card_of(kernel, "kept")
    first = dict(card.saved)
    assert {"text/plain", "text/html"} < set(first)
    card.wait_for("round 1")
    assert not updates_of(kernel, card), "the saved form is sent when there is a last state"
    if ending == "cancelled":
        kernel.do("kept.cancel()")
    else:
        gate.open()
    kernel.read_until(lambda: updates_of(kernel, card), what="the final form")
    kernel.value("kept.wait(120)")
    kernel.read_what_is_there()
    final, *again = updates_of(kernel, card)
    assert again in ([], [final]), "once more at most, for who hears only what cells say"
    assert set(final) == set(first)
    assert final["text/plain"].startswith(f"job kept: {ending} after ")
    assert f"</span> {ending}</span>" in final["text/html"]
    for word in ("rounds", "loss", "round 1"):
        assert word in final["text/plain"]
        assert word in final["text/html"]
    assert "<svg" in final["text/html"]
    assert "<script" not in final["text/html"]
    assert ("ValueError: odd text" in final["text/plain"]) == (ending == "failed")
    assert ("ValueError: odd text" in final["text/html"]) == (ending == "failed")


def updates_of(kernel: Kernel, card: Card) -> list[dict[str, object]]:
    """The later forms of a card's display."""
    return [
        message["content"]["data"]
        for message in kernel.seen
        if message["msg_type"] == "update_display_data"
        and message["content"]["transient"]["display_id"] == card.display_id
    ]


def test_a_quiet_job_shows_no_card(kernel: Kernel) -> None:
    cell = kernel.do("%%caikit_job silent --quiet --wait\n1")
    assert cell.displays == []
    kernel.read_what_is_there()
    assert not kernel.has_card("silent")


def test_a_card_shown_again_is_another_view_of_the_job(kernel: Kernel, gate: Gate) -> None:
    kernel.do(f"%%caikit_job seen -m fork\nprint('begun')\n{gate.wait}")
    first = card_of(kernel, "seen")
    first.wait_for("begun")
    kernel.do("seen")
    second = card_of(kernel, "seen")
    assert second.display_id != first.display_id
    gate.open()
    second.wait_for("completed")
    kernel.read_until(lambda: "completed" in first.html + first.saved["text/plain"])


TRAINED = """%%caikit_job trained_{n} --wait
import math
for epoch in caikit_nb.progress(range(300)):
    loss = math.exp(-epoch / 90) + 0.05 * math.sin(epoch)
    caikit_nb.log_metric(loss=loss, accuracy=1 - loss / 2)
    print(f"epoch {{epoch}}: loss {{loss:.4f}}")
loss"""


def test_fifty_jobs_with_charts_are_a_file_of_less_than_two_megabytes(kernel: Kernel) -> None:
    sizes = []
    for n in range(3):
        kernel.do(TRAINED.format(n=n))
        card = kernel.card(f"trained_{n}")
        kernel.read_until(lambda card=card: "completed" in card.saved["text/plain"], 180, "the end")
        assert "<svg" in card.saved["text/html"]
        assert "epoch 150" in card.saved["text/html"]
        sizes.append(len(json.dumps(card.saved)))
    assert 50 * max(sizes) < 2_000_000
