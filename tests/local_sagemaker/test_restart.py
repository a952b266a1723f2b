"""The server is stopped, or dies: nothing is left running, and the next one carries on."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

ROOT = Path(__file__).resolve().parents[2]


def alive(pid):
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state not in "ZX"


def status(server):
    with urllib.request.urlopen(f"{server.url}/_status", timeout=5) as answer:
        return json.load(answer)


@pytest.mark.parametrize("end", ["kill", "stop"])
def test_endpoints_come_back_jobs_fail_and_no_process_survives(
    end, start_sagemaker, tmp_path, aws_clients, make_config, training_request, wait_until, name
):
    first = start_sagemaker(tmp_path)
    sagemaker = aws_clients("sagemaker", endpoint_url=first.url)
    runtime = aws_clients("sagemaker-runtime", endpoint_url=first.url)
    sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=make_config(name, sagemaker))
    sagemaker.create_training_job(**training_request({"sleep_seconds": "120"}))
    logs = aws_clients("logs", endpoint_url=first.url)

    def training_pid():
        try:
            streams = logs.describe_log_streams(logGroupName="/aws/sagemaker/TrainingJobs")["logStreams"]
        except ClientError:
            return None
        for stream in streams:
            events = logs.get_log_events(
                logGroupName="/aws/sagemaker/TrainingJobs", logStreamName=stream["logStreamName"]
            )["events"]
            for event in events:
                if found := re.search(r"as pid (\d+)", event["message"]):
                    return int(found[1])
        return None

    pids = [wait_until(training_pid, 60)]
    wait_until(lambda: sagemaker.describe_endpoint(EndpointName=name)["EndpointStatus"] == "InService", 60)
    pids.append(json.loads(runtime.invoke_endpoint(EndpointName=name, Body=b"x")["Body"].read())["pid"])
    assert all(alive(pid) for pid in pids)
    counted = status(first)["operations"]

    if end == "kill":
        os.kill(first.process.pid, signal.SIGKILL)
        first.process.wait()
    else:
        first.stop()
    wait_until(lambda: not any(alive(pid) for pid in pids), 20)

    second = start_sagemaker(tmp_path)
    after = status(second)
    assert after["operations"]["InvokeEndpoint"] == counted["InvokeEndpoint"] == 1
    assert after["operations"]["CreateTrainingJob"] == 1
    assert after["endpoints"][0]["name"] == name
    assert "sagemaker.CreateTrainingJob" in after["implemented"]
    sagemaker = aws_clients("sagemaker", endpoint_url=second.url)
    # A request that comes while the endpoint is coming back waits for it.
    runtime = aws_clients("sagemaker-runtime", endpoint_url=second.url)
    assert json.loads(runtime.invoke_endpoint(EndpointName=name, Body=b"x")["Body"].read())["name"] == name
    assert sagemaker.describe_endpoint(EndpointName=name)["EndpointStatus"] == "InService"
    job = sagemaker.describe_training_job(TrainingJobName=name)
    assert (job["TrainingJobStatus"], job["SecondaryStatus"]) == ("Failed", "Failed")
    assert "the server was restarted while the job ran" in job["FailureReason"]
    assert job["TrainingEndTime"]
    second.stop()


def serve(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "include.local_sagemaker", "serve", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_wrong_settings_are_one_sentence(tmp_path, algorithms_file, aws_credentials, start_sagemaker):
    good = {
        "--port": "1",
        "--state-dir": str(tmp_path / "state"),
        "--s3-endpoint": "http://127.0.0.1:1",
        "--credentials": str(aws_credentials.file),
        "--algorithms": str(algorithms_file),
    }

    def complaint(**changes):
        options = {**good, **{f"--{name}".replace("_", "-"): value for name, value in changes.items()}}
        ended = serve(*(part for pair in options.items() for part in pair))
        assert ended.returncode == 2
        assert ended.stderr.count("\n") == 1
        return ended.stderr

    assert "none.json cannot be read" in complaint(credentials=str(tmp_path / "none.json"))
    empty = tmp_path / "empty.json"
    empty.write_text("{}")
    assert "must be like" in complaint(credentials=str(empty))
    table = tmp_path / "table.toml"
    table.write_text('[[algorithm]]\nimage = "*"\n')
    assert "needs `command`" in complaint(algorithms=str(table))
    table.write_text('[[algorithm]]\nimage = "*"\ncommand = ["true"]\nenvironment = {FORM = 1}\n')
    assert "`environment` that is not a table of strings" in complaint(algorithms=str(table))
    table.write_text("")
    assert "has no [[algorithm]] table" in complaint(algorithms=str(table))
    running = start_sagemaker(tmp_path / "taken")
    assert "Another server uses the state folder" in complaint(state_dir=str(tmp_path / "taken"))
    running.stop()


@pytest.mark.usefixtures("programs")
def test_the_command_explains_itself():
    ended = serve("--help")
    assert ended.returncode == 0
    for option in ("--port", "--state-dir", "--s3-endpoint", "--credentials", "--algorithms", "--role-arn"):
        assert option in ended.stdout
