"""Print jobs: the queue to each printer, what is told about it, and what may be asked of a receipt."""
