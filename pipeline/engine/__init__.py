"""Plan to run: scheduler, runner, attempts, logs, reports."""
