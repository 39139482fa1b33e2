"""The question cue-competition."""
