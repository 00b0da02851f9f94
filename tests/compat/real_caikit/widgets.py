"""A caikit module as its users write them, with the public API alone."""

import os
import threading
import time
from pathlib import Path

import caikit.core
from caikit.core import (
    DataObjectBase,
    ModuleBase,
    ModuleConfig,
    ModuleLoader,
    ModuleSaver,
    TaskBase,
)
from caikit.core.data_model import dataobject

from tests.fifo import Fifo


@dataobject(package="caikit_nb.tests")
class Sample(DataObjectBase):
    """What the model reads."""

    number: float


@dataobject(package="caikit_nb.tests")
class Scaled(DataObjectBase):
    """What it answers."""

    number: float


@caikit.core.task(required_parameters={"sample": Sample}, output_type=Scaled)
class ScalingTask(TaskBase):
    """Multiplies."""


@caikit.core.module("6a5f2c1e-0001-4c1b-9a55-3f6f0f1d2a01", "Scaling", "0.0.1", ScalingTask)
class Scaling(ModuleBase):
    """Multiplies by a factor that it has learned."""

    def __init__(self, factor: float = 1.0, trained_by: int = 0) -> None:
        super().__init__()
        self.factor, self.trained_by = factor, trained_by
        self.lock = threading.Lock()  # so that pickle can't take it

    @classmethod
    def train(
        cls, numbers: list[float], start: ModuleBase | None = None, fail: str = ""
    ) -> ModuleBase:
        """The mean is the factor; a model to start with multiplies it."""
        print(f"training on {len(numbers)} numbers")
        if fail:
            raise RuntimeError(fail)
        factor = sum(numbers) / len(numbers) * (1.0 if start is None else start.factor)
        return cls(factor, os.getpid())

    def save(self, model_path: str) -> None:
        """Write the factor."""
        with ModuleSaver(self, model_path=model_path) as saver:
            saver.update_config({"factor": self.factor, "trained_by": self.trained_by})

    @classmethod
    def load(cls, model_path: str | ModuleConfig) -> ModuleBase:
        """Read it."""
        config = ModuleLoader(model_path).config
        return cls(config["factor"], config["trained_by"])

    @ScalingTask.taskmethod()
    def run(self, sample: Sample) -> Scaled:
        """Multiply."""
        if sample.number < 0:
            raise ValueError("negative")
        return Scaled(sample.number * self.factor)

    def run_when(self, path: str, sample: Sample) -> Scaled:
        """Multiply once there is such a file."""
        while not Path(path).exists():
            time.sleep(0.005)
        return self.run(sample)


class Held(Scaling):
    """Trains when it is told to."""

    @classmethod
    def train(cls, held: Fifo) -> ModuleBase:  # type: ignore[override]
        """The factor is what it hears."""
        return Scaling(float(held.hear()))
