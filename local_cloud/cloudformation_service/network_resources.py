"""Network resources of a stack: VPC, subnets, routes, security groups, endpoints; no packet uses them."""

from __future__ import annotations

import json
from typing import Any

from local_cloud.cloudformation_service.resource_kinds import Made, Properties, ResourceKind, deleting
from local_cloud.cloudformation_service.template import UnsupportedTemplate
from local_cloud.http.clients import Clients


def _make_vpc(properties: Properties, clients: Clients) -> Made:
    ec2 = clients("ec2")
    vpc = ec2.create_vpc(CidrBlock=properties["CidrBlock"])["Vpc"]["VpcId"]
    ec2.create_tags(Resources=[vpc], Tags=properties.get("Tags", []))
    for name in ("EnableDnsSupport", "EnableDnsHostnames"):
        if name in properties:
            ec2.modify_vpc_attribute(VpcId=vpc, **{name: {"Value": properties[name]}})
    return Made(vpc, {"VpcId": vpc})


def _make_subnet(properties: Properties, clients: Clients) -> Made:
    subnet = clients("ec2").create_subnet(**properties)["Subnet"]["SubnetId"]
    return Made(subnet, {"SubnetId": subnet})


def _make_route_table(properties: Properties, clients: Clients) -> Made:
    table = clients("ec2").create_route_table(VpcId=properties["VpcId"])["RouteTable"]["RouteTableId"]
    return Made(table, {"RouteTableId": table})


def _make_association(properties: Properties, clients: Clients) -> Made:
    return Made(clients("ec2").associate_route_table(**properties)["AssociationId"])


def _make_security_group(properties: Properties, clients: Clients) -> Made:
    ec2 = clients("ec2")
    description = properties["GroupDescription"]
    # CloudFormation generates a name; one group in each VPC is enough here.
    group = ec2.create_security_group(
        GroupName=f"group-of-{properties['VpcId']}", Description=description, VpcId=properties["VpcId"]
    )["GroupId"]
    # A list of egress rules replaces the default rule, which allows everything.
    everything = ec2.describe_security_groups(GroupIds=[group])["SecurityGroups"][0]["IpPermissionsEgress"]
    ec2.revoke_security_group_egress(GroupId=group, IpPermissions=everything)
    rules = [_rule(one) for one in properties["SecurityGroupEgress"]]
    ec2.authorize_security_group_egress(GroupId=group, IpPermissions=rules)
    return Made(group, {"GroupId": group})


def _rule(rule: dict[str, Any]) -> dict[str, Any]:
    """Return an egress rule of a template in the format of EC2's API."""
    unknown = rule.keys() - {"IpProtocol", "FromPort", "ToPort", "CidrIp", "Description"}
    if unknown:
        raise UnsupportedTemplate(
            f"{', '.join(sorted(unknown))} of a security group rule is not applied by the local cloud"
        )
    reached = {"CidrIp": rule["CidrIp"], "Description": rule.get("Description", "")}
    return {**{key: rule[key] for key in ("IpProtocol", "FromPort", "ToPort")}, "IpRanges": [reached]}


def _make_endpoint(properties: Properties, clients: Clients) -> Made:
    policy = json.dumps(properties["PolicyDocument"])
    endpoint = clients("ec2").create_vpc_endpoint(**{**properties, "PolicyDocument": policy})
    return Made(endpoint["VpcEndpoint"]["VpcEndpointId"])


def _delete_endpoint(made: Made, clients: Clients) -> None:
    clients("ec2").delete_vpc_endpoints(VpcEndpointIds=[made.reference])


_VPC = frozenset({"CidrBlock", "EnableDnsSupport", "EnableDnsHostnames", "Tags"})
_ENDPOINT = frozenset({"VpcEndpointType", "VpcId", "ServiceName", "RouteTableIds", "PolicyDocument"})
NETWORK_KINDS = {
    "AWS::EC2::VPC": ResourceKind(_VPC, _make_vpc, deleting("ec2", "delete_vpc", "VpcId")),
    "AWS::EC2::Subnet": ResourceKind(
        frozenset({"VpcId", "CidrBlock", "AvailabilityZone"}),
        _make_subnet,
        deleting("ec2", "delete_subnet", "SubnetId"),
    ),
    "AWS::EC2::RouteTable": ResourceKind(
        frozenset({"VpcId"}), _make_route_table, deleting("ec2", "delete_route_table", "RouteTableId")
    ),
    "AWS::EC2::SubnetRouteTableAssociation": ResourceKind(
        frozenset({"SubnetId", "RouteTableId"}),
        _make_association,
        deleting("ec2", "disassociate_route_table", "AssociationId"),
    ),
    "AWS::EC2::SecurityGroup": ResourceKind(
        frozenset({"GroupDescription", "VpcId", "SecurityGroupEgress"}),
        _make_security_group,
        deleting("ec2", "delete_security_group", "GroupId"),
    ),
    "AWS::EC2::VPCEndpoint": ResourceKind(_ENDPOINT, _make_endpoint, _delete_endpoint),
}
