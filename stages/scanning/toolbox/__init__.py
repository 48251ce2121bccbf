"""What goes into the scanners' image: its Dockerfile, its lock and the programs that run inside."""
