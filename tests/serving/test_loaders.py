"""The registry of formats, and what makes a model of what was read."""

import logging
from importlib import metadata
from pathlib import Path

import numpy as np
import pytest

from caikit_nb.errors import InvalidRequestError, ModelRefusedError
from caikit_nb.serving.loaders import loader_types
from caikit_nb.serving.loaders.base import Loader
from caikit_nb.serving.loaders.loader_types import choose_loader, loaders, register_loader
from caikit_nb.serving.model_kinds import as_model


class TextLoader(Loader):
    """A format of somebody else's."""

    names = ("text",)
    suffixes = (".text",)

    def load(self, path: Path):
        word = path.read_text()
        return lambda x: np.array([word])


@pytest.fixture(autouse=True)
def own_loaders(monkeypatch):
    monkeypatch.setattr(loader_types, "_loaders", list(loaders()))


def test_a_package_adds_a_format_by_an_entry_point(monkeypatch, tmp_path, caplog) -> None:
    good = metadata.EntryPoint("text", f"{__name__}:TextLoader", loader_types.ENTRY_POINTS)
    broken = metadata.EntryPoint("broken", "no.such.module:Loader", loader_types.ENTRY_POINTS)
    monkeypatch.setattr(loader_types, "_loaded", False)
    monkeypatch.setattr(metadata, "entry_points", lambda group: [broken, good])
    (tmp_path / "m.text").write_text("hello")
    with caplog.at_level(logging.WARNING):
        loader, file = choose_loader("text", tmp_path)
    assert "no.such.module" in caplog.text
    model = as_model(loader.load(file))
    assert model.predict({"x": np.zeros(1)}, [])["output"].tolist() == ["hello"]


@pytest.mark.parametrize("wrong", [3, object, dict])
def test_only_loaders_are_registered(wrong) -> None:
    with pytest.raises(TypeError):
        register_loader(wrong)


def test_a_name_is_one_formats() -> None:
    register_loader(TextLoader)
    with pytest.raises(ValueError, match="taken"):
        register_loader(TextLoader)


def test_a_type_is_told_by_its_name_or_the_files_ending(tmp_path) -> None:
    (tmp_path / "a.ONNX").touch()
    (tmp_path / "readme.md").touch()
    assert choose_loader("auto", tmp_path)[0].names[0] == "onnx"
    assert choose_loader(" OnnX ", tmp_path)[1] == tmp_path / "a.ONNX"
    assert choose_loader("joblib", tmp_path / "readme.md")[0].names[0] == "sklearn"
    (tmp_path / "b.skops").touch()
    with pytest.raises(InvalidRequestError, match="2 files"):
        choose_loader("auto", tmp_path)
    with pytest.raises(InvalidRequestError, match="no file"):
        choose_loader("cloudpickle", tmp_path)
    with pytest.raises(InvalidRequestError, match="modelType must be one of auto, sklearn"):
        choose_loader("tensorflow", tmp_path)


def test_what_can_not_be_asked_is_no_model() -> None:
    for wrong in (3, None, "text", [1]):
        with pytest.raises(ModelRefusedError, match="predict"):
            as_model(wrong)
    with pytest.raises(ModelRefusedError, match="by its name"):
        as_model(lambda x, /: x)
    with pytest.raises(ModelRefusedError, match=r"a parameter with a name, and has \*arrays"):
        as_model(lambda *arrays: arrays[0])


async def wait_for(x):
    return x


def count_to(x):
    yield x


class Waiting:
    async def __call__(self, x):
        return x


@pytest.mark.parametrize("function", [wait_for, count_to, Waiting()])
def test_what_returns_no_arrays_is_no_model(function) -> None:
    with pytest.raises(ModelRefusedError, match="serve a function that returns its arrays"):
        as_model(function)


def test_functions_are_given_what_they_name() -> None:
    one = np.ones(2)
    assert as_model(lambda values: values).predict({"x": one}, [])["output"] is not None
    assert set(as_model(lambda **tensors: tensors).predict({"p": one, "q": one}, [])) == {"p", "q"}
    pair = as_model(lambda a, b=2: (a, a * b))
    assert set(pair.predict({"a": one}, [])) == {"output_0", "output_1"}
    assert set(pair.predict({"a": one}, ["output_1"])) == {"output_1"}
    for wrong in ({"b": one}, {"a": one, "c": one}, {}):
        with pytest.raises(InvalidRequestError):
            pair.predict(wrong, [])


def test_columns_with_names_may_come_as_tensors_of_those_names() -> None:
    import pandas as pd
    from sklearn.linear_model import LinearRegression

    table = pd.DataFrame({"age": [1.0, 2, 3], "height": [3.0, 1, 2]})
    model = as_model(LinearRegression().fit(table, [1.0, 2, 3]))
    expected = model.predict({"rows": table.to_numpy()}, [])["predict"]
    columns = {name: table[name].to_numpy() for name in table}
    np.testing.assert_allclose(model.predict(columns, [])["predict"], expected)
    with pytest.raises(InvalidRequestError, match="one length"):
        model.predict({**columns, "age": np.zeros(2)}, [])
    with pytest.raises(InvalidRequestError, match="one for each of age, height"):
        model.predict({"age": np.zeros(2), "size": np.zeros(2)}, [])


@pytest.mark.parametrize(
    ("version", "is_safe"),
    [("0.11.0", False), ("0.7.post0", False), ("0.12rc1", True), ("1.0", True)],
)
def test_a_skops_that_builds_more_than_it_says_is_not_used(
    monkeypatch, tmp_path, estimators, version, is_safe
) -> None:
    import skops.io

    skops.io.dump(estimators["churn"], tmp_path / "m.skops")
    loader, file = choose_loader("skops", tmp_path)
    monkeypatch.setattr(metadata, "version", lambda name: version)
    if is_safe:
        assert loader.load(file).predict([[0.0, 0.0, 0.0]]).shape == (1,)
    else:
        with pytest.raises(ModelRefusedError, match="not safe"):
            loader.load(file)
