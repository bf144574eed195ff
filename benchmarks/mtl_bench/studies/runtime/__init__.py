"""checkpoint + bundle + sentences -> how fast the runtime answers beside other ways; see docs/runtime-speed.md."""
