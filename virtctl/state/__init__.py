"""What is kept on disk: definitions, what is known of running guests, locks, and records of work in progress."""
