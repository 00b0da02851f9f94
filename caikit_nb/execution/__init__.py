"""Run a call in another thread or process, reliably. Knows no jobs and no notebook."""
