"""caikit's trainings and prediction jobs as jobs of ours (contracts J20 to J31).

Import it before caikit is configured, and ask for it in caikit's configuration::

    import caikit
    import caikit_nb.compat.caikit

    caikit.configure(config_dict=caikit_nb.compat.caikit.CONFIG)

From then on ``caikit.train(…)`` in a notebook shows a card, stands in the table of jobs, survives
interrupts of the kernel, and its result obeys its retention. In a configuration file it is
``type: CAIKIT_NB`` with ``import_class: caikit_nb.compat.caikit.ModelTrainer``.
"""

from caikit.core.model_management.factories import job_predictor_factory, model_trainer_factory
from caikit.core.module_backends.backend_types import register_backend_type

from caikit_nb.compat.caikit.job_predictor import JobPredictor
from caikit_nb.compat.caikit.model_trainer import ModelTrainer
from caikit_nb.compat.caikit.module_backend import ModuleBackend
from caikit_nb.compat.caikit.names import TYPE

CONFIG = {
    "model_management": {
        "trainers": {
            "default": {
                "type": TYPE,
                "config": {
                    "use_subprocess": False,
                    "subprocess_start_method": "spawn",
                    "retention_duration": "1d",
                },
            }
        },
        "job_predictors": {"default": {"type": TYPE, "config": {"retention_duration": "1d"}}},
        "initializers": {
            "default": {
                "type": "LOCAL",
                "config": {"backend_priority": [{"type": TYPE}, {"type": "LOCAL"}]},
            }
        },
    }
}
"""What `caikit.configure` takes for all of it: trainer, job predictor and module backend."""

model_trainer_factory.register(ModelTrainer)
job_predictor_factory.register(JobPredictor)
register_backend_type(ModuleBackend)

__all__ = ["CONFIG", "JobPredictor", "ModelTrainer", "ModuleBackend"]
