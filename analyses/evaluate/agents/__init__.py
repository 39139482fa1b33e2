"""The evaluation of a setup of agents."""
