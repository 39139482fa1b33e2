"""Studies: models that were trained elsewhere, examined as they come and pooled like the learners of a setup."""
