"""Lifetimes: one learner or agent raised from birth, and what is kept of it at every planned age."""
