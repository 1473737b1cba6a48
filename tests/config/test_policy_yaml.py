"""policy.yaml of every family: what is written is read again, and what contradicts itself is refused with its line."""

import msgspec
import pytest

from edgevla.bundle import BundleError, load_manifest, write_manifest
from edgevla.config.policy_families import (
    Diffusion,
    EndEffector,
    Execution,
    Fast,
    Flow,
    Gripper,
    Recurrent,
    Regression,
    Tokens,
)
from edgevla.config.quantisation import Quantisation
from edgevla.describe import describe_bundle
from tests.test_bundle import GRAPH, JOINTS, VOCABULARY, manifest_of

replace = msgspec.structs.replace
STEPS = {"fp32": "step.onnx"}
DIFFUSION = Diffusion(schedule="cosine", train_steps=20, clip=5.0, width=10)
FLOW = Flow(steps=10, direction="noise_at_1", width=32, accumulate=True)
QUANTILES = {"kind": "quantiles", "q01": (-1.0,) * 6, "q99": (1.0,) * 6, "eps": 1e-6, "mask": (True,) * 5 + (False,)}
MANIFESTS = {
    "regression": {
        "regression": Regression(mu_law=255.0, gripper=Gripper(name="gripper")),
        "execution": Execution(kind="fade", guided_rows=4, delay_ticks=4),
    },
    "tokens": {"tokens": Tokens(style="openvla", vocabulary_size=32000)},
    "fast": {"fast": Fast(tokenizer="tokenizer.json", min_token=-354)},
    "recurrent": {"recurrent": Recurrent(window=8, hidden=1024)},
    "diffusion": {"diffusion": DIFFUSION, "steps": STEPS},
    "flow": {"flow": FLOW, "steps": STEPS, "execution": Execution(kind="rtc", guided_rows=6, delay_ticks=4)},
}


def manifest_for(family, **changes):
    return manifest_of(**{"family": family, **MANIFESTS[family], **changes})


@pytest.fixture
def folder(tmp_path):
    for name in ("policy.onnx", "step.onnx", "tokenizer.json"):
        (tmp_path / name).write_bytes(GRAPH)
    (tmp_path / "vocabulary.txt").write_text(VOCABULARY)
    return tmp_path


def refusal(folder, manifest):
    with pytest.raises(BundleError) as caught:
        write_manifest(folder, manifest)
    assert not (folder / "policy.yaml").exists()
    return str(caught.value).replace(f"{folder}/", "")


@pytest.mark.parametrize("family", MANIFESTS)
def test_what_is_written_for_a_family_is_read_again(folder, family):
    write_manifest(folder, manifest_for(family))
    loaded = load_manifest(folder).manifest
    assert replace(loaded, files={}) == manifest_for(family)


def test_what_has_its_default_is_not_written(folder):
    write_manifest(folder, manifest_of())
    keys = {line.split(":")[0] for line in (folder / "policy.yaml").read_text().splitlines() if line[0].isalpha()}
    assert keys == {"format", "name", "family", "graphs", "inputs", "state", "action", "language", "files"}


def test_every_file_that_a_section_names_is_vouched_for(folder):
    assert set(write_manifest(folder, manifest_for("fast")).manifest.files) >= {"tokenizer.json"}
    bundle = write_manifest(folder, manifest_for("flow"))
    assert "step.onnx" in bundle.manifest.files
    assert bundle.step("fp32") == folder / "step.onnx"
    assert write_manifest(folder, manifest_of()).step("fp32") is None


@pytest.mark.parametrize(
    ("family", "file", "place"), [("fast", "tokenizer.json", "fast.tokenizer"), ("flow", "step.onnx", "steps.fp32")]
)
def test_a_file_that_nothing_vouches_for_is_refused_where_it_is_named(folder, family, file, place):
    write_manifest(folder, manifest_for(family))
    path = folder / "policy.yaml"
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(line for line in lines if not line.startswith(f"  {file}: ")))
    with pytest.raises(
        BundleError, match=rf'policy\.yaml:\d+: {place}: got "{file}"; must be one of the files with a ha'
    ):
        load_manifest(folder)


