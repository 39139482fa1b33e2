"""seed-count: how many training seeds the page rests on."""

from imprint.reports.sections.base import Section


class SeedCount(Section):
    """One sentence."""

    order = 900
    title = "How many training seeds"

    def collect(self, run):
        """What ``seed_count.html`` shows."""
        return {"seeds": int(run.findings["seed"].nunique())}
