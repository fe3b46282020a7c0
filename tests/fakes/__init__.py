"""Stand-ins for programs, for faults that the real ones do not produce on request."""
