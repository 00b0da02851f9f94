"""Where background jobs and the jobs of experiments meet.

What is missing here is named with its extra.
"""

from caikit_nb.experiments import ExperimentDB

__all__ = ["ExperimentDB"]
