"""Widgets made inside a job live on its card: shown, brought up to date, and heard by the job."""

from __future__ import annotations

from typing import Any

import pytest

from tests.notebook.gate import Gate
from tests.notebook.kernel import Kernel
from tests.notebook.test_card import card_of

METHODS = ("fork", "forkserver", "spawn", "thread")
OWN_PROCESS = ("fork", "forkserver", "spawn")


_earlier: set[str] = set()


@pytest.fixture(autouse=True)
def only_new_ones(kernel: Kernel) -> None:
    """Tell what is shown from what earlier tests have shown."""
    kernel.read_what_is_there()
    _earlier.update(kernel.widgets)


def models(kernel: Kernel, name: str) -> list[str]:
    """The ids of this test's widgets of a kind."""
    new = {key: state for key, state in kernel.widgets.items() if key not in _earlier}
    return [key for key, state in new.items() if state["_model_name"] == name]


def shown(kernel: Kernel, model_id: str) -> dict[str, Any]:
    return kernel.widgets[model_id]


def on_a_card(kernel: Kernel, name: str) -> str:
    """This test's widget of a kind, once its job has displayed it.

    Only then can a user do something to it: the job announces a widget as it makes it, when its
    callbacks are still to come.
    """

    def displayed() -> list[str]:
        cards = str(kernel.widgets)
        return [key for key in models(kernel, name) if f"'model_id': '{key}'" in cards]

    kernel.read_until(displayed, what=f"a card with a {name}")
    return displayed()[0]


@pytest.mark.parametrize("method", METHODS)
def test_a_widget_of_a_job_is_on_its_card_and_follows(
    kernel: Kernel, gate: Gate, method: str
) -> None:
    kernel.do(
        f"%%caikit_job live -m {method}\nfrom ipywidgets import IntProgress, VBox, Label\n"
        "bar, label = IntProgress(max=10), Label('begun')\ndisplay(VBox([bar, label]))\n"
        "for n in range(5): bar.value = n + 1\nlabel.value = 'half way'\n"
        f"{gate.wait}\nbar.value = 10\nlabel.value = 'done'"
    )
    card_of(kernel, "live")
    kernel.read_until(lambda: models(kernel, "LabelModel"), what="the widget")
    (label,), (bar,) = models(kernel, "LabelModel"), models(kernel, "IntProgressModel")
    kernel.read_until(lambda: shown(kernel, label)["value"] == "half way", what="its news")
    assert shown(kernel, bar)["value"] == 5
    assert bar in str(kernel.widgets), "it is referred to by the box around it"
    gate.open()
    kernel.read_until(lambda: shown(kernel, label)["value"] == "done", what="its end")
    assert shown(kernel, bar)["value"] == 10


@pytest.mark.parametrize("method", OWN_PROCESS)
def test_a_job_hears_what_is_done_to_its_widgets(kernel: Kernel, method: str) -> None:
    kernel.do(
        f"%%caikit_job heard -m {method}\nimport threading\nfrom ipywidgets import FloatSlider\n"
        "rate, changed = FloatSlider(value=1), threading.Event()\n"
        "rate.observe(lambda change: changed.set(), 'value')\ndisplay(rate)\nchanged.wait()\n"
        "rate.value"
    )
    card_of(kernel, "heard")
    slider = on_a_card(kernel, "FloatSliderModel")
    kernel.say_to_widget(slider, {"method": "update", "state": {"value": 0.5}, "buffer_paths": []})
    assert kernel.value("heard.result(120)") == 0.5


def test_a_button_of_a_job_is_clicked(kernel: Kernel) -> None:
    kernel.do(
        "%%caikit_job pressed -m fork\nimport threading\nfrom ipywidgets import Button\n"
        "stop, pressed = Button(description='Enough'), threading.Event()\n"
        "stop.on_click(lambda _: pressed.set())\ndisplay(stop)\npressed.wait()\n'stopped'"
    )
    card_of(kernel, "pressed")
    kernel.click(on_a_card(kernel, "ButtonModel"))
    assert kernel.value("pressed.result(120)") == "stopped"


