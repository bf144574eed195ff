"""What the gate measured: schema, files, and the summary that `load` reads; outcomes of self-tests."""
