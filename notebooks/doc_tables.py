"""Parts of the documentation that are read from the package itself.

``caikit-settings`` is a table of the settings; ``caikit-magic-help NAME`` is a magic's own help.
A name in a docstring, such as `JobFuture.result`, leads to the one object whose name ends so.
"""

from __future__ import annotations

import inspect
from typing import Any, ClassVar

from docutils import nodes
from ipython_pygments_lexers import IPython3Lexer
from pygments.lexer import bygroups
from pygments.token import Keyword, Operator, Text
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective
from sphinx.util.nodes import make_refnode

from caikit_nb.notebook.magics import CaikitMagics
from caikit_nb.notebook.settings import CaikitJobs


def setting_rows() -> list[tuple[str, str, str]]:
    """Each setting's name, value as shipped, and help."""
    traits = CaikitJobs.class_own_traits(config=True)
    shipped = CaikitJobs()
    rows = []
    for name, trait in sorted(traits.items()):
        value = "the cores" if name == "max_workers" else repr(getattr(shipped, name))
        rows.append((name, value, trait.help))
    return rows


class SettingsTable(SphinxDirective):
    """The table of the settings."""

    def run(self) -> list[nodes.Node]:
        """Make it."""
        group = nodes.tgroup(cols=3)
        group += [nodes.colspec(colwidth=width) for width in (22, 16, 62)]
        head = [nodes.Text(word) for word in ("setting", "as shipped", "meaning")]
        group += nodes.thead("", row(*head))
        body = nodes.tbody()
        for name, value, text in setting_rows():
            body += row(nodes.literal("", name), nodes.literal("", value), nodes.Text(text))
        group += body
        return [nodes.table("", group)]


def row(*cells: nodes.Node) -> nodes.row:
    """A row of a table."""
    return nodes.row("", *(nodes.entry("", nodes.paragraph("", "", cell)) for cell in cells))


class MagicHelp(SphinxDirective):
    """A magic's docstring as it stands."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Make it."""
        text = inspect.getdoc(getattr(CaikitMagics, self.arguments[0])) or ""
        return [nodes.literal_block(text, text, language="text")]


class CellLexer(IPython3Lexer):
    """Cells, and among them those that become jobs: below the magic's line they are Python."""

    tokens: ClassVar[dict[str, Any]] = {
        **IPython3Lexer.tokens,
        "root": [
            (r"\A(%%)(caikit_job)([^\n]*\n)", bygroups(Operator, Keyword, Text)),
            *IPython3Lexer.tokens["root"],
        ],
    }


def find_by_end(
    app: Sphinx, env: Any, node: nodes.Element, content: nodes.Element
) -> nodes.Element | None:
    """The link to the only object whose name ends as the reference says; None if there is none."""
    if node.get("refdomain") != "py":
        return None
    domain, target = env.get_domain("py"), node["reftarget"]
    found = domain.find_obj(env, None, None, target, None, 1)
    if len(found) != 1:
        return None
    name, entry = found[0]
    return make_refnode(app.builder, node["refdoc"], entry.docname, entry.node_id, content, name)


def without_widgets(app: Sphinx, pagename: str, templatename: str, context: Any, tree: Any) -> None:
    """Leave out the state of widgets, which no page shows."""
    scripts = context["script_files"]
    kept = [each for each in scripts if "widget-state" not in str(getattr(each, "attributes", ""))]
    context["script_files"] = kept


def setup(app: Sphinx) -> dict[str, Any]:
    """Called by Sphinx."""
    app.add_lexer("ipython3", CellLexer)
    app.connect("html-page-context", without_widgets, priority=900)
    app.connect("missing-reference", find_by_end)
    app.add_directive("caikit-settings", SettingsTable)
    app.add_directive("caikit-magic-help", MagicHelp)
    return {"parallel_read_safe": True}
