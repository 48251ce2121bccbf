"""A release as a service of a Docker Swarm, on as many nodes as the environment wants."""
