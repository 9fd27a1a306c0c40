"""Takes the pictures of the README and the docs from a running page:
`python -m tests.pictures LINK FOLDER [BEAD]`, where LINK is what `oya-vcs ui --link` prints."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.browser import browser


async def take(link: str, folder: Path, bead: str) -> None:
    """The graph with a bead, dark; the queue, light."""
    folder.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory() as profile:
        async with browser(Path(profile)) as tab:
            await tab.looks(1360, 760)
            await tab.goes(link)
            if bead:
                await tab.run("oya.view.graph.pathBox.click()")
                await tab.run(f"oya.view.graph.select('{bead}', true)")
                await tab.until("document.querySelector('#panel .timeline li')")
                await tab.until("(oya.view.graph.canvas.fit(), true)")
            await tab.until("performance.now() > oya.view.graph.canvas.moving + 1200")
            await tab.picture(folder / "graph.png")
            await tab.run("document.querySelector('#panel button.close')?.click()")
            await tab.looks(1360, 760, dark=False)
            await tab.run("location.hash = '#queue'")
            await tab.until("document.querySelector('#view-queue .figures')")
            await tab.picture(folder / "queue.png")


if __name__ == "__main__":
    asyncio.run(take(sys.argv[1], Path(sys.argv[2]), *(sys.argv[3:4] or [""])))
