"""One module per family of commands. A body opens the driver, calls one verb and says the result."""
