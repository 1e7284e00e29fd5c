"""The cluster on EC2, by Ray's own checks and its own node provider against a mock of EC2."""

import json
import re
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import boto3
import pytest
import yaml
from moto import mock_aws
from ray.autoscaler._private.aws.node_provider import AWSNodeProvider
from ray.autoscaler._private.util import prepare_config, validate_config
from ray.autoscaler.v2.instance_manager.config import AutoscalingConfig
from ray.autoscaler.v2.scheduler import ResourceDemandScheduler, SchedulingRequest
from ray.autoscaler.v2.utils import ResourceRequestUtil

from tests.cluster.shipped import CLUSTER, ROOT, locked_versions, secrets_in

FILE = CLUSTER / "aws.yaml"
CLUSTER_TAG = "ray-cluster-name"
RESOURCES = {"cpu": {"CPU": 16}, "gpu": {"CPU": 16, "GPU": 1}}  # as EC2 describes the types of the file
PAIRS = [("cpu-spot", "cpu-on-demand"), ("gpu-spot", "gpu-on-demand")]


@pytest.fixture
def config() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(FILE.read_text())
    return found


@pytest.fixture
def prepared(config: dict[str, Any]) -> dict[str, Any]:
    """The file as `ray up` completes it from its defaults."""
    completed: dict[str, Any] = prepare_config(config)
    return completed


@pytest.fixture
def ec2(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, config: dict[str, Any]) -> Iterator[Any]:
    monkeypatch.setenv("HOME", str(tmp_path))  # where Ray puts a new key
    monkeypatch.setenv("AWS_DEFAULT_REGION", config["provider"]["region"])
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    with mock_aws():
        yield boto3.client("ec2")


@pytest.fixture
def bootstrapped(ec2: Any, prepared: dict[str, Any]) -> dict[str, Any]:
    """The configuration as `ray up` works with it, in an account that has what the file's first lines ask for."""
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.0.1.0/24")["Subnet"]["SubnetId"]
    group = ec2.create_security_group(GroupName="revsearch", Description="own members only", VpcId=vpc)["GroupId"]
    for name in ("revsearch-head", "revsearch-worker"):
        boto3.client("iam").create_instance_profile(InstanceProfileName=name)
    for node_type in prepared["available_node_types"].values():
        node_type["node_config"] |= {"SubnetIds": [subnet], "SecurityGroupIds": [group]}
    done: dict[str, Any] = AWSNodeProvider.bootstrap_config(prepared)
    return done


def launched(config: dict[str, Any], ec2: Any) -> dict[str, dict[str, Any]]:
    """Let Ray start a node of each type; return what EC2 was asked for, by the type's name."""
    provider = AWSNodeProvider(config["provider"], config["cluster_name"])
    for name, node_type in config["available_node_types"].items():
        provider.create_node(dict(node_type["node_config"]), {"ray-user-node-type": name}, 1)
    found = [node for each in ec2.describe_instances()["Reservations"] for node in each["Instances"]]
    return {tags(node)["ray-user-node-type"]: node for node in found}


def tags(node: dict[str, Any]) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in node["Tags"]}


def start_commands(config: dict[str, Any]) -> list[str]:
    commands = [*config["head_start_ray_commands"], *config["worker_start_ray_commands"]]
    return [command for command in commands if "ray start" in command]


# What Ray says


def test_ray_takes_it(prepared: dict[str, Any]) -> None:
    validate_config(prepared)


@pytest.mark.parametrize("broken", ["max_worker", "ssh_proxy"])
def test_rays_check_would_see_a_misspelt_option(prepared: dict[str, Any], broken: str) -> None:
    with pytest.raises(Exception, match=broken):
        validate_config({**prepared, broken: 1})


def test_no_default_of_rays_remains(config: dict[str, Any], prepared: dict[str, Any]) -> None:
    """Ray's defaults install another version, and open a dashboard to all."""
    for name in ("setup_commands", "head_setup_commands", "worker_setup_commands", "available_node_types", "auth"):
        assert name in config
    assert prepared["head_setup_commands"] == prepared["worker_setup_commands"] == config["setup_commands"]


def test_nodes_are_what_the_file_says(bootstrapped: dict[str, Any], ec2: Any) -> None:
    groups = {group["GroupId"] for group in ec2.describe_security_groups()["SecurityGroups"]}
    nodes = launched(bootstrapped, ec2)
    own = set(bootstrapped["available_node_types"]["head"]["node_config"]["SecurityGroupIds"])
    for name, node in nodes.items():
        assert node["MetadataOptions"]["HttpTokens"] == "required", name
        assert {group["GroupId"] for group in node["SecurityGroups"]} == own, name
        assert "PublicIpAddress" not in node, name
        assert ("spot" in name) == (node.get("InstanceLifecycle") == "spot"), name
        profile = "revsearch-head" if name == "head" else "revsearch-worker"
        assert node["IamInstanceProfile"]["Arn"].endswith(profile), name
    assert {group["GroupId"] for group in ec2.describe_security_groups()["SecurityGroups"]} == groups


