"""The card in Notebook 7, which has no panel and no workspace."""

from typing import Any

LOAD = "%load_ext caikit_nb"
TRAIN = """%%caikit_job train
import pathlib, time
for epoch in caikit_nb.progress(range(5), desc="epochs"):
    print(f"epoch {epoch} is over")
    caikit_nb.log_metric(loss=1 / (epoch + 1))
    while epoch == 3 and not pathlib.Path("seven").exists():
        time.sleep(0.02)"""


# What a person would ever see of the widgets' own way to fail.
BLUNDERS = ("Loading widget", "Error displaying widget", "model not found")


def open_notebook(lab_page: Any) -> None:
    page, server = lab_page.page, lab_page.server
    page.goto(f"{server.url}/notebooks/seven.ipynb?token={server.token}")
    page.wait_for_function("() => window.jupyterapp?.shell?.currentWidget?.context?.isReady")
    lab_page.wait_idle()


def run_cells(page: Any, count: int) -> None:
    page.locator(".jp-Notebook .jp-Cell").first.click()
    for _ in range(count):
        page.keyboard.press("Shift+Enter")


def test_a_card_lives_and_is_live_again_after_a_reload(lab_page):
    lab_page.write_notebook("seven.ipynb", [LOAD, TRAIN])
    (lab_page.server.root / "seven").unlink(missing_ok=True)
    page, server = lab_page.page, lab_page.server
    open_notebook(lab_page)
    run_cells(page, 2)
    card = page.locator(".caikit-card")
    card.get_by_text("3/5").wait_for()
    assert card.get_by_role("button", name="Cancel").is_visible()
    lab_page.picture("notebook-7-running")
    lab_page.save()
    page.reload()
    card.get_by_text("3/5").wait_for()
    (server.root / "seven").touch()
    card.get_by_text("completed").wait_for()
    assert "epoch 4 is over" in card.inner_text()
    lab_page.picture("notebook-7-completed")


def test_a_saved_card_is_shown_once_its_kernel_is_gone(lab_page):
    lab_page.write_notebook("seven.ipynb", [LOAD, TRAIN])
    page, server = lab_page.page, lab_page.server
    (server.root / "seven").touch()
    open_notebook(lab_page)
    run_cells(page, 2)
    page.locator(".caikit-card").get_by_text("completed").wait_for()
    lab_page.save()
    server.shut_down_kernels()
    page.reload()
    saved = page.locator(".jp-Cell-outputArea").filter(has_text="train")
    saved.get_by_text("epoch 4 is over").wait_for()
    assert "completed" in saved.inner_text()
    assert saved.locator("svg").count() >= 1, "the chart is there"
    assert not saved.get_by_role("button", name="Cancel").count()
    assert not [words for words in BLUNDERS if words in saved.inner_text()]
    lab_page.picture("notebook-7-without-kernel")
