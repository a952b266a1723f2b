"""What pack takes from a VOC folder, and the account of what it does not."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from include.formats.text import some
from secondlook.failures.exceptions import VocFolderError
from secondlook.records.voc_folder import VocFault

if TYPE_CHECKING:
    from collections.abc import Iterator

    from secondlook.records.voc_folder import VocFolder, VocImage
    from secondlook.runtime.task_log import Log
    from secondlook.training import ImageIdentities


class VocIntake:
    """Reads one folder and keeps the books: every file of it is accounted for once.

    :param folder: the folder.
    :param address: what to call it.
    :param log: where faults and the account go.
    """

    def __init__(self, folder: VocFolder, address: str, log: Log) -> None:
        self.folder = folder
        self._address = address
        self._log = log
        self._used: set[str] = set()
        self._left_out: set[str] = set()
        self.rejected: list[dict[str, Any]] = []
        self.images_left_out = 0
        for note in folder.reader.notes():
            log.info("%s: %s", address, note)
        for fault in folder.reader.not_read():
            self._leave_out(fault)

    @property
    def names(self) -> tuple[str, ...]:
        """Every name of the folder, whatever its lists say."""
        return tuple(self.folder.reader.entries)

    def tell_unread_lists(self) -> None:
        """Name the lists of a folder of which every image counts."""
        lists = [file.path for file in self.folder.reader.contents.lists.values()]
        if lists:
            self._log.warning(
                "%s: every image of a holdout counts, %d lists are not read: %s.",
                *(self._address, len(lists), some(lists)),
            )

    def usable(
        self,
        names: tuple[str, ...],
        *,
        job_name: str,
        first_of: dict[str, str],
        part: str | None = None,
        held_out: ImageIdentities | None = None,
    ) -> Iterator[VocImage]:
        """Yield the images of these names; everything else is added to ``rejected``.

        :param first_of: the address of what was used already, by SHA-256: copies of it are left out. What is
            used now is added.
        :param held_out: images that must not be among them.
        """
        for item in self.folder.read(names, job_name=job_name, part=part):
            if isinstance(item, VocFault):
                self._leave_out(item)
            elif held_out is not None and item.line in held_out:
                reason = f"{item.line.image} is in the holdout: never train on it."
                self._leave_out(VocFault(item.line.image, "in-holdout", reason, item.paths))
            elif (first := first_of.setdefault(str(item.line.sha256), item.line.image)) != item.line.image:
                reason = f"{item.line.image} has the same content as {first}, which counts: delete one."
                self._leave_out(VocFault(item.line.image, "copy", reason, item.paths))
            else:
                self._used.update(item.paths)
                yield item

    def _leave_out(self, fault: VocFault) -> None:
        self.rejected.append(fault.to_record())
        if fault.code != "box":
            self._left_out.update(fault.paths)
        self.images_left_out += fault.of_image
        self._log.warning("Left out: %s", fault.reason)

    def most_frequent(self) -> str:
        """Tell the most frequent reason for which images are left out, as the end of a sentence."""
        reasons = {line["code"]: line["reason"] for line in reversed(self.rejected)}
        codes = Counter(line["code"] for line in self.rejected if line["code"] not in ("box", "not-read"))
        if not codes:
            return ""
        code, count = codes.most_common(1)[0]
        return f" Most frequent is {code} ({count}), for example: {reasons[code]}"

    def refuse_one_fault_of_all(self) -> None:
        """Stop when most boxes have the same fault: the set was exported wrongly, and no image is to blame.

        Raises
        ------
        VocFolderError
            One sentence with the likely cause.
        """
        cause = self.folder.reader.tally.cause()
        if cause:
            raise VocFolderError(f"{self._address}: {cause}")

    def log_account(self, kept_back: frozenset[str] = frozenset()) -> None:
        """Say what became of every file.

        :param kept_back: names that the lists keep for testing.
        """
        counts = self.account(kept_back)
        told = ", ".join(f"{len(paths)} {what}" for what, paths in counts.items() if paths)
        total = sum(map(len, counts.values()))
        labels = self.folder.reader.tally.labels_note()
        if labels:
            self._log.warning("%s: %s", self._address, labels)
        self._log.info("%s: of %d files %s.", self._address, total, told or "none is of use")
        unlisted = sorted(counts["of images in no list that is read"])
        if unlisted:
            self._log.warning(
                "%s: %d files are of images in no list that is read, and were left out: %s.",
                *(self._address, len(unlisted), some(unlisted)),
            )

    def account(self, kept_back: frozenset[str] = frozenset()) -> dict[str, set[str]]:
        """Return the paths of all files by what became of them, each in one set."""
        contents = self.folder.reader.contents
        seen = self._used | self._left_out
        waiting: dict[bool, set[str]] = {True: set(), False: set()}
        for name, entry in contents.entries.items():
            paths = {file.path for file in (*entry.images, *entry.annotations)}
            waiting[name in kept_back] |= paths - seen
        return {
            "used": self._used,
            "left out with a reason": self._left_out,
            "kept for testing by a list": waiting[True],
            "of images in no list that is read": waiting[False],
            "in ImageSets": {file.path for file in contents.lists.values()},
            "skipped": {file.path for file, _ in contents.leftovers},
        }
