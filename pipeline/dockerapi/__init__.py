"""One way to reach a Docker Engine, shared by the adapters that speak to one."""
