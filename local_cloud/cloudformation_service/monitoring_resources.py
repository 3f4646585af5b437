"""Monitoring resources of a stack: SNS topics, EventBridge rules, metric filters, alarms, the dashboard."""

from __future__ import annotations

import json

from local_cloud.cloudformation_service.resource_kinds import Made, Properties, ResourceKind, deleting
from local_cloud.http.clients import Clients


def _make_topic(properties: Properties, clients: Clients) -> Made:
    arn = clients("sns").create_topic(Name=properties["TopicName"])["TopicArn"]
    return Made(arn, {"TopicName": properties["TopicName"], "TopicArn": arn})


def _make_topic_policy(properties: Properties, clients: Clients) -> Made:
    policy = json.dumps(properties["PolicyDocument"])
    for topic in properties["Topics"]:
        clients("sns").set_topic_attributes(TopicArn=topic, AttributeName="Policy", AttributeValue=policy)
    return Made(properties["Topics"][0])


def _leave_topic_policy(_made: Made, _clients: Clients) -> None:
    """Do nothing: the policy is deleted with its topic, or overwritten."""


def _make_subscription(properties: Properties, clients: Clients) -> Made:
    made = clients("sns").subscribe(
        TopicArn=properties["TopicArn"],
        Protocol=properties["Protocol"],
        Endpoint=properties["Endpoint"],
        ReturnSubscriptionArn=True,
    )
    return Made(made["SubscriptionArn"])


def _make_rule(properties: Properties, clients: Clients) -> Made:
    events, name = clients("events"), properties["Name"]
    arn = events.put_rule(Name=name, EventPattern=json.dumps(properties["EventPattern"]))["RuleArn"]
    events.put_targets(Rule=name, Targets=properties["Targets"])
    return Made(name, {"Arn": arn})


def _delete_rule(made: Made, clients: Clients) -> None:
    events = clients("events")
    targets = events.list_targets_by_rule(Rule=made.reference)["Targets"]
    events.remove_targets(Rule=made.reference, Ids=[target["Id"] for target in targets])
    events.delete_rule(Name=made.reference)


def _make_metric_filter(properties: Properties, clients: Clients) -> Made:
    [metric] = properties["MetricTransformations"]
    group, name = properties["LogGroupName"], f"{metric['MetricName']}-{properties['LogGroupName']}"
    clients("logs").put_metric_filter(
        logGroupName=group,
        filterName=name.replace("/", "-"),
        filterPattern=properties["FilterPattern"],
        metricTransformations=[{key[0].lower() + key[1:]: value for key, value in metric.items()}],
    )
    return Made(name.replace("/", "-"), {"LogGroupName": group})


def _delete_metric_filter(made: Made, clients: Clients) -> None:
    group = made.attributes["LogGroupName"]
    clients("logs").delete_metric_filter(logGroupName=group, filterName=made.reference)


def _make_alarm(properties: Properties, clients: Clients) -> Made:
    # A template parameter is text.
    threshold = float(properties["Threshold"])
    clients("cloudwatch").put_metric_alarm(**{**properties, "Threshold": threshold})
    return Made(properties["AlarmName"])


def _delete_alarm(made: Made, clients: Clients) -> None:
    clients("cloudwatch").delete_alarms(AlarmNames=[made.reference])


def _make_dashboard(properties: Properties, clients: Clients) -> Made:
    clients("cloudwatch").put_dashboard(**properties)
    return Made(properties["DashboardName"])


def _delete_dashboard(made: Made, clients: Clients) -> None:
    clients("cloudwatch").delete_dashboards(DashboardNames=[made.reference])


_ALARM = frozenset(
    {
        "AlarmName",
        "AlarmDescription",
        "Namespace",
        "MetricName",
        "Dimensions",
        "Statistic",
        "Period",
        "EvaluationPeriods",
        "Threshold",
        "ComparisonOperator",
        "TreatMissingData",
        "AlarmActions",
    }
)
SIGNAL_KINDS = {
    "AWS::SNS::Topic": ResourceKind(
        frozenset({"TopicName"}), _make_topic, deleting("sns", "delete_topic", "TopicArn")
    ),
    "AWS::SNS::TopicPolicy": ResourceKind(
        frozenset({"Topics", "PolicyDocument"}), _make_topic_policy, _leave_topic_policy
    ),
    "AWS::SNS::Subscription": ResourceKind(
        frozenset({"TopicArn", "Protocol", "Endpoint"}),
        _make_subscription,
        deleting("sns", "unsubscribe", "SubscriptionArn"),
    ),
    "AWS::Events::Rule": ResourceKind(
        frozenset({"Name", "EventPattern", "Targets"}), _make_rule, _delete_rule
    ),
    "AWS::Logs::MetricFilter": ResourceKind(
        frozenset({"LogGroupName", "FilterPattern", "MetricTransformations"}),
        _make_metric_filter,
        _delete_metric_filter,
    ),
    "AWS::CloudWatch::Alarm": ResourceKind(_ALARM, _make_alarm, _delete_alarm),
    "AWS::CloudWatch::Dashboard": ResourceKind(
        frozenset({"DashboardName", "DashboardBody"}), _make_dashboard, _delete_dashboard
    ),
}
