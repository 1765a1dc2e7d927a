"""The runtime: the driver at the edge between the pure machine, the handlers, the scopes and the trace store."""
