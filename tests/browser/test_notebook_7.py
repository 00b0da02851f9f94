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


def run_cells(page: Any, count: int) -> None:
    page.locator(".jp-Notebook .jp-Cell").first.click()
    for _ in range(count):
        page.keyboard.press("Shift+Enter")


def test_a_card_lives_and_is_live_again_after_a_reload(lab_page):
    lab_page.write_notebook("seven.ipynb", [LOAD, TRAIN])
    (lab_page.server.root / "seven").unlink(missing_ok=True)
    page, server = lab_page.page, lab_page.server
    page.goto(f"{server.url}/notebooks/seven.ipynb?token={server.token}")
    page.wait_for_function("() => window.jupyterapp?.shell?.currentWidget?.context?.isReady")
    lab_page.wait_idle()
    run_cells(page, 2)
    card = page.locator(".caikit-card")
    card.get_by_text("3/5").wait_for()
    assert card.get_by_role("button", name="Cancel").is_visible()
    lab_page.screenshot("notebook-7-running")
    lab_page.save()
    page.reload()
    card.get_by_text("3/5").wait_for()
    (server.root / "seven").touch()
    card.get_by_text("completed").wait_for()
    assert "epoch 4 is over" in card.inner_text()
    lab_page.screenshot("notebook-7-completed")
