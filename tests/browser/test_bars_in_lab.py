"""Bars of code that knows nothing of jobs, and its log, on a card in a real JupyterLab."""

import re

LOAD = (
    "%load_ext caikit_nb\nimport logging\nlogging.basicConfig(format='%(levelname)s %(message)s')"
)
WAIT = "while not pathlib.Path('bars-go').exists(): time.sleep(0.02)"

KINDS = f"""%%caikit_job kinds
import pathlib, sys, time
import rich
from rich.progress import BarColumn, Progress, TextColumn
from rich.table import Table
from tqdm.notebook import tqdm

columns = ("{{task.description}}", BarColumn(), TextColumn("loss {{task.fields[loss]:.2f}}"))
with Progress(*columns) as progress:
    train = progress.add_task("[green]training", total=40, loss=0.31)
    find = progress.add_task("searching", total=None, loss=1)
    progress.update(train, advance=25)
    progress.update(find, advance=3)
    progress.console.print("a [bold magenta]rich[/] line beside a bar, 3/4 of it")
    for _ in tqdm(range(5), desc="batches"):
        pass
    logging.warning("a record of a handler of an earlier cell")
    print("Epoch 2/5")
    for step in range(61):
        drawn = "=" * (step // 4) + ">" + "." * (25 - step // 4)
        print(f"\\r{{step:3d}}/100 [{{drawn}}] - loss: {{1 / (step + 1):.3f}}", end="", flush=True)
    {WAIT}
print()
table = Table("metric", "value", title="result")
table.add_row("[cyan]accuracy", "0.93")
rich.print(table, {{"done": True}})"""


def test_bars_of_every_kind_are_on_the_card(lab_page):
    lab_page.open(lab_page.write_notebook("bars.ipynb", [LOAD, KINDS]))
    lab_page.run_all()
    lab_page.wait_idle()
    card = lab_page.cell_output(1)
    card.get_by_text("60/100 [").wait_for()
    for label in ("training", "searching", "batches", "Epoch 2/5"):
        card.get_by_role("progressbar", name=label).wait_for()
    shown = [bar.get_attribute("aria-label") for bar in card.get_by_role("progressbar").all()]
    assert shown[0] == "training", "the outermost comes first"
    assert len(shown) == 4
    assert "loss 0.31" in card.inner_text()
    assert card.get_by_text("rich", exact=True).evaluate("e => getComputedStyle(e).fontWeight") in (
        "700",
        "bold",
    )
    lab_page.pictures("bars-running")
    (lab_page.server.root / "bars-go").touch()
    card.get_by_text("completed").wait_for()
    card.get_by_text("accuracy").first.wait_for()
    card.get_by_text("'done'").scroll_into_view_if_needed()
    lab_page.picture("bars-completed")
    text = card.inner_text()
    assert text.count("/100 [") == 1, "the printed bar is one line of the log"
    assert text.count("a record of a handler") == 1
    assert not re.search(r"[\x1b\r]|\[\d+m", text)
