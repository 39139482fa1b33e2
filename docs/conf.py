"""Sphinx configuration: ``make docs`` builds these pages, runs every tutorial, and fails at the first warning."""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pygments.lexers.special import TextLexer
from sphinx.util import logging

import imprint

sys.path.insert(0, str(Path(__file__).parent.parent))
from docs import seeds  # this folder is in no package

seeds.write()

project = "imprint"
author = "The imprint developers"
version = release = imprint.__version__
extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.autosummary", "sphinx.ext.napoleon"]
html_theme = "furo"
html_title = f"imprint {release}"
html_show_copyright = False
html_static_path = ["_static"]
html_js_files = ["reach.js"]
exclude_patterns = ["_build"]

# Tutorials run as notebooks, each time, and an error in one is an error of the build.
nb_execution_mode = "force"
nb_execution_in_temp = True
nb_execution_raise_on_error = True
nb_execution_timeout = 600
nb_merge_streams = True
nb_output_stderr = "remove"  # warnings of other packages name folders of the machine that builds the pages
myst_heading_anchors = 3
myst_enable_extensions = ["colon_fence"]

autosummary_generate = True
autodoc_member_order = "bysource"
autodoc_typehints = "none"
# Docstrings are plain text with ``code``, and their formulas are literal blocks by indentation alone.
# Members of our own base classes stand on the page of each class; those of other packages' do not.
autodoc_default_options = {"members": True, "inherited-members": "BaseModel,ABC,Generic,object"}

OUTSIDE = re.compile(r"\[([^\]]+)\]\(\.\./[^)]*\)")
"""A link to a file outside of docs/."""


def without_outside_links(app: Any, name: str, source: list[str]) -> None:
    """Links to files that the site does not hold become the file's name."""
    source[0] = OUTSIDE.sub(r"\1", source[0])


def public_members() -> Iterator[str]:
    """Dotted names of everything public, and of every member that it has from a class of this package."""
    for name in set(imprint.__all__) - {"__version__"}:
        yield f"imprint.{name}"
        if inspect.isclass(found := getattr(imprint, name)):
            for cls in found.__mro__:
                if cls.__module__.startswith("imprint"):
                    own = set(vars(cls)) | set(vars(cls).get("__annotations__", {}))
                    yield from (f"imprint.{name}.{member}" for member in own if not member.startswith(("_", "model_")))


def every_member_is_there(app: Any, env: Any) -> None:
    """A warning, which fails the build, for every public member that is on no page of the reference."""
    missing = sorted(set(public_members()) - set(env.get_domain("py").objects))
    for name in missing:
        logging.getLogger(__name__).warning("%s is on no page of the reference; has it a docstring?", name)


def setup(app: Any) -> None:
    """Register what changes pages before they are read."""
    app.add_lexer("mermaid", TextLexer)
    app.connect("source-read", without_outside_links)
    app.connect("env-check-consistency", every_member_is_there)
