"""What runs inside a measured process: standard library alone, so that any environment can be measured."""
