"""Stages on a Docker Swarm: the swarm chooses the node and holds the room, the node's own engine runs the container."""
