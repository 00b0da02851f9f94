"""A model server's card in a real JupyterLab."""

import pytest

LOAD = "%load_ext caikit_nb\nimport subprocess, sys\nimport numpy as np"

FIT = """from sklearn.linear_model import LogisticRegression
rng = np.random.default_rng(0)
rows = rng.normal(size=(200, 3))
churn = LogisticRegression().fit(rows, rows[:, 0] > 0)
server = caikit_nb.serve(churn, "churn", token=True)"""

ASK = '''ask = """
import sys, numpy as np, tritonclient.grpc as triton
client = triton.InferenceServerClient(sys.argv[1])
for n in range(200):
    values = np.zeros((1, 4 if n == 199 else 3))
    tensor = triton.InferInput("input", values.shape, "FP64")
    tensor.set_data_from_numpy(values)
    client.infer("churn", [tensor], headers={"authorization": "Bearer " + sys.argv[2]})
"""
asked = subprocess.run([sys.executable, "-c", ask, server.target, server.token])'''


@pytest.fixture
def page(lab_page):
    lab_page.open(lab_page.write_notebook("serving.ipynb", [LOAD, FIT, ASK, "server.stop()"]))
    return lab_page


def test_the_card_shows_models_requests_and_the_last_error(page):
    for cell in range(3):
        page.run_cell(cell)
        page.wait_idle()
    card = page.cell_output(1)
    card.get_by_role("cell", name="200").wait_for()
    card.get_by_text("last error: the tensor must have the shape").wait_for()
    card.get_by_text("Client (a click selects it)").click()
    card.get_by_text("tritonclient").wait_for()
    page.pictures("server")


def test_the_button_stops_the_server(page):
    for cell in range(2):
        page.run_cell(cell)
        page.wait_idle()
    card = page.cell_output(1)
    card.get_by_role("status").get_by_text("serving").wait_for()
    card.get_by_role("button", name="Stop").click()
    card.get_by_text("stopped").wait_for()
    assert card.get_by_role("button", name="Stop").count() == 0
    page.picture("server-stopped")
