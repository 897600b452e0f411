"""Some modules Dovecot takes from where an installed one has them, whatever its settings say: one that was only unpacked is
shown its own there."""

import os
from pathlib import Path

PLACE = "/usr/lib/dovecot/modules"
SHOW = """
mount -t tmpfs tmpfs "$0"
mkdir -p "$0/new/dovecot/modules" "$0/work"
mount -t overlay overlay -o "lowerdir=/usr/lib,upperdir=$0/new,workdir=$0/work" /usr/lib
mount --bind "$1" /usr/lib/dovecot/modules
shift
exec "$@"
"""


def shown(root, folder, user=None):
    """The words that run a command that sees the modules below `root`, as that user if root runs it; nobody else sees them."""
    as_user = ("setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups") if user and os.getuid() == 0 else ()
    if Path(PLACE).exists():
        return as_user
    layer = folder / "modules"
    layer.mkdir()
    alone = ("--mount",) if os.getuid() == 0 else ("--user", "--map-current-user", "--keep-caps", "--mount")
    return ("unshare", *alone, "sh", "-ec", SHOW, layer, root / PLACE[1:], *as_user)
