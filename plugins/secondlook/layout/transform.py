"""Where the batch transform of one night lies in S3."""

from __future__ import annotations

from dataclasses import dataclass

from secondlook.layout.addresses import steps


@dataclass(frozen=True, slots=True)
class TransformFolder:
    """The folder of a night's batch transform; what lies there is of no use once the predictions are written.

    Attributes
    ----------
    key
        Of the folder, without a slash at its end.
    """

    key: str

    def rejected(self) -> str:
        """Return the note that the model's answers are of no use."""
        return f"{self.key}/rejected.json"

    def waves(self) -> str:
        """Return what the keys of all waves' manifests begin with."""
        return f"{self.key}/wave-"

    def wave(self, number: int) -> str:
        """Return the manifest of one wave, from 1."""
        return f"{self.waves()}{number}.manifest"

    def wave_number(self, key: str) -> int:
        """Return the number of the wave whose manifest this is."""
        return int(key.removeprefix(self.waves()).removesuffix(".manifest"))

    def outputs(self) -> str:
        """Return the folder of the outputs of all jobs."""
        return f"{self.key}/out"

    def job(self, number: int, name: str) -> str:
        """Return the output path of a job of wave ``number``.

        Each job has its own: an output there says that exactly this job had an answer, whatever others had.
        """
        return f"{self.outputs()}/{number}/{name}"

    def job_of(self, key: str) -> tuple[int, str]:
        """Return the wave and the name of the job whose output this is."""
        number, name, *_ = steps(self.outputs(), key)
        return int(number), name
