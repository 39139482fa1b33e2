"""How learners and agents learn: many seeds stacked as one, gradients, rollouts, novelty, learned rewards."""
