"""From answers and a parent to a job's name and a card, without a bucket and without SageMaker."""

from __future__ import annotations

import hashlib

import pytest

from secondlook.failures.exceptions import TrainingDataError
from secondlook.training import LearnedManifest, ManifestLine, ModelCard, TrainingData, read_manifest
from secondlook.training.material import Material
from secondlook.training.recipe import challenger_recipes, first_recipe
from tests.support.manifests import LABELS, make_line

IMAGE = "111122223333.dkr.ecr.us-east-1.amazonaws.com/stub-algorithm:1"
GIVEN = {"epochs": "3", "mini_batch_size": "2", "learning_rate": "0.001"}
PARENT = ModelCard(
    model="second-look-parent",
    artifact="s3://bucket/models/second-look-parent/output/model.tar.gz",
    image=IMAGE,
    parent=None,
    created_by="bootstrap",
    hyperparameters={"num_classes": "3", "use_pretrained_model": "1"},
    data=TrainingData(40, 0, 0, learned_manifests=("s3://bucket/first.manifest",)),
    labels=LABELS,
)


def lines(name: str, count: int, job_name: str) -> tuple[ManifestLine, ...]:
    return tuple(
        make_line(image, n % 3, job_name=job_name, sha256=hashlib.sha256(image.encode()).hexdigest())
        for n, image in enumerate(f"{name}-{n:02d}.jpg" for n in range(count))
    )


ANSWERS = lines("new", 20, "a2i/loop")
ANSWERED = lines("answered", 10, "a2i/loop")
BOOTSTRAP = lines("first", 30, "bootstrap/voc")
VALIDATION = lines("validation", 6, "bootstrap/voc")
MANIFEST = LearnedManifest("s3://bucket/manifests/night/reviewed.manifest", "etag", "0" * 64, 20)


def material() -> Material:
    return Material.of(ANSWERS, (*BOOTSTRAP, *ANSWERED), VALIDATION, 0.2)


def test_nothing_that_validates_is_learned_and_bootstrap_images_keep_their_split() -> None:
    found = material()
    validating = {line.image for line in found.validation}
    assert not validating & {line.image for line in (*found.new, *found.old)}
    assert {line.image for line in VALIDATION} < validating
    assert {line.image for line in BOOTSTRAP} <= {line.image for line in found.old}
    assert {line.image for line in (*found.new, *found.old)} | validating == {
        line.image for line in (*ANSWERS, *ANSWERED, *BOOTSTRAP, *VALIDATION)
    }


def test_an_image_that_was_replaced_is_drawn_nowhere() -> None:
    gone = {ANSWERS[0].image, BOOTSTRAP[0].image, VALIDATION[0].image}
    drawn = material().without(gone).draw(1.0, control=True)
    assert not gone & {line.image for line in drawn.images}
    assert drawn.control is not None
    assert len(drawn.control) == len(drawn.challenger)
    assert material().draw(1.0, control=False).control is None


def test_the_control_learns_no_answers_and_both_validate_with_the_same() -> None:
    drawn = material().draw(1.0, control=True)
    challenger, control = challenger_recipes(PARENT, drawn, (MANIFEST,), GIVEN)
    assert challenger.data.new_images == drawn.new > 0
    assert challenger.data.learned_manifests == (*PARENT.data.learned_manifests, MANIFEST.uri)
    assert (control.data.new_images, control.data.manifests) == (0, ())
    assert control.data.learned_manifests == PARENT.data.learned_manifests
    assert challenger.manifests["validation"] == control.manifests["validation"]
    read = read_manifest(challenger.manifests["train"], source="train", labels=LABELS)
    assert len(read.lines) == challenger.data.train_images
    assert len(challenger_recipes(PARENT, material().draw(1.0, control=False), (MANIFEST,), GIVEN)) == 1


def test_the_card_says_where_the_model_comes_from() -> None:
    (recipe,) = challenger_recipes(PARENT, material().draw(1.0, control=False), (MANIFEST,), GIVEN)
    card = recipe.card("second-look-1", lambda channel: f"s3://bucket/{channel}")
    assert (card.model, card.parent, card.created_by) == ("second-look-1", PARENT.model, "nightly")
    assert (card.data.train_manifest, card.data.validation_manifest) == (
        "s3://bucket/train",
        "s3://bucket/validation",
    )
    assert card.hyperparameters["use_pretrained_model"] == "0"
    assert card.hyperparameters["epochs"] == "3"


@pytest.mark.parametrize("change", ["place", "hyperparameters", "images", "parent"])
def test_a_jobs_name_follows_from_everything_it_reads(change: str) -> None:
    drawn = material().draw(1.0, control=False)
    (recipe,) = challenger_recipes(PARENT, drawn, (MANIFEST,), GIVEN)
    parent, given, place = PARENT, GIVEN, ("a role", "ml.g4dn.xlarge", "s3://bucket/models")
    assert recipe.base_name(*place) == challenger_recipes(parent, drawn, (MANIFEST,), given)[0].base_name(
        *place
    )
    if change == "place":
        place = ("another role", *place[1:])
    elif change == "hyperparameters":
        given = {**given, "epochs": "4"}
    elif change == "images":
        drawn = material().without({drawn.challenger[0].image}).draw(1.0, control=False)
    else:
        parent = PARENT.trained("s3://bucket/another/model.tar.gz", {})
    (other,) = challenger_recipes(parent, drawn, (MANIFEST,), given)
    assert other.base_name(*place) != recipe.base_name("a role", "ml.g4dn.xlarge", "s3://bucket/models")


def test_the_first_model_has_no_parent_and_what_would_fail_late_is_refused() -> None:
    manifests = {"train": b"{}\n", "validation": b"{}\n"}
    recipe = first_recipe(IMAGE, LABELS, (BOOTSTRAP, VALIDATION), manifests, ("a", "b"), GIVEN)
    card = recipe.card("first", lambda channel: channel)
    assert (card.parent, card.created_by, card.data.train_images) == (None, "bootstrap", 30)
    with pytest.raises(TrainingDataError, match="at least one batch of 64"):
        first_recipe(
            IMAGE, LABELS, (BOOTSTRAP, VALIDATION), manifests, (), {**GIVEN, "mini_batch_size": "64"}
        )