def test_ray_makes_a_group_that_is_open_to_all_where_none_is_named(
    ec2: Any, bootstrapped: dict[str, Any], prepared: dict[str, Any]
) -> None:
    """Why the file names one."""
    for node_type in prepared["available_node_types"].values():
        del node_type["node_config"]["SecurityGroupIds"]
    AWSNodeProvider.bootstrap_config(prepared)
    open_to = [
        block["CidrIp"]
        for group in ec2.describe_security_groups()["SecurityGroups"]
        for rule in group["IpPermissions"]
        for block in rule["IpRanges"]
    ]
    assert open_to == ["0.0.0.0/0"]


@pytest.mark.parametrize(("spot", "on_demand"), PAIRS)
def test_where_there_is_no_spot_node_an_on_demand_one_is_taken(
    prepared: dict[str, Any], spot: str, on_demand: str
) -> None:
    for name in (spot, on_demand):
        prepared["available_node_types"][name]["resources"] = RESOURCES[name.partition("-")[0]]
    kinds = AutoscalingConfig(prepared, skip_content_hash=True).get_node_type_configs()
    kinds = {name: kind for name, kind in kinds.items() if name in (spot, on_demand)}
    for kind in kinds.values():
        kind.min_worker_nodes = 0
    wanted = {"GPU": 1.0, "CPU": 4.0} if "gpu" in spot else {"CPU": 8.0}

    def asked(failed: dict[str, float]) -> dict[str, int]:
        reply = ResourceDemandScheduler().schedule(
            SchedulingRequest(
                disable_launch_config_check=True,
                node_type_configs=kinds,
                max_num_nodes=12,
                resource_requests=ResourceRequestUtil.group_by_count([ResourceRequestUtil.make(wanted)]),
                recoverable_resource_availabilities=failed,
            )
        )
        return {request.instance_type: request.count for request in reply.to_launch}

    assert asked({}) == {spot: 1}
    assert asked({spot: 0.0}) == {on_demand: 1}


# What we say


@pytest.mark.parametrize(("spot", "on_demand"), PAIRS)
def test_spot_and_on_demand_differ_in_price_alone(config: dict[str, Any], spot: str, on_demand: str) -> None:
    types = config["available_node_types"]
    assert types[spot]["priority"] > types[on_demand]["priority"]
    market = types[spot]["node_config"].pop("InstanceMarketOptions")
    assert market["MarketType"] == "spot"
    assert types[spot]["node_config"] == types[on_demand]["node_config"]
    assert types[spot]["max_workers"] == types[on_demand]["max_workers"]


def test_every_ray_asks_for_the_token(config: dict[str, Any]) -> None:
    commands = start_commands(config)
    assert len(commands) == 2
    for command in commands:
        assert "RAY_AUTH_MODE=token" in command.partition("ray start")[0]
    assert config["file_mounts"]["~/.ray/auth_token"] == "~/.ray/auth_token"


def test_nothing_is_public(config: dict[str, Any]) -> None:
    assert "0.0.0.0" not in re.sub(r"#.*", "", FILE.read_text())
    assert config["provider"]["use_internal_ips"] is True
    assert "security_group" not in config["provider"]
    assert "--dashboard-host=127.0.0.1" in start_commands(config)[0]
    for node_type in config["available_node_types"].values():
        assert node_type["node_config"]["SecurityGroupIds"]
        assert "NetworkInterfaces" not in node_type["node_config"]


def test_the_head_does_no_work(config: dict[str, Any]) -> None:
    assert config["available_node_types"]["head"]["resources"] == {"CPU": 0}
    assert "--num-cpus=0" in start_commands(config)[0]


def test_it_grows_and_shrinks(config: dict[str, Any]) -> None:
    workers = [kind for name, kind in config["available_node_types"].items() if name != "head"]
    assert all(kind["min_workers"] < kind["max_workers"] <= config["max_workers"] for kind in workers)
    assert 0 < config["idle_timeout_minutes"] <= 15
    assert config["provider"]["cache_stopped_nodes"] is False


def test_one_region(config: dict[str, Any]) -> None:
    found = set(re.findall(r"\b(?:us|eu|ap|sa|ca|me|af|il)-[a-z]+-\d\b", FILE.read_text()))
    assert found == {config["provider"]["region"]}
    assert all(f"AWS_REGION={config['provider']['region']};" in command for command in start_commands(config))