def test_the_front_end_gets_the_latest_state_after_a_reload(kernel: Kernel, gate: Gate) -> None:
    kernel.do(
        "%%caikit_job reloaded -m fork\nfrom ipywidgets import IntProgress\n"
        f"bar = IntProgress(max=10)\ndisplay(bar)\nbar.value = 7\n{gate.wait}"
    )
    card_of(kernel, "reloaded")
    kernel.read_until(lambda: models(kernel, "IntProgressModel"), what="the widget")
    (bar,) = models(kernel, "IntProgressModel")
    kernel.read_until(lambda: shown(kernel, bar)["value"] == 7, what="its news")
    kernel.widgets[bar]["value"] = 0  # as a page that comes anew knows nothing
    kernel.say_to_widget(bar, {"method": "request_state"})
    kernel.read_until(lambda: shown(kernel, bar)["value"] == 7, what="its state")
    gate.open()


def test_a_flood_of_changes_costs_a_few_messages(kernel: Kernel) -> None:
    kernel.do(
        "%%caikit_job flood -m fork\nfrom ipywidgets import IntProgress\n"
        "bar = IntProgress(max=20000)\ndisplay(bar)\n"
        "for n in range(20000): bar.value = n + 1"
    )
    card_of(kernel, "flood")
    kernel.read_until(lambda: models(kernel, "IntProgressModel"), what="the widget")
    (bar,) = models(kernel, "IntProgressModel")
    kernel.read_until(lambda: shown(kernel, bar)["value"] == 20000, what="its end")
    kernel.do("assert flood.wait(120)")
    elapsed_s = kernel.value("(flood.get_info().completion_time - flood.get_info().start_time)"
                             ".total_seconds()")  # fmt: skip
    updates = [
        message
        for message in kernel.seen
        if message["msg_type"] == "comm_msg" and message["content"]["comm_id"] == bar
    ]
    assert len(updates) <= 5 * elapsed_s + 3


def test_a_copy_of_the_kernel_shows_its_changes_of_a_widget_of_the_kernel(kernel: Kernel) -> None:
    kernel.do("from ipywidgets import IntProgress\nshared = IntProgress(max=10)\nshared")
    (bar,) = models(kernel, "IntProgressModel")
    kernel.do("%%caikit_job copy -m fork\nshared.value = 6")
    kernel.read_until(lambda: shown(kernel, bar)["value"] == 6, what="the change")
    assert kernel.value("[copy.wait(120), shared.value]") == [True, 0]
    assert bar in kernel.widgets, "the end of the copy closes nothing"


def test_widgets_stay_when_the_result_goes_and_go_with_the_output(kernel: Kernel) -> None:
    kernel.do(
        "%%caikit_job brief -m fork\nfrom ipywidgets import IntProgress\ndisplay(IntProgress())"
    )
    card_of(kernel, "brief").wait_for("completed")
    kernel.read_until(lambda: models(kernel, "IntProgressModel"), what="the widget")
    (bar,) = models(kernel, "IntProgressModel")

    def is_closed() -> bool:
        return any(
            m["msg_type"] == "comm_close" and m["content"]["comm_id"] == bar for m in kernel.seen
        )

    kernel.do("brief.purge()")
    card_of(kernel, "brief").wait_for("result dropped")
    assert not is_closed()
    kernel.do("brief.purge(output=True)")
    kernel.read_until(is_closed, what="the end of the widget")


def test_too_many_widgets_are_left_out_and_said(kernel: Kernel) -> None:
    kernel.do(
        "%%caikit_job many -m fork\nfrom ipywidgets import Label\n"
        "labels = [Label(str(n)) for n in range(1200)]\nlen(labels)"
    )
    assert kernel.value("many.result(120)") == 1200
    card_of(kernel, "many").wait_for("widgets are left out")
