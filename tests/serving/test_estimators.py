"""Models of many kinds: what they say of their tensors is so, and the card's client runs.

They are fitted in a fixture: what their packages start stands against forks, which other tests of
this process need.
"""

import importlib.util
from typing import Any

import numpy as np
import pytest

from caikit_nb.serving.model_server import ModelServer
from caikit_nb.serving.settings import ServerSettings
from tests.serving.conftest import START_S
from tests.waiting import until

ROWS = np.random.default_rng(0).normal(size=(60, 3))
LABELS = (ROWS[:, 0] > 0).astype(int)
WORDS = np.where(LABELS, "yes", "no")
FILMS = ["good film", "bad film"] * 30
COLUMNS = {"age": ROWS[:, 0], "town": ["Bonn", "Ulm"] * 30, "rooms": [1, 2, 3] * 20, "note": FILMS}

OF_SKLEARN = (
    *("classes", "words", "numbers", "forest", "scaler", "clusters", "texts", "searched"),
    *("vectors", "several", "uneven", "table", "named", "categories", "ordinals", "boosted"),
)
OF_OTHERS = {
    "xgboost": (
        "xgboost",
        "xgboost native",
        "xgboost names",
        "xgboost town",
        "xgboost native town",
    ),
    "lightgbm": ("lightgbm", "lightgbm native", "lightgbm town", "lightgbm native town"),
    "catboost": ("catboost", "catboost classes", "catboost names"),
}
NAMES = OF_SKLEARN + tuple(
    name
    for package, names in OF_OTHERS.items()
    if importlib.util.find_spec(package) is not None
    for name in names
)


def categorical(table: Any) -> Any:
    """Its numbers, and its towns as pandas' categories."""
    return table[["age", "town"]].astype({"town": "category"})


def of_sklearn() -> dict[str, Any]:
    import pandas as pd
    from sklearn.cluster import KMeans
    from sklearn.compose import make_column_transformer
    from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestRegressor
    from sklearn.feature_extraction.text import HashingVectorizer, TfidfVectorizer
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LinearRegression, LogisticRegression
    from sklearn.model_selection import GridSearchCV
    from sklearn.multioutput import MultiOutputClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler

    table = pd.DataFrame(COLUMNS)
    columns = make_column_transformer(
        (make_pipeline(SimpleImputer(), StandardScaler()), ["age"]),
        (OneHotEncoder(), ["town", "rooms"]),
        (TfidfVectorizer(), "note"),
    )
    texts = make_pipeline(TfidfVectorizer(), LogisticRegression())
    several = MultiOutputClassifier(LogisticRegression())
    grades = np.arange(60) % 3
    named = table[["age", "rooms"]]
    return {
        "classes": LogisticRegression().fit(ROWS, LABELS),
        "words": LogisticRegression().fit(ROWS, WORDS),
        "numbers": LinearRegression().fit(ROWS, ROWS[:, :2]),
        "forest": RandomForestRegressor(5).fit(ROWS, ROWS[:, 0]),
        "scaler": StandardScaler().fit(ROWS),
        "clusters": KMeans(2, n_init=1).fit(ROWS),
        "texts": texts.fit(FILMS, WORDS),
        "searched": GridSearchCV(texts, {"logisticregression__C": [1, 2]}, cv=2).fit(FILMS, WORDS),
        "vectors": HashingVectorizer(n_features=8).fit(FILMS),
        "several": several.fit(ROWS, np.stack([LABELS, LABELS], 1)),
        "uneven": several.__class__(LogisticRegression()).fit(ROWS, np.stack([LABELS, grades], 1)),
        "table": make_pipeline(columns, LogisticRegression()).fit(table, WORDS),
        "named": LinearRegression().fit(named, LABELS),
        "categories": make_pipeline(OneHotEncoder(), LogisticRegression()).fit(
            table[["town", "note"]].to_numpy(object), LABELS
        ),
        "boosted": HistGradientBoostingClassifier(categorical_features="from_dtype").fit(
            categorical(table), LABELS
        ),
        "ordinals": OrdinalEncoder().fit(table[["town"]]).set_output(transform="pandas"),
    }


