"""receptor: the response of a sense organ, which saturates (Naka & Rushton 1966).

response(t) = high * sense(t) / (sense(t) + half),   negative senses count as 0
"""

from pydantic import Field

from imprint.models.steering.base import Signal, SignalSettings


class Receptor(Signal):
    """A saturating response to one sense."""

    class Settings(SignalSettings):
        """What a setup may say of it under ``steering:``."""

        sense: str
        """The sense that it responds to."""
        half: float = Field(0.5, gt=0.0, le=1e6)
        """Strength of the sense at which the response is half of its largest."""
        high: float = Field(1.0, gt=0.0, le=1e6)
        """Largest response."""

    unit = "response of a receptor"

    @property
    def reads(self):
        """The one sense."""
        return frozenset({self.settings.sense})

    @property
    def range(self):
        """0 to the largest response."""
        return (0.0, self.settings.high)

    def compute(self, senses, body, rng):
        """Responses ``[n, T]``."""
        sense = senses[self.settings.sense].clamp(min=0.0)
        return self.settings.high * sense / (sense + self.settings.half)
