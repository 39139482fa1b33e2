"""``run.json``: provenance of a run, and the SHA-256 of every file that it left."""

from __future__ import annotations

import time
from collections.abc import Sequence

from imprint.analyses import engine
from imprint.analyses.engine import Outcome
from imprint.analyses.evaluate.run import AnySetup
from imprint.analyses.provenance import software
from imprint.analyses.registration import OF_RUNS, SESSIONS, ledger
from imprint.models.files import REGISTRATION, write_json
from imprint.models.store import RunFolder

LEFTOVERS = (*OF_RUNS, "run.json", "begun.json", "report.html", REGISTRATION, SESSIONS)
"""Files that a run leaves, and that starting it afresh removes."""


def write_record(
    setup: AnySetup, folder: RunFolder, outcomes: Sequence[Outcome], started: float, findings: bytes
) -> None:
    """Provenance; besides registration and sessions the only file that depends on when and where a run was made.

    ``findings``: the content of ``findings.parquet``, which is written after this.
    """
    files = ledger(folder.path, OF_RUNS, findings=findings)
    record = {
        "setup": setup.run_name,
        "ages": list(setup.planned),
        "seeds": setup.schedule.seeds,
        "versions": software(),
        "commit": files["commit"],
        "machine": {**files["machine"], "cores": engine.available_cores()},
        "registration": files["registration"],
        "started": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(started)),
        "seconds": round(time.time() - started, 1),
        "first_result": files["first_result"],
        "failed": [{"cell": o.cell, "error": o.error} for o in outcomes if o.error is not None],
        "cell_seconds": {o.cell: o.seconds for o in outcomes},
        "files": files["files"],
    }
    write_json(folder.path / "run.json", record)
