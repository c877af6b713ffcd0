"""Processes that compute for a study: those of this machine, or a Dask cluster's."""
