"""The tests in `real_caikit` run where caikit is, which is not here."""

import importlib.util

collect_ignore = [] if importlib.util.find_spec("caikit") else ["real_caikit"]
