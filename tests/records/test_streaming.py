"""What keeps memory from growing with a night: lazy listings, few images ahead, single parts."""

from __future__ import annotations

import io
import json
import threading
from typing import Any

import pytest

from secondlook.hooks.s3 import ObjectChangedError, ObjectMissingError, ObjectStore
from secondlook.layout import TransformFolder, below
from secondlook.records.predictions import NightImages
from secondlook.records.transforms import ManifestWriter, output_root
from secondlook.records.wave_outputs import WaveOutputs
from secondlook.records.waves import Waves
from secondlook.scoring.shards import Shard
from secondlook.threads import in_order

NIGHT = "2026-11-20"


def test_only_a_few_items_are_taken_ahead_and_the_order_is_kept() -> None:
    taken = 0
    lock = threading.Lock()

    def items() -> Any:
        nonlocal taken
        for number in range(1000):
            with lock:
                taken += 1
            yield number

    for done, outcome in enumerate(in_order(lambda number: number * 2, items(), concurrency=4)):
        assert outcome == done * 2
        assert taken <= done + 2 * 4
    assert taken == 1000


def test_the_first_error_ends_the_rest() -> None:
    seen: list[int] = []

    def fail_at_five(number: int) -> int:
        seen.append(number)
        if number == 5:
            raise ValueError(number)
        return number

    with pytest.raises(ValueError, match="5"):
        list(in_order(fail_at_five, range(1000), concurrency=2))
    assert len(seen) <= 5 + 1 + 2 * 2


@pytest.fixture
def store(project: Any) -> ObjectStore:
    return ObjectStore(project.bucket)


def test_a_shard_is_listed_from_its_begin_and_no_further_than_its_end(
    project: Any, store: ObjectStore
) -> None:
    folder = project.layout.images(NIGHT)
    for name in ("a.jpg", "b/1.jpg", "b/2.jpg", "b.jpg", "ü.jpg", "😀.jpg"):
        project.put(f"{folder}/{name}", b"x")
    images = NightImages(store, project.layout, NIGHT)
    names = list(images.names())
    # S3 lists by the names' bytes: the dot comes before the slash.
    assert names == ["a.jpg", "b.jpg", "b/1.jpg", "b/2.jpg", "ü.jpg", "😀.jpg"]
    for start in range(len(names)):
        for end in range(start, len(names)):
            shard = Shard(0, names[start], names[end], 0, 1)
            found = [below(images.folder, item.key) for item in images.of(shard)]
            assert found == names[start + 1 : end + 1]


def test_a_file_is_written_once(project: Any, store: ObjectStore) -> None:
    store.upload_if_absent("once", io.BytesIO(b"first"), metadata={"images": "1"})
    with pytest.raises(ObjectChangedError):
        store.upload_if_absent("once", io.BytesIO(b"second"))
    assert project.get("once") == b"first"
    assert store.read_start("once", 3) == b"fir"


INPUTS = "shapes/images/2026-11-20"
REPEATED = ["out", "out/2026-11-20", "out/images/2026-11-20", "out/shapes/images/2026-11-20"]


@pytest.mark.parametrize("root", REPEATED)
def test_outputs_are_found_whichever_folders_are_repeated(
    project: Any, store: ObjectStore, root: str
) -> None:
    # SageMaker Developer Guide, "Batch Transform": folders of the input appear below the output path.
    project.put(f"{root}/slide/a.jpg.out", b"{}")
    project.put("out/wave-1.manifest", b"[]")
    names = {"slide/a.jpg"}
    assert output_root(store, "out", INPUTS, names.__contains__) == root
    assert output_root(store, "elsewhere", INPUTS, names.__contains__) == "elsewhere"


@pytest.mark.parametrize("root", REPEATED)
def test_a_folder_of_images_is_not_taken_for_a_repeated_one(
    project: Any, store: ObjectStore, root: str
) -> None:
    # The second is a trap: its output looks like that of the third with a folder repeated.
    names = {"2026-11-20/0.jpg", "2026-11-20/a.jpg", "a.jpg", "images/2026-11-20/b.jpg"}
    for name in names:
        project.put(f"{root}/{name}.out", b"{}")
    project.put("out/0-from-elsewhere.out", b"{}")
    assert output_root(store, "out", INPUTS, names.__contains__) == root


def test_of_several_answers_about_an_image_the_earliest_waves_counts(
    project: Any, store: ObjectStore
) -> None:
    for name in ("a.jpg", "b.jpg", "c.jpg"):
        project.put(f"images/night/{name}", b"x")
    # As text, 10 comes before 2, and the second try of a job before the first.
    for job, name in (("1/job-2", "a"), ("2/job", "a"), ("2/job", "b"), ("10/job", "b"), ("10/job", "c")):
        project.put(f"t/out/{job}/night/{name}.jpg.out", f"{name} by {job}".encode())
    outputs = WaveOutputs(store, TransformFolder("t"), "images", "night/")
    answers = [outputs.read(f"night/{name}.jpg") for name in "abc"]
    assert answers == [b"a by 1/job-2", b"b by 2/job", b"c by 10/job"]
    with pytest.raises(ObjectMissingError, match="has answered about images/night/d"):
        outputs.read("night/d.jpg")
    assert outputs.any_name() == "night/a.jpg"
    assert outputs.answered(10, "job", "night/b.jpg")
    assert not outputs.answered(10, "job", "night/a.jpg")
    assert outputs.answered(1, "job-2", None)
    assert not outputs.answered(1, "job", None)


@pytest.mark.parametrize("control", ["b.jpg", 'odd "name"/\n\\ü😀.jpg', "ü" * 500])
def test_a_wave_is_read_as_it_was_written(project: Any, store: ObjectStore, control: str) -> None:
    waves = Waves(store, TransformFolder("t"), "images")
    assert waves.last() is None
    written = None
    for number in (1, 2, 10):
        with waves.new(number) as new:
            new.add("a.jpg")
            new.add("z.jpg")
            written = new.write(control=control if number > 1 else None, refusals=number // 10)
        assert waves.last() == written
    assert written is not None
    assert (written.images, written.control, written.refusals) == (2, control, 1)
    assert json.loads(project.get(written.manifest))[1:] == ["a.jpg", "z.jpg", control]
    with waves.new(10) as late:
        late.add("b.jpg")
        late.write()
    assert waves.last() == written


def test_a_manifest_is_written_name_by_name() -> None:
    buffer = io.BytesIO()
    manifest = ManifestWriter(buffer, "s3://bucket/night")
    manifest.add('odd "name"/ü.jpg')
    manifest.add("b.jpg")
    manifest.close()
    expected = b'[\n{"prefix": "s3://bucket/night/"},\n"odd \\"name\\"/\\u00fc.jpg",\n"b.jpg"\n]\n'
    assert buffer.read() == expected
    assert manifest.names == 2
