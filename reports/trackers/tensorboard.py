"""A run as event files of TensorBoard: one folder over all seeds, and one for each seed."""

from __future__ import annotations

from pathlib import Path

from imprint.reports.trackers.tracked import OVER_SEEDS, Tracked


def write(run: Tracked, target: Path) -> None:
    """Write ``target/<run>/<group>/events...``; the step is the age. Needs the package ``tensorboard``."""
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.proto.summary_pb2 import Summary, SummaryMetadata
    from tensorboard.compat.proto.tensor_pb2 import TensorProto
    from tensorboard.summary.writer.event_file_writer import EventFileWriter

    for group, curves in run.curves.items():
        writer = EventFileWriter(str(target / run.name / group))
        if group == OVER_SEEDS:
            about = SummaryMetadata(plugin_data=SummaryMetadata.PluginData(plugin_name="text"))
            texts = {**run.words, "settings": "\n".join(f"    {key}: {text}" for key, text in run.settings.items())}
            for name, text in texts.items():
                tensor = TensorProto(dtype="DT_STRING", string_val=[text.encode()])
                summary = Summary(value=[Summary.Value(tag=name, metadata=about, tensor=tensor)])
                writer.add_event(Event(summary=summary))
        for name, points in curves.items():
            for age, value in points:
                summary = Summary(value=[Summary.Value(tag=name, simple_value=value)])
                writer.add_event(Event(step=age, summary=summary))
        writer.close()
