"""The contract of a section: a question about the run, answered as a dictionary that a template renders.

A section is one file here and one template of the same name in ``templates/sections`` (a section from another package
keeps its template beside its module). The file name is the section's anchor on the page. ``collect`` knows no HTML and
its template no statistics.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar

from imprint.models.registry import Family
from imprint.reports.figures.axes import palette
from imprint.reports.reading.run import RunData

SECTIONS = Family("sections", "imprint.reports.sections", "Section")


class Section(ABC):
    """One part of the page. Concrete sections are final and live one to a file."""

    order: ClassVar[int]
    """Place on the page, from 0."""
    title: ClassVar[str]
    """Heading, and entry of the contents."""
    open: ClassVar[bool] = False
    """Whether the section is unfolded when the page is opened; the first one always is."""

    @abstractmethod
    def collect(self, run: RunData) -> dict[str, Any] | None:
        """What the template needs, or None when the section does not apply to this run.

        Keys that the page knows: ``figures`` (list of :class:`Figure`), ``tables`` (list of :class:`Table`),
        ``missing`` (sentences that say what could not be shown and why), ``gist`` (the sentence that stands for the
        section while it is folded; by default the reading of its first figure), and ``script`` (a template with the
        section's own script, which runs after all else and must hold no template marks). A section with nothing but
        ``missing`` is a single line of the page.
        """


def colours_of(run: RunData) -> dict[str, str]:
    """The colour that each concept, or goal of agents, has throughout the page."""
    return palette(run.intended, run.proxies, [name for name in run.concepts if name not in run.goals])
