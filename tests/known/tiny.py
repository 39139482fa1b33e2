"""The smallest settings with which a setup of learners still has everything."""

TINY = {
    "schedule.seeds": 2,
    "schedule.worlds": 1,
    "schedule.together": 2,
    "schedule.experiences": 640,
    "schedule.ages": 3,
    "evaluation.episodes": 600,
    "evaluation.resamples": 100,
    "evaluation.twins": 2,
    "evaluation.nulls": 8,
    "evaluation.latch_twins": 5,
    "evaluation.placebos": 2,
}
