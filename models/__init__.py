"""What learns, in what, driven by what: worlds, learners, steering, assessors, and the lifetime that joins them."""
