"""Results as text: virsh's own tables, JSON and YAML, and rich tables on a terminal."""
