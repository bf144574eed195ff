"""Is the working tree slower than an earlier commit? Both on this machine, in the same rounds."""
