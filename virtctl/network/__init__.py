"""Host networking for guests: taps and bridges."""
