"""``crmlab lab``: JupyterLab on a reader's own copies; the originals stay as they are."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from crmlab.course import copies
from crmlab.course.copies import Options
from crmlab.errors import SourceNotFound
from crmlab.language import _, speaking
from crmlab.report.chapters import Chapter, choose

#: Folder of the copies, in the current one.
FOLDER = "crmlab-notebooks"

#: JupyterLab asks its reader whether it may fetch news, and other hosts for newer versions. These
#: settings and those in the folder turn it off for this run; the reader's own settings stay.
_SETTINGS = Path(__file__).parent / "jupyter"
_NO_OTHER_HOSTS = (
    "--LabApp.news_url=None",
    "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
    "--LabApp.extension_manager=readonly",
)


@dataclass(frozen=True)
class Lab:
    """What JupyterLab will open.

    Attributes
    ----------
    folder : Path
    made, kept, older : tuple of Path
        Copies made just now; copies that were there; those of them that are of another edition of
        their chapter than crmlab has now.
    opened : Path or None
        The notebook to open; None for the folder.
    """

    folder: Path
    made: tuple[Path, ...]
    kept: tuple[Path, ...]
    older: tuple[Path, ...]
    opened: Path | None

    def command(self, jupyter: Sequence[str] = ()) -> list[str]:
        """The command that opens it, with further options of ``jupyter lab``."""
        root = os.path.abspath(self.folder)
        page = f"/lab/tree/{self.opened.name}" if self.opened else "/lab"
        lab = [sys.executable, "-m", "jupyterlab"]
        where = [f"--ServerApp.root_dir={root}", f"--LabApp.default_url={page}"]
        return [*lab, *where, *_NO_OTHER_HOSTS, *jupyter]


@dataclass
class _Found:
    made: list[Path] = field(default_factory=list)
    kept: list[Path] = field(default_factory=list)
    older: list[Path] = field(default_factory=list)


def environment(given: Mapping[str, str]) -> dict[str, str]:
    """The environment for JupyterLab: its kernel is this Python, and our settings come last."""
    settings = [*filter(None, given.get("JUPYTER_CONFIG_PATH", "").split(os.pathsep)), _SETTINGS]
    ours = {"JUPYTER_CONFIG_PATH": os.pathsep.join(map(str, settings))}
    return {"JUPYTER_PREFER_ENV_PATH": "1", **given, **ours}


def prepare(
    chapters: Sequence[str] = (),
    options: Options | None = None,
    *,
    folder: str | Path = "",
    here: str | Path = "",
) -> Lab:
    """Find or make the copies.

    A copy that was made with the same options is opened again, with all that the reader has
    written into it. Without options, the copy that bears the chapter's plain name is opened.

    Parameters
    ----------
    chapters : sequence of str
        Numbers or names; all chapters if empty. A single one is opened at once.
    options : Options, optional
        The bundled company, in English, by default.
    folder : str or Path
        Folder of the copies. Default: the current folder if it has copies, as one made by
        ``crmlab new`` has; else ``crmlab-notebooks`` in it.
    here : str or Path
        The current folder.

    Raises
    ------
    CrmlabError
        If a chapter or the data are not to be had, or the folder cannot be written to.
    """
    options = options or Options()
    place = Path(folder).expanduser() if folder else _usual_folder(Path(here))
    with speaking(options.language):
        return _prepare(chapters, options, place)


def _prepare(chapters: Sequence[str], options: Options, place: Path) -> Lab:
    chosen = choose(chapters)
    found = _Found()
    wanted = [_existing(chapter, options, place) for chapter in chosen]
    crm = options.workspace() if None in wanted else None
    opened = []
    for chapter, path in zip(chosen, wanted, strict=True):
        if path is None:
            path = _make(chapter, options, place, crm)
            found.made.append(path)
        else:
            found.kept.append(path)
            if _is_older(path, chapter):
                found.older.append(path)
        opened.append(path)
    return Lab(
        place,
        tuple(found.made),
        tuple(found.kept),
        tuple(found.older),
        opened[0] if len(chapters) == 1 else None,
    )


def _usual_folder(here: Path) -> Path:
    if any(copies.about(path).get("chapter") for path in sorted(here.glob("[0-9][0-9]_*.ipynb"))):
        return here
    return here / FOLDER


def _existing(chapter: Chapter, options: Options, folder: Path) -> Path | None:
    plain = folder / chapter.path.name
    if options == Options() and plain.exists():
        return plain
    parameters = options.parameters(folder)
    for path, note in copies.find(folder, chapter).items():
        if note.get("parameters") == parameters:
            return path
    return None


def _make(chapter: Chapter, options: Options, folder: Path, crm: object) -> Path:
    notebook = copies.copy_of(chapter, options, folder, crm)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        path = copies.name_for(chapter, options, folder)
        copies.write(notebook, path)
    except OSError as error:
        message = _(
            "The folder {folder} cannot be written to: {reason}. Name another with --folder."
        )
        raise SourceNotFound(
            message.format(folder=folder, reason=error.strerror or error)
        ) from error
    return path


def _is_older(path: Path, chapter: Chapter) -> bool:
    noted = copies.about(path).get("edition")
    return noted is not None and noted != copies.edition(chapter.read())


def start(lab: Lab, jupyter: Sequence[str] = ()) -> int:
    """Run JupyterLab until it is stopped; its exit code."""
    process = subprocess.Popen(lab.command(jupyter), env=environment(os.environ))
    while True:
        try:
            return process.wait()
        except KeyboardInterrupt:
            # JupyterLab has got it too, and asks whether it shall stop.
            continue
