"""The language host, workers and clients speak; this part knows neither side."""