def test_a_whole_number_does_where_a_number_or_nothing_may_stand(folder):
    write_manifest(folder, manifest_for("diffusion"))
    path = folder / "policy.yaml"
    path.write_text(path.read_text().replace("clip: 5.0", "clip: 5"))
    assert isinstance(load_manifest(folder).manifest.diffusion.clip, float)


@pytest.mark.parametrize("family", MANIFESTS)
def test_inspect_shows_the_section_of_the_family(folder, family):
    rows = describe_bundle(write_manifest(folder, manifest_for(family)))["policy"]
    settings = {row["setting"]: row["value"] for row in rows}
    section = getattr(manifest_for(family), family)
    assert {f"{family}.{key}" for key in section.__struct_fields__} <= settings.keys()
    assert settings["steps"] == ("fp32" if family in {"flow", "diffusion"} else "none: one pass")
    assert ("execution.guided_rows" in settings) is (family in {"regression", "flow"})
    assert ("execution.max_guidance" in settings) is (family == "flow")


def test_inspect_shows_what_a_mask_leaves_as_it_is(folder):
    action = replace(manifest_of().action, normalisation=normalisation())
    rows = describe_bundle(write_manifest(folder, manifest_of(action=action)))["action"]
    assert rows[5] == {
        "name": "gripper",
        "kind": "quantiles",
        "q01": "-1",
        "q99": "1",
        "eps": "1e-06",
        "mask": "passes through",
    }


def normalisation(**changes):
    return msgspec.convert({**QUANTILES, **changes}, type(manifest_of().state))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"q99": (1.0, 1.0, -1.0, 1.0, 1.0, 1.0)}, "normalisation.q99[2]: got -1.0; must be above q01[2], -1"),
        ({"q99": (1.0,) * 5}, "normalisation.q99: got [1.0, 1.0, 1.0, 1.0, 1.0]; must have a number for each of the 6"),
        ({"q01": ()}, 'normalisation: "q01" is missing; must be a list with a number for each of the 6 action.names'),
        ({"mask": (True,)}, "normalisation.mask: got [true]; must have a number for each of the 6 action.names, not 1"),
        ({"mean": (0.0,) * 6}, 'normalisation.mean: must not be there: the kind "quantiles" has q01 and q99'),
        ({"kind": "min_max"}, 'normalisation: "min" is missing'),
        ({"eps": 0.1}, "normalisation.eps: got 0.1; must be at least 0 and at most 0.001"),
        ({"q01": (float("nan"),) * 6}, "normalisation.q01[0]: got .nan; must be a finite number"),
    ],
)
def test_statistics_that_cannot_be_right_are_refused(folder, changes, message):
    action = replace(manifest_of().action, normalisation=normalisation(**changes))
    found = refusal(folder, manifest_of(action=action))
    assert found.startswith("policy.yaml:")
    assert f": action.{message}" in found


def test_statistics_of_a_masked_dimension_may_mean_nothing(folder):
    action = replace(manifest_of().action, normalisation=normalisation(q99=(1.0,) * 5 + (-1.0,)))
    write_manifest(folder, manifest_of(action=action))


def absolute(*names, kind="delta"):
    return {"action": replace(manifest_of().action, absolute=names, kind=kind)}


def end_effector(joints=JOINTS):
    return EndEffector(joints=joints, site="gripperframe", rotation="rpy")


