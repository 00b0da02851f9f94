"""Where jobs, the rows of experiments, and model servers meet."""
