"""checkpoint + bundle + sentences -> how fast the runtime answers, compared with others; see docs/runtime-speed.md."""
