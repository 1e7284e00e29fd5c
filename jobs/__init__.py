"""Jobs: reviewed presets, one file a command."""
