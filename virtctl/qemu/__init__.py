"""QEMU: the command line, the process, its monitors, its saved images and its jobs."""