@pytest.mark.parametrize(
    ("manifest", "message"),
    [
        (manifest_of(flow=FLOW), 'flow: must not be there: the family is "regression"'),
        (manifest_of(family="flow", steps=STEPS), 'the section "flow" is missing; the family "flow" is decoded by its'),
        (manifest_for("flow", steps={}), '"steps" is missing; the family "flow" needs the graph of one denoising step'),
        (manifest_of(steps=STEPS), 'steps: must not be there: the family "regression" takes one pass'),
        (manifest_for("flow", steps={"int8": "step.onnx"}), "steps: must have the variants of graphs; missing: fp32"),
        (manifest_for("flow", steps={"int8": "step.onnx"}), "steps.int8: must be one of the variants of graphs: fp32"),
        (manifest_of(**absolute("thumb")), 'action.absolute[0]: got "thumb"; must be one of action.names'),
        (manifest_of(**absolute("gripper", "gripper")), 'action.absolute[1]: "gripper" stands there twice'),
        (manifest_of(**absolute("gripper", kind="absolute")), "action.absolute: must not be there: action.kind is"),
        (
            manifest_of(action=replace(manifest_of().action, space="end_effector")),
            '"end_effector" is missing; action.space "end_effector" is turned into joints by its numbers',
        ),
        (manifest_of(end_effector=end_effector()), 'end_effector: must not be there: action.space is "joints"'),
        (
            manifest_for("regression", regression=Regression(gripper=Gripper(name="thumb"))),
            'regression.gripper.name: got "thumb"; must be one of action.names',
        ),
        (
            manifest_for("tokens", tokens=Tokens(style="openvla", vocabulary_size=255)),
            "tokens.vocabulary_size: got 255; must hold 256 action ids (bins) before the 0 special tokens",
        ),
        (
            manifest_for("tokens", tokens=Tokens(style="rt2", vocabulary_size=32000, first_action_id=31745)),
            "tokens.first_action_id: got 31745; must be at most 31744: 256 action ids (bins) in a vocabulary of 32000",
        ),
        (
            manifest_for("tokens", tokens=Tokens(style="robovlms", vocabulary_size=265, special_tokens=10)),
            "tokens.vocabulary_size: got 265; must hold 256 action ids (bins) before the 10 special tokens",
        ),
        (
            manifest_for("tokens", tokens=Tokens(style="rt2", vocabulary_size=300, stop_id=43)),
            "tokens.stop_id: got 43; must be 44 or 45, the first two action ids",
        ),
        (
            manifest_for("tokens", tokens=Tokens(style="openvla", vocabulary_size=32000, stop_id=31744)),
            "tokens.stop_id: must not be there: only rt1 and rt2 have a stop token",
        ),
        (
            manifest_of(action=replace(manifest_of().action, kind="absolute", chained=True)),
            'action.chained: must not be there: action.kind is "absolute", no row is relative',
        ),
        (
            manifest_for("fast", fast=Fast(tokenizer="tokenizer.json", vocabulary_size=1000, bar_id=1000)),
            "fast.bar_id: got 1000; must be below vocabulary_size, 1000",
        ),
        (
            manifest_for("fast", fast=Fast(tokenizer="tokenizer.json", scale=0.0)),
            "fast.scale: got 0.0; must be above 0",
        ),
        (manifest_for("flow", flow=replace(FLOW, width=5)), "flow.width: got 5; must be at least 6, a column for each"),
        (
            manifest_for("flow", flow=Flow(steps=11, direction="noise_at_0", time="buckets", buckets=10)),
            "flow.steps: got 11; must be at most 10, the number of buckets",
        ),
        (
            manifest_for("flow", flow=replace(FLOW, time="buckets")),
            "flow.accumulate: must not be there: buckets are whole numbers",
        ),
        (
            manifest_for("flow", execution=Execution(kind="rtc", guided_rows=13)),
            "execution: guided_rows is 13; must be at most action.horizon, 12",
        ),
        (
            manifest_of(quantisation=Quantisation(p99_rad=0.1)),
            "quantisation: p99_rad is 0.1; must be at most worst_rad, 0.05",
        ),
        (
            manifest_of(execution=Execution(kind="rtc", guided_rows=4)),
            'execution.kind: got "rtc"; must not be "rtc" for a family other than "flow", whose steps it guides',
        ),
        (
            manifest_for(
                "flow", action=replace(manifest_of().action, space="end_effector"), end_effector=end_effector()
            ),
            'execution.kind: got "rtc"; must not be "rtc" for an end effector: its steps do not know the joints',
        ),
        (
            manifest_for("flow", action=replace(manifest_of().action, chained=True)),
            'execution.kind: got "rtc"; must not be "rtc" where rows are relative to each other: action.chained',
        ),
        (
            manifest_of(execution=Execution(kind="fade", guided_rows=4, delay_ticks=5)),
            "execution.delay_ticks: got 5; must be at most 4, guided_rows and half of action.horizon",
        ),
        (
            manifest_for("flow", execution=Execution(kind="rtc", guided_rows=10, delay_ticks=7)),
            "execution.delay_ticks: got 7; must be at most 6, guided_rows and half of action.horizon",
        ),
    ],
)
def test_a_policy_that_contradicts_itself_is_refused_with_its_line(folder, manifest, message):
    found = refusal(folder, manifest)
    assert any(line.partition(": ")[2].startswith(message) for line in found.splitlines()), found
    assert found.startswith("policy.yaml:")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"steps": 21, "sampler": "ddim"}, ".steps: got 21; must be at most train_steps, 20"),
        ({"steps": 10}, ".steps: got 10; must be train_steps, 20, for ddpm; ddim may take fewer"),
        ({"betas": (0.1,)}, '.betas: must not be there: the schedule is "cosine"'),
        ({"schedule": "explicit", "train_steps": 2, "betas": (0.1, 1.0)}, ".betas[1]: got 1.0; must be above 0 and be"),
        ({"schedule": "explicit", "train_steps": 2, "betas": (0.0, 0.1)}, ".betas[0]: got 0.0; must be above 0 and be"),
        (
            {"schedule": "explicit", "train_steps": 2, "betas": (0.1,)},
            ': "betas" must have a number for each of the 2 steps, not 1',
        ),
        ({"schedule": "linear", "beta_end": 1.0}, ": beta_start 0.0001 and beta_end 1 must be above 0 and below 1, in"),
        ({"schedule": "linear", "beta_start": 0.5}, ": beta_start 0.5 and beta_end 0.02 must be above 0 and below 1"),
        ({"clip": 0.0}, ".clip: got 0.0; must be above 0"),
        ({"width": 5}, ".width: got 5; must be at least 6, a column for each of action.names"),
    ],
)
def test_a_schedule_that_cannot_denoise_is_refused(folder, changes, message):
    found = refusal(folder, manifest_for("diffusion", diffusion=replace(DIFFUSION, **changes)))
    assert f": diffusion{message}" in found


