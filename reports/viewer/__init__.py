"""Many runs, studies, sweeps and answered questions on one page: what ``imprint view`` shows. Imports no torch."""
