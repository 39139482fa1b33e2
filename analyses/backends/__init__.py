"""Where cells of work run: processes of this machine, or the workers of a Dask or Ray cluster."""
