"""The evaluation of a setup of learners."""
