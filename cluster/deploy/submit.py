"""The line that runs a command on a cluster, as every job's `--help` shows it.

Its exit status is the command's own. Ctrl-C stops the watching, not the command: `ray job logs -f`
watches again, `ray job stop` stops it. Does not know what the command does.
"""

ADDRESS = "http://127.0.0.1:8265"
"""Where `ray dashboard ray-cluster.yaml` opens the tunnel to the head."""
RUNTIME_ENVIRONMENT = "cluster/deploy/runtime-env.yaml"


def line(command: str, *, cores: int = 0) -> str:
    """Return the shell line, to be run in the repository's root, that submits a command.

    Args:
        command: what runs on the cluster.
        cores: that its own process computes on: a worker's. With none it runs on the head, which
            has none to offer.
    """
    share = f"--entrypoint-num-cpus {cores} " if cores else ""
    return (
        f"RAY_AUTH_MODE=token ray job submit --address {ADDRESS} --working-dir . "
        f"--runtime-env {RUNTIME_ENVIRONMENT} {share}-- {command}"
    )
