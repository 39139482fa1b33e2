"""Organisms: small subjects of which it is known what they latched onto, and a test of detectors on them.

``make`` writes a folder of organisms, ``score`` scores a detector, or those that ship, on it.
"""

from imprint.analyses.organisms.making import Made as Made
from imprint.analyses.organisms.making import make as make
from imprint.analyses.organisms.scoring import Scored as Scored
from imprint.analyses.organisms.scoring import score as score
