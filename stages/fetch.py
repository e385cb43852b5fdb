"""`avloc corpus fetch` and `avloc corpus unpack`: the clips of a list onto the disk."""

from pathlib import Path
from typing import Annotated

import typer

from pipeline.errors import InputError
from pipeline.execution.progress import console, track
from pipeline.execution.summary import happened, show_summary
from pipeline.fetch.archives import Unpacked, unpack
from pipeline.fetch.clips import Manners, fetch_clips
from pipeline.fetch.errors import CAUSES
from pipeline.fetch.missing import NAME
from pipeline.fetch.pace import Pace
from pipeline.fetch.videos import YOUTUBE, finder
from pipeline.fetch.wanted import read_wanted

app = typer.Typer()

_To = Annotated[Path, typer.Option("--to", help="The corpus' folder.")]


@app.command("fetch")
def fetch(
    listed: Annotated[Path, typer.Argument(metavar="LIST", help="Any official list of clips.")],
    to: _To = Path("data/vggsound"),
    height: Annotated[int, typer.Option(min=64, help="Of the tallest copy that is taken.")] = 360,
    seconds: Annotated[float, typer.Option(min=1, help="Of a clip.")] = 10.0,
    per_minute: Annotated[float, typer.Option(min=0.1, help="Questions to the site.")] = 20.0,
    at_once: Annotated[int, typer.Option(min=1, max=16, help="Clips at a time.")] = 1,
    tries: Annotated[int, typer.Option(min=1, help="Before a clip is left for next time.")] = 4,
    pause: Annotated[
        float, typer.Option(min=0, help="Seconds before the second try, then doubled.")
    ] = 5.0,
    stall: Annotated[float, typer.Option(min=1, help="Seconds without an answer.")] = 30.0,
    again: Annotated[bool, typer.Option(help="Ask again for what was gone for good.")] = False,
    address: Annotated[str, typer.Option(help="Of a video, with {video} in it.")] = YOUTUBE,
) -> None:
    """Fetch a list's clips, cut to the frame, or go on after a stop; never one twice.

    What cannot be had stands with its cause in missing.parquet in the corpus' folder. Whose the
    videos are, and what their site allows: see data/README.md.

    Example: [bold]avloc corpus fetch data/annotations/vggss_available_4655.txt[/bold]
    """
    clips = read_wanted(listed)
    manners = Manners(Pace(per_minute), tries, pause, at_once, stall)
    asked = finder(address, height, stall)
    counts = fetch_clips(clips, to, asked, manners, seconds=seconds, again=again)
    causes = happened({cause: counts.get(cause, 0) for cause in CAUSES})
    causes |= happened({"known to be gone": counts["settled"]})
    fetched, there = counts.get("fetched", 0), counts["there"]
    show_summary(
        f"fetch {listed.name}",
        {"clips of the list": len(clips), "there before": there, "fetched": fetched, **causes},
        to,
    )
    line = f"{fetched:,} fetched, {there:,} there before, {sum(causes.values()):,} missing"
    if causes:
        told = ", ".join(f"{cause} {count:,}" for cause, count in causes.items())
        line += f" ({told}): {to / NAME}"
    console.print(line, markup=False, soft_wrap=True)


@app.command("unpack")
def unpack_archives(
    archives: Annotated[list[Path], typer.Argument(metavar="ARCHIVE...", help="tar, tar.gz, zip.")],
    to: _To = Path("data/vggsound"),
) -> None:
    """Unpack archives of clips, or go on after a stop; a damaged clip is named and left out.

    Example: [bold]avloc corpus unpack vggsound_00.tar.gz --to data/vggsound[/bold]
    """
    damaged: list[str] = []
    for archive in archives:
        *_, found = Unpacked(), *track(unpack(archive, to), archive.name, 0)
        counts = {"written": found.written, "there before": found.there}
        show_summary(
            f"unpack {archive.name}",
            {**counts, **happened({"left out": found.left_out, "damaged": len(found.damaged)})},
            to,
        )
        damaged += found.damaged
    if damaged:
        lines = "".join(f"\n  {line}" for line in damaged)
        raise InputError(f"damaged, {len(damaged)} in all; all others are unpacked:{lines}")
