"""Images in and out: sources, packed arrays, endless batches, sinks."""
