"""What several test areas share: guests, waiting, running the command line."""
