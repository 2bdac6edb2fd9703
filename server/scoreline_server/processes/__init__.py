"""Processes of ``scoreline serve``: supervisor, workers, ports and the ops HTTP port."""
