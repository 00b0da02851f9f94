"""What it is called in caikit's configuration."""

TYPE = "CAIKIT_NB"