def of_others() -> dict[str, Any]:
    """Those of packages that are installed here."""
    import pandas as pd

    models: dict[str, Any] = {}
    table = pd.DataFrame(COLUMNS)
    if importlib.util.find_spec("xgboost"):
        import xgboost

        booster = {"objective": "binary:logistic"}
        models["xgboost"] = xgboost.XGBClassifier(n_estimators=3).fit(ROWS, LABELS)
        models["xgboost native"] = xgboost.train(booster, xgboost.DMatrix(ROWS, LABELS), 3)
        matrix = xgboost.DMatrix(table[["age", "rooms"]], LABELS)
        models["xgboost names"] = xgboost.train(booster, matrix, 3)
        towns, is_ulm = categorical(table), (table["town"] == "Ulm").astype(int)
        few = xgboost.XGBClassifier(n_estimators=3, enable_categorical=True)
        models["xgboost town"] = few.fit(towns, is_ulm)
        matrix = xgboost.DMatrix(towns, is_ulm, enable_categorical=True)
        models["xgboost native town"] = xgboost.train(booster, matrix, 3)
    if importlib.util.find_spec("lightgbm"):
        import lightgbm

        quiet = {"verbose": -1, "objective": "binary"}
        models["lightgbm"] = lightgbm.LGBMClassifier(n_estimators=3, verbose=-1).fit(ROWS, LABELS)
        models["lightgbm native"] = lightgbm.train(quiet, lightgbm.Dataset(ROWS, LABELS), 3)
        towns, many = categorical(table), {"min_child_samples": 5}
        few = lightgbm.LGBMClassifier(n_estimators=3, verbose=-1, **many)
        models["lightgbm town"] = few.fit(towns, table["town"] == "Ulm")
        numbers = lightgbm.Dataset(towns, (table["town"] == "Ulm").astype(int))
        models["lightgbm native town"] = lightgbm.train(quiet | many, numbers, 3)
    if importlib.util.find_spec("catboost"):
        import catboost

        more = {"iterations": 3, "verbose": 0, "allow_writing_files": False}
        named = table[["age", "town"]]
        models["catboost"] = catboost.CatBoostRegressor(**more).fit(ROWS, ROWS[:, 0])
        models["catboost classes"] = catboost.CatBoostClassifier(**more).fit(ROWS, WORDS)
        models["catboost names"] = catboost.CatBoostClassifier(**more, cat_features=["town"]).fit(
            named, LABELS
        )
    return models


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    settings = ServerSettings(root=tmp_path_factory.mktemp("root"))
    models = {**of_sklearn(), **of_others()}
    assert set(models) == set(NAMES)
    with ModelServer("estimators", settings, models, "0") as running:
        assert running.wait_until_ready(START_S)
        yield running


def tensors_of(values: dict[str, Any]) -> list[Any]:
    from tritonclient.grpc import InferInput
    from tritonclient.utils import np_to_triton_dtype

    tensors = []
    for name, array in values.items():
        tensors.append(InferInput(name, array.shape, np_to_triton_dtype(array.dtype)))
        tensors[-1].set_data_from_numpy(array)
    return tensors


def infer(client, model: str, values: dict[str, Any], *outputs: str) -> dict[str, Any]:
    from tritonclient.grpc import InferRequestedOutput

    wanted = [InferRequestedOutput(name) for name in outputs] or None
    answer = client.triton.infer(model, tensors_of(values), outputs=wanted, client_timeout=START_S)
    return {each.name: each for each in answer.get_response().outputs} | {"": answer}


def run_snippet(server: ModelServer, name: str) -> dict[str, Any]:
    """Run the card's client of one of the models; returns its answer."""
    from caikit_nb.serving.snippet import client_snippet

    until(lambda: server.models)
    model = next(each for each in server.models if each.id == name)
    source, _, last = client_snippet(server.settings, server.target, [model]).rpartition("\n")
    names: dict[str, Any] = {}
    exec(source, names)
    return eval(last, names)


@pytest.mark.parametrize("name", NAMES)
def test_the_snippet_runs(server, name) -> None:
    (answer,) = run_snippet(server, name).values()
    assert len(answer) == 1


@pytest.mark.parametrize("name", NAMES)
def test_metadata_is_what_answers_look_like(server, client, name) -> None:
    """Types and shapes of all outputs, asked with what the metadata say of the inputs."""
    from tests.serving.example_values import values_for

    meta = client.triton.get_model_metadata(name)
    specs = next(each.inputs for each in server.models if each.id == name)
    assert [(s.name, s.datatype, list(s.shape)) for s in specs] == [
        (each.name, each.datatype, list(each.shape)) for each in meta.inputs
    ]
    for rows in (1, 3):
        names = [each.name for each in meta.outputs]
        found = infer(client, name, values_for(specs, rows), *names)
        for told in meta.outputs:
            given = found[told.name]
            assert given.datatype == told.datatype, told.name
            assert len(given.shape) == len(told.shape)
            assert all(a in (-1, b) for a, b in zip(told.shape, given.shape, strict=True)), told
            assert rows in given.shape
