"""What the gate measured: schema, files, and the summary that `load` reads."""
