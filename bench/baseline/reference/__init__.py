"""The measured part of metricd's interface, as a Python service."""
