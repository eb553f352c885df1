"""Modules that a vLLM server loads: they run in its environment, not in this one."""