@pytest.mark.parametrize(
    "section",
    [
        Tokens(style="openvla", vocabulary_size=32000, first_action_id=31744),
        Tokens(style="rt1", vocabulary_size=256),
        Tokens(style="robovlms", vocabulary_size=266, special_tokens=10),
        Tokens(style="rt2", vocabulary_size=300, stop_id=45),
    ],
)
def test_a_vocabulary_that_just_holds_the_action_ids_will_do(folder, section):
    write_manifest(folder, manifest_for("tokens", tokens=section))


def test_an_end_effector_policy_has_the_state_of_the_robots_joints(folder):
    action = replace(
        manifest_of().action,
        names=("x", "y", "z", "roll", "pitch", "yaw", "jaw"),
        space="end_effector",
        normalisation=replace(manifest_of().state, mean=(0.0,) * 7, std=(1.0,) * 7),
    )
    bundle = write_manifest(folder, manifest_of(action=action, end_effector=end_effector()))
    assert bundle.manifest.joints == JOINTS
    with pytest.raises(BundleError) as caught:
        write_manifest(folder, manifest_of(action=action, end_effector=end_effector(JOINTS[:5])))
    found = str(caught.value)
    assert "state.mean: got [0.0, 0.0, 0.0, 0.0, 0.0, 0.0]; must have a number for each of the 5 end_effector." in found


@pytest.mark.parametrize(("shape", "fits"), [((1, 32), True), ((1, 6), True), ((1, 5), False), ((32,), False)])
def test_the_state_of_a_padded_model_may_be_wider_than_the_robot(folder, shape, fits):
    inputs = [replace(spec, shape=shape) if spec.source == "state" else spec for spec in manifest_of().inputs]
    if fits:
        write_manifest(folder, manifest_for("flow", inputs=tuple(inputs)))
    else:
        found = refusal(folder, manifest_for("flow", inputs=tuple(inputs)))
        assert "inputs.state.shape: got [" in found
        assert "must be [1, n], n at least 6, a number for each of action.names and then zeros" in found
