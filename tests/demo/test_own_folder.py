"""A person's own VOC folder: dealt without overlap, and a sentence for whatever is wrong with it."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import tomllib
from pathlib import Path

import pytest
from PIL import Image

from include.demo.archive import ArchiveError
from include.demo.demo_settings import DRAWN, demo_settings, write_settings
from include.demo.disk_folder import DiskFolder
from include.demo.prepare import load_index, main, save_index
from include.demo.upload import LAYOUT, upload_archive
from include.demo.voc_folder import deal_folder
from include.formats.voc import VocFault, VocFolder
from secondlook.jsonl import decode

BCCD = Path(__file__).resolve().parents[3] / "shared" / "data" / "bccd"


def voc_folder(folder, stems, label="Cell"):
    for name in ("JPEGImages", "Annotations"):
        (folder / name).mkdir(parents=True)
    for stem in stems:
        Image.new("RGB", (20, 10), "pink").save(folder / "JPEGImages" / f"{stem}.jpg")
        (folder / "Annotations" / f"{stem}.xml").write_text(
            "<annotation><size><width>20</width><height>10</height><depth>3</depth></size><object>"
            f"<name>{label}</name><bndbox><xmin>1</xmin><ymin>2</ymin><xmax>5</xmax><ymax>6</ymax></bndbox>"
            "</object><object><name>cell</name><bndbox><xmin>3</xmin><ymin>3</ymin><xmax>3</xmax>"
            "<ymax>9</ymax>"
            "</bndbox></object></annotation>"
        )


def test_a_voc_folder_is_dealt_without_overlap(tmp_path):
    voc_folder(tmp_path / "voc", [f"p{number:03d}" for number in range(60)])
    (tmp_path / "voc" / "JPEGImages" / "torn.jpg").write_bytes(b"\xff\xd8 torn")
    (tmp_path / "voc" / "Annotations" / "torn.xml").write_text("<annotation>")
    (tmp_path / "voc" / "JPEGImages" / "lonely.jpg").write_bytes(b"")
    archive, dealt = deal_folder(tmp_path / "voc", tmp_path / "archive", seed=0)
    assert (dealt.bootstrap, dealt.nights, dealt.holdout) == (16, (11, 11, 10), 12)
    assert [sentence.split()[0] for sentence in dealt.left_out] == [
        "JPEGImages/lonely.jpg",
        "Annotations/torn.xml",
    ]
    names = [path.name for path in archive.files() if path.suffix == ".jpg"]
    assert len(names) == len(set(names)) == 60
    assert archive.labels == ("Cell", "cell")
    assert {box.label for boxes in archive.truth.values() for box in boxes} == {"Cell"}
    again, _ = deal_folder(tmp_path / "voc", tmp_path / "again", seed=0)
    assert again.truth == archive.truth


def test_a_folder_that_is_no_voc_folder_is_refused_in_one_sentence(tmp_path):
    with pytest.raises(ArchiveError, match="not a PASCAL VOC folder: it has no JPEGImages folder"):
        deal_folder(tmp_path, tmp_path / "archive", seed=0)
    voc_folder(tmp_path / "few", ["one", "two"])
    with pytest.raises(ArchiveError, match="holds 2 annotated pictures; the demo needs at least 40"):
        deal_folder(tmp_path / "few", tmp_path / "archive", seed=0)


def make(folder, count=60):
    voc_folder(folder, [f"p{number:03d}" for number in range(count)])
    (folder / "ImageSets" / "Main").mkdir(parents=True)
    return folder


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("test.txt", "p000\np001.jpg\nP002\n"),
        ("Test.txt", "p000\r\n./p001\r\nJPEGImages/p002.jpg".encode("utf-16")),
        ("TEST.TXT", b"\xef\xbb\xbfp000 1\np001 -1\np002  0"),
    ],
)
def test_the_holdout_is_what_the_test_list_means(tmp_path, name, data):
    folder = make(tmp_path / "voc")
    (folder / "ImageSets/Main" / name).write_bytes(data if isinstance(data, bytes) else data.encode())
    archive, dealt = deal_folder(folder, tmp_path / "archive", seed=0)
    assert {Path(image.key).stem for image in archive.holdout} == {"p000", "p001", "p002"}
    assert (dealt.bootstrap, dealt.nights, dealt.left_out) == (19, (13, 13, 12), ())


def test_what_no_model_takes_is_neither_held_out_nor_dealt(tmp_path):
    folder = make(tmp_path / "voc")
    images = folder / "JPEGImages"
    whole = (images / "p000.jpg").read_bytes()
    (images / "p000.jpg").write_bytes(whole[:300])
    Image.new("RGB", (20, 10)).save(images / "p001.jpg", "WEBP")
    Image.new("L", (8001, 8000)).save(images / "p002.jpg", quality=10)
    (images / "p003.jpg").write_bytes(whole + bytes(6 << 20))
    (images / "p004.jpg").write_bytes(b"")
    (images / "p005.jpg").rename(images / "p005.jfif")
    (images / "cam").mkdir()
    (images / "cam" / "p006.jpg").write_bytes(whole)
    (folder / "Annotations/p007.xml").write_bytes((folder / "Annotations/p008.xml").read_bytes() + b"<")
    empty = (folder / "Annotations/p009.xml").read_text().split("<object>")[0] + "</annotation>"
    (folder / "Annotations/p009.xml").write_text(empty)
    (folder / "Annotations/p010.xml").write_text(empty)
    (images / ".DS_Store").write_bytes(b"x")
    tested = "".join(f"p{number:03d}\n" for number in range(10))
    (folder / "ImageSets/Main/test.txt").write_text(f"{tested}nobody\n")
    (folder / "ImageSets/Main/train.txt").write_text(
        "".join(f"p{number:03d}\n" for number in range(10, 59)) + "gone"
    )
    archive, dealt = deal_folder(folder, tmp_path / "archive", seed=0)
    assert sorted(Path(image.key).name for image in archive.holdout) == ["p005.jfif", "p006.jpg", "p008.jpg"]
    told = "\n".join(dealt.left_out)
    for sentence in (
        "p000.jpg cannot be decoded as JPEG or PNG, it is cut short",
        "p001.jpg is a WebP file",
        "p002.jpg has 64008000 pixels",
        "p003.jpg has 6292",
        "p004.jpg is an empty file",
        "cam/p006.jpg has no file Annotations/cam/p006.xml",
        "Annotations/p007.xml is not well-formed XML",
        "p009.jpg has no box to judge a model by",
        "p059.jpg is in none of the lists that are used",
        "nobody is in ImageSets/Main/test.txt but there is no picture of it",
        "gone is in ImageSets/Main/train.txt but",
    ):
        assert sentence in told
    assert len(dealt.left_out) == 11
    assert "Skipped 1 files" in dealt.notes[0]
    # A picture without boxes is for the nights: nobody can learn from it.
    assert [key.split("/")[0] for key in archive.truth if key.endswith("p010.jpg")] == ["images"]
    assert load_index(saved(tmp_path, archive))[0].left_out == dealt.left_out
    bucket = Bucket()
    assert upload_archive(bucket, archive) == len(archive.files()) + 1
    manifest = decode(bucket.objects.pop(LAYOUT.holdout_manifest("v1")), source="the manifest")
    contents = {hashlib.sha256(data).hexdigest() for data in bucket.objects.values()}
    assert len(manifest) == 3
    assert all(line["sha256"] in contents for line in manifest)


class Bucket:
    def __init__(self):
        self.objects = {}

    def put_object(self, **fields):
        self.objects[fields["Key"]] = fields["Body"]


def saved(folder, archive):
    save_index(folder / "index.json", archive, ())
    return folder / "index.json"


def test_pictures_of_the_same_name_in_folders_stay_apart(tmp_path):
    folder = make(tmp_path / "voc", 40)
    for camera in ("one", "two"):
        for name in ("JPEGImages", "Annotations"):
            (folder / name / camera).mkdir()
            for path in list((folder / name).glob("p0*")):
                (folder / name / camera / path.name).write_bytes(path.read_bytes())
    archive, dealt = deal_folder(folder, tmp_path / "archive", seed=0)
    assert dealt.bootstrap + sum(dealt.nights) + dealt.holdout == 120
    pictures = [path for path in archive.files() if path.suffix == ".jpg"]
    assert len(pictures) == len(archive.truth) == 120


def test_pack_can_use_whatever_is_dealt(tmp_path):
    folder = make(tmp_path / "voc", 40)
    whole, xml = (folder / "JPEGImages/p000.jpg").read_bytes(), (folder / "Annotations/p000.xml").read_bytes()
    odd = {
        "cell 1.jpg": "cell 1.xml",
        " cell 2 .JPG": " cell 2 .xml",
        "a/\u00e4.jpg": "a/a\u0308.xml",
        "b/IMG.JPG": "B/img.XML",
        "no suffix": "no suffix.xml",
        "c.d.jpg": "c.d.jpg.xml",
        "p000": "p000.x.xml",
        "#1.jpg": "#1.xml",
        "'quoted' -1.jpg": "'quoted' -1.xml",
        "wrong.png": "wrong.xml",
    }
    for image, annotation in odd.items():
        for path, data in ((f"JPEGImages/{image}", whole), (f"Annotations/{annotation}", xml)):
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes(data)
    (folder / "ImageSets/Main/test.txt").write_text("p001\np002\np003")
    seen = set()
    for seed in range(5):
        root = tmp_path / f"archive-{seed}"
        archive, dealt = deal_folder(folder, root, seed)
        assert sorted(sentence.split(":")[0] for sentence in dealt.left_out) == [
            "Annotations/p000.x.xml has no image",
            "JPEGImages/p000 and JPEGImages/p000.jpg share Annotations/p000.xml",
            "JPEGImages/p000 and JPEGImages/p000.jpg share Annotations/p000.xml",
        ]
        packed = VocFolder(DiskFolder(root / "bootstrap/voc"), archive.labels)
        splits = packed.splits()
        assert len(splits.train) + len(splits.validation) == len(packed.entries) == dealt.bootstrap
        found = [item for name in (*splits.train, *splits.validation) for item in packed.read(name)]
        assert [item for item in found if isinstance(item, VocFault) and item.of_image] == []
        seen |= {item.name for item in found if not isinstance(item, VocFault)}
    assert len(seen - {f"p{number:03d}" for number in range(40)}) >= 5


def prepared(tmp_path, folder, capsys):
    """Run the program that makes the archive, as the demo does; return its exit code and what it said."""
    arguments = ["--archive", tmp_path / "archive", "--index", tmp_path / "index.json", "--data", folder]
    return main(list(map(str, arguments))), capsys.readouterr().out


def ratios(folder):
    for path in (folder / "Annotations").iterdir():
        text = re.sub(r">(\d)</([xy]m)", r">0.\1</\2", path.read_text())
        path.write_text(text)


def labels_alike(folder):
    for number, path in enumerate(sorted((folder / "Annotations").iterdir())):
        path.write_text(path.read_text().replace(">Cell<", f">{'Cell' if number % 2 else ' Cell  '}<"))


FAULTS = {
    "no picture of the test list": (
        lambda folder: (folder / "ImageSets/Main/test.txt").write_text(""),
        None,
    ),
    "a test list of pictures that cannot be used": (
        lambda folder: [
            (folder / "ImageSets/Main/test.txt").write_text("p000"),
            (folder / "JPEGImages/p000.jpg").write_bytes(b"RIFF\0\0\0\0WEBP"),
        ],
        "has no usable picture in its lists to test with",
    ),
    "a test list of a name that is not there": (
        lambda folder: (folder / "ImageSets/Main/test.txt").write_text("p000\nelsewhere"),
        "test.txt names 'elsewhere', of which there is no image",
    ),
    "nearly everything held out": (
        lambda folder: (folder / "ImageSets/Main/test.txt").write_text(
            "".join(f"p{number:03d}\n" for number in range(35))
        ),
        "holds 25 annotated pictures besides the 35 held out; the demo needs 30",
    ),
    "a list that is a picture": (
        lambda folder: (folder / "ImageSets/Main/test.txt").write_bytes(
            (folder / "JPEGImages/p000.jpg").read_bytes()
        ),
        "test.txt is not a text file",
    ),
    "ratios": (ratios, "export them in pixels"),
    "labels that differ in spaces": (labels_alike, None),
    "a name that is not UTF-8": (
        lambda folder: Path(os.fsdecode(bytes(folder / "JPEGImages") + b"/\xff\n.jpg")).write_bytes(b""),
        None,
    ),
    "a pipe, a dead link and a circle": (
        lambda folder: [
            os.mkfifo(folder / "JPEGImages/pipe.jpg"),
            (folder / "JPEGImages/dead.jpg").symlink_to("nowhere"),
            (folder / "JPEGImages/circle").symlink_to(folder),
        ],
        None,
    ),
    "a file for a folder": (
        lambda folder: [
            shutil.rmtree(folder / "Annotations"),
            (folder / "Annotations").write_text("annotations"),
        ],
        "is not a PASCAL VOC folder: it has no Annotations folder",
    ),
    "the folder around it": (
        lambda folder: [
            (folder.parent / "set").mkdir(),
            *(path.rename(folder.parent / "set" / path.name) for path in list(folder.iterdir())),
            (folder.parent / "set").rename(folder / "VOC2012"),
        ],
        "/voc/VOC2012 has one",
    ),
}


@pytest.mark.parametrize("case", FAULTS)
def test_whatever_is_wrong_with_data_it_is_a_sentence_and_never_a_traceback(tmp_path, capsys, case):
    spoil, sentence = FAULTS[case]
    folder = make(tmp_path / "voc")
    spoil(folder)
    code, said = prepared(tmp_path, folder, capsys)
    if sentence is None:
        assert (code, said) == (0, "")
        assert (tmp_path / "index.json").exists()
    else:
        assert code == 1
        assert sentence in said
        assert said.count("\n") == 1


def test_a_folder_without_permission_is_a_sentence(tmp_path, capsys, monkeypatch):
    folder = make(tmp_path / "voc")

    def refuse(path, *_):
        raise PermissionError(13, "Permission denied", str(path))

    with monkeypatch.context() as patched:
        patched.setattr(Path, "read_bytes", refuse)
        code, said = prepared(tmp_path, folder, capsys)
    assert (code, said.count("\n")) == (1, 1)
    with monkeypatch.context() as patched:
        patched.setattr(os, "scandir", refuse)
        assert prepared(tmp_path, folder, capsys) == (
            1,
            f"{folder} cannot be listed: Permission denied; make it readable.\n",
        )


if BCCD.is_dir():

    def test_real_blood_cell_photos_keep_their_test_list_as_holdout(tmp_path):
        archive, dealt = deal_folder(BCCD, tmp_path, seed=0)
        assert (dealt.bootstrap, dealt.nights, dealt.holdout) == (97, (65, 65, 65), 72)
        assert dealt.left_out == ()
        assert archive.labels == ("RBC", "WBC", "Platelets")
        test = set((BCCD / "ImageSets/Main/test.txt").read_text().split())
        assert {Path(image.key).stem for image in archive.holdout} == test


def test_what_cannot_be_labelled_is_told_with_the_reason(tmp_path):
    folder = make(tmp_path / "voc")
    for path in (folder / "Annotations").iterdir():
        path.write_text("<!DOCTYPE annotation>" + path.read_text())
    with pytest.raises(ArchiveError, match=r"voc has no annotation .* nothing to learn from\. .*DOCTYPE"):
        deal_folder(folder, tmp_path / "archive", seed=0)


def test_faulty_boxes_and_copies_are_told(tmp_path):
    folder = make(tmp_path / "voc")
    path = folder / "Annotations/p003.xml"
    one = re.search(r"<object>.*</object>", path.read_text(), re.DOTALL)[0]
    path.write_text(path.read_text().replace(one, one + one))
    shutil.copy(folder / "JPEGImages/p004.jpg", folder / "JPEGImages/p005.jpg")
    notes = " ".join(deal_folder(folder, tmp_path / "archive", seed=0)[1].notes)
    assert re.search(r"Boxes that were left out or clamped to their picture: \d+, for example: Annot", notes)
    assert re.search(
        r"Pictures that are copies of another: \d+, for example: JPEGImages/p\d+\.jpg is one", notes
    )


def test_a_label_of_any_letters_survives_the_settings_file(tmp_path):
    labels = ("\U0001f9ea", "\U00020bb7", 'Gr\u00f6\u00dfe \\ "x"', "a\x7fb")
    write_settings(tmp_path / "settings.toml", demo_settings(labels, DRAWN))
    found = tomllib.loads((tmp_path / "settings.toml").read_text(encoding="utf-8"))
    assert tuple(found["labels"]) == labels
