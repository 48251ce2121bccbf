"""A release as one container on a Docker Engine, handed over beside the old one."""
