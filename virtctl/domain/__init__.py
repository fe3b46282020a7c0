"""The domain document as values: elements, what libvirt fills in, and what it refuses. No side effects."""
