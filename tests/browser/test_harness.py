"""The harness itself: a plain notebook behaves in it as it does for a person."""

import json
import sys

import pytest

# The tool, and not what it is used on.
pytestmark = pytest.mark.slow

SLIDER = """import ipywidgets
print("printed", 6 * 7)
slider = ipywidgets.IntSlider(value=5, description="depth")
display(slider)"""


@pytest.fixture
def notebook(lab_page):
    lab_page.open(lab_page.write_notebook("slider.ipynb", [SLIDER, "slider.value"]))
    return lab_page


def test_output_and_widget_are_shown(notebook):
    notebook.run_all()
    notebook.wait_idle()
    shown = notebook.cell_output_text(0)
    assert "printed 42" in shown
    assert "depth" in shown
    assert notebook.cell_output(0).get_by_role("slider").count() == 1
    assert notebook.cell_output_text(1) == "5"
    assert notebook.screenshot("slider").stat().st_size > 10_000


def test_a_widget_answers_the_keyboard(notebook):
    notebook.run_cell(0)
    notebook.wait_idle()
    notebook.cell_output(0).get_by_role("slider").press("ArrowRight")
    notebook.cell_output(0).get_by_text("6", exact=True).wait_for()
    notebook.run_cell(1)
    notebook.wait_idle()
    assert notebook.cell_output_text(1) == "6"


def test_a_saved_widget_comes_back_after_a_reload(notebook):
    notebook.run_cell(0)
    notebook.wait_idle()
    notebook.save()
    saved = json.loads((notebook.server.root / "slider.ipynb").read_text("utf-8"))
    assert len(saved["cells"][0]["outputs"]) == 2
    notebook.reload()
    notebook.cell_output(0).get_by_role("slider").wait_for()
    assert "printed 42" in notebook.cell_output_text(0)


def test_theme_can_be_switched(notebook):
    luminance = "() => getComputedStyle(document.body).getPropertyValue('--jp-layout-color0')"
    notebook.set_theme("dark")
    dark = notebook.page.evaluate(luminance)
    notebook.set_theme("light")
    assert notebook.page.evaluate(luminance) != dark


def test_kernel_runs_this_interpreter(lab_page):
    path = lab_page.write_notebook("which.ipynb", ["import sys; print(sys.executable)"])
    lab_page.open(path)
    lab_page.run_all()
    lab_page.wait_idle()
    assert lab_page.cell_output_text(0).strip() == sys.executable


def test_wait_idle_waits_for_a_running_cell(lab_page):
    slow = "import threading; threading.Event().wait(2); print('done')"
    lab_page.open(lab_page.write_notebook("slow.ipynb", [slow, "print('next')"]))
    lab_page.run_all()
    lab_page.wait_idle()
    assert [lab_page.cell_output_text(index).strip() for index in (0, 1)] == ["done", "next"]


def test_a_cell_below_the_screen_is_reached(lab_page):
    lab_page.open(lab_page.write_notebook("long.ipynb", ["print('line\\n' * 100)"] * 9 + ["6 * 7"]))
    lab_page.run_all()
    lab_page.wait_idle()
    assert lab_page.cell_output_text(9) == "42"


def test_an_interrupt_ends_a_cell(lab_page):
    forever = "import threading\nprint('started')\nthreading.Event().wait()"
    lab_page.open(lab_page.write_notebook("forever.ipynb", [forever]))
    lab_page.run_cell(0)
    lab_page.cell_output(0).get_by_text("started").wait_for()
    lab_page.interrupt()
    lab_page.wait_idle()
    assert "KeyboardInterrupt" in lab_page.cell_output_text(0)
