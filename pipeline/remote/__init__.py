"""A server of Écluse as the command sees it: the same questions, answered there instead of by this machine."""
