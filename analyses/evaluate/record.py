"""``run.json``: provenance of a run, and the SHA-256 of every file that it left."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import pandas as pd

from imprint.analyses import engine
from imprint.analyses.engine import Outcome
from imprint.analyses.evaluate.procedure import Pooling
from imprint.analyses.provenance import software
from imprint.analyses.registration import OF_RUNS, SESSIONS, ledger
from imprint.models.files import REGISTRATION, csv_text, table_bytes, write_bytes, write_json

LEFTOVERS = (*OF_RUNS, "run.json", "begun.json", "exposed.json", "report.html", REGISTRATION, SESSIONS)
"""Files that a run leaves, and that starting it afresh removes."""


def write_findings(
    pooling: Pooling[Any], outcomes: Sequence[Outcome], table: pd.DataFrame, *, started: float, **more: Any
) -> None:
    """Findings and record of a run; ``findings.parquet`` comes last, so that it stands for a whole run."""
    content = table_bytes(pooling.folder.findings_file, table)
    write_bytes(pooling.folder.path / "findings.csv", csv_text(table).encode())
    _write_record(pooling, outcomes, started=started, findings=content, **more)
    write_bytes(pooling.folder.findings_file, content)


def _write_record(
    pooling: Pooling[Any], outcomes: Sequence[Outcome], *, started: float, findings: bytes, **more: Any
) -> None:
    """Provenance; besides registration and sessions the only file that depends on when and where a run was made.

    ``findings``: the content of ``findings.parquet``, which is written after this. ``more``: further entries.
    """
    folder = pooling.folder
    files = ledger(folder.path, OF_RUNS, findings=findings)
    record = {
        "setup": pooling.setup.run_name,
        "ages": list(pooling.ages),
        "seeds": len(pooling.seeds),
        "versions": software(),
        "commit": files["commit"],
        "machine": {**files["machine"], "cores": engine.available_cores()},
        "registration": files["registration"],
        "started": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(started)),
        "seconds": round(time.time() - started, 1),
        "first_result": files["first_result"],
        "failed": [{"cell": o.cell, "error": o.error} for o in outcomes if o.error is not None],
        "cell_seconds": {o.cell: o.seconds for o in outcomes},
        "cell_cpu": {o.cell: o.cpu for o in outcomes},
        "files": files["files"],
        **more,
    }
    write_json(folder.path / "run.json", record)
