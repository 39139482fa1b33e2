"""Run folders and question folders as pages read them."""