def test_versions_are_those_of_the_lock(config: dict[str, Any]) -> None:
    assert config["file_mounts"]["~/requirements.lock"] == "cluster/requirements.lock"
    assert (ROOT / "cluster/requirements.lock").is_file()
    assert "--require-hashes -r ~/requirements.lock" in config["setup_commands"][-1]
    assert "ray" in locked_versions()


def test_no_secret_is_in_it() -> None:
    assert secrets_in(FILE.read_text()) == []


# What roles may do


def actions(name: str) -> dict[str, set[str]]:
    """Return the actions a policy allows, by the names of its statements."""
    policy = json.loads((CLUSTER / name).read_text())
    assert all(statement["Effect"] == "Allow" for statement in policy["Statement"])
    return {statement["Sid"]: set(statement["Action"]) for statement in policy["Statement"]}


@pytest.mark.parametrize("name", ["s3-policy.json", "aws-head-policy.json"])
def test_no_policy_allows_everything(name: str) -> None:
    assert not [action for allowed in actions(name).values() for action in allowed if "*" in action]


def test_the_head_may_do_what_rays_provider_does() -> None:
    source = Path(AWSNodeProvider.create_node.__code__.co_filename).read_text()
    assert set(re.findall(r"ec2_fail_fast\.(\w+)\(", source)) == {"create_instances"}
    allowed = set().union(*actions("aws-head-policy.json").values())
    assert allowed >= {"ec2:RunInstances", "ec2:DescribeInstances", "ec2:CreateTags", "ec2:TerminateInstances"}


def may_head(action: str, kind: str, context: dict[str, str]) -> bool:
    """Say whether the policy lets the head do it to a resource of EC2, as IAM would."""
    account = "" if kind == "image" else "000000000000"
    resource = f"arn:aws:ec2:us-west-2:{account}:{kind}/some"
    statements = json.loads((CLUSTER / "aws-head-policy.json").read_text())["Statement"]
    return any(
        action in statement["Action"]
        and any(fnmatchcase(resource, pattern) for pattern in listed(statement["Resource"]))
        and holds(statement.get("Condition", {}), context)
        for statement in statements
    )


def holds(condition: dict[str, Any], context: dict[str, str]) -> bool:
    assert condition.keys() <= {"StringEquals"}
    return all(context.get(key) in listed(values) for key, values in condition.get("StringEquals", {}).items())


def listed(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value


def test_the_head_starts_what_ray_asks_for_and_no_other(bootstrapped: dict[str, Any], ec2: Any) -> None:
    workers = [node for name, node in launched(bootstrapped, ec2).items() if name != "head"]
    for node in workers:
        as_ray_does = {
            f"aws:RequestTag/{CLUSTER_TAG}": tags(node)[CLUSTER_TAG],
            "ec2:InstanceType": node["InstanceType"],
        }
        assert may_head("ec2:RunInstances", "instance", as_ray_does)
        for key in as_ray_does:
            assert not may_head("ec2:RunInstances", "instance", {**as_ray_does, key: "other"})
            left = {name: value for name, value in as_ray_does.items() if name != key}
            assert not may_head("ec2:RunInstances", "instance", left)
    policy = json.loads((CLUSTER / "aws-head-policy.json").read_text())
    (types,) = (
        statement["Condition"]["StringEquals"]["ec2:InstanceType"]
        for statement in policy["Statement"]
        if statement["Sid"] == "StartNodesOfThisCluster"
    )
    assert set(types) == {node["InstanceType"] for node in workers}


@pytest.mark.parametrize(
    "kind", ["image", "key-pair", "network-interface", "security-group", "spot-instances-request", "subnet", "volume"]
)
def test_the_head_starts_nodes_from_what_has_no_tags(kind: str) -> None:
    assert may_head("ec2:RunInstances", kind, {})


@pytest.mark.parametrize("action", ["ec2:CreateTags", "ec2:TerminateInstances"])
def test_the_head_touches_nodes_of_this_cluster_alone(action: str) -> None:
    tag = f"ec2:ResourceTag/{CLUSTER_TAG}"
    assert may_head(action, "instance", {tag: "revsearch"})
    assert not may_head(action, "instance", {tag: "other"})
    assert not may_head(action, "instance", {})
    # A tag that the head could put on a node of others would make it one of the cluster's.
    assert not may_head(action, "instance", {f"aws:RequestTag/{CLUSTER_TAG}": "revsearch"})


def test_the_head_tags_nodes_as_it_starts_them() -> None:
    assert may_head("ec2:CreateTags", "instance", {"ec2:CreateAction": "RunInstances"})
    assert not may_head("ec2:CreateTags", "instance", {"ec2:CreateAction": "CreateVolume"})
