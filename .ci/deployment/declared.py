"""Holds what was deployed against template.yaml: resources, tables with their indexes, and routes."""

import collections

from samtranslator.yaml_helper import yaml_parse

from aws import pages
from expect import equal
from stack import overrides

# What the emulator takes and forgets, by resource type: what stands in here is not proven by a deployment.
FORGOTTEN = {
    "AWS::ApiGatewayV2::Stage": ("DefaultRouteSettings", "RouteSettings", "AccessLogSettings"),
    "AWS::DynamoDB::Table": (
        "OnDemandThroughput",
        "PointInTimeRecoverySpecification",
        "SSESpecification",
        "TimeToLiveSpecification",
    ),
    "AWS::Lambda::Alias": ("UpdatePolicy",),
    "AWS::Lambda::Function": ("ReservedConcurrentExecutions",),
}
# And the types of which it makes nothing: emulator.py has placeholders for them.
PLACEHOLDERS = ("AWS::CloudWatch::CompositeAlarm", "AWS::CodeDeploy::", "AWS::Logs::QueryDefinition")


def resources_are_complete(stack):
    unfinished = {
        name: resource["ResourceStatus"]
        for name, resource in stack.resources.items()
        if resource["ResourceStatus"] not in ("CREATE_COMPLETE", "UPDATE_COMPLETE")
    }
    equal("resources that are not complete", unfinished, {})
    missing = [
        name
        for name, resource in stack.template["Resources"].items()
        if name not in stack.resources and "Condition" not in resource
    ]
    equal("resources that are missing", missing, [])
    return f"{len(stack.resources)} resources"


def settings_name_parameters(stack):
    """In every environment of samconfig.toml: SAM leaves out, without a word, what the template does not have."""
    parameters = stack.template["Parameters"]
    for environment, commands in stack.settings.items():
        if environment == "version" or "deploy" not in commands:
            continue
        names = overrides(commands)
        unknown = [name for name in names if name not in parameters]
        equal(f"parameters of {environment} that are none of the template", unknown, [])
    unknown = [name for name in stack.parameters if name not in parameters]
    equal("parameters that were given and are none of the template", unknown, [])
    deployed = stack.deployed_parameters()
    equal("parameters as deployed", {name: deployed.get(name) for name in stack.parameters}, stack.parameters)
    return f"{len(parameters)} parameters"


def tables_are_as_declared(stack):
    dynamodb = stack.emulator.client("dynamodb")
    tables = stack.of_type("AWS::DynamoDB::Table")
    indexes = 0
    for name, resource in tables.items():
        declared = resource["Properties"]
        deployed = dynamodb.describe_table(TableName=stack.physical(name))["Table"]
        for field in ("KeySchema", "AttributeDefinitions"):
            equal(f"{field} of {name}", by_name(deployed[field]), by_name(declared[field]))
        equal(f"indexes of {name}", indexes_of(deployed), indexes_of(declared))
        equal(f"BillingMode of {name}", deployed["BillingModeSummary"]["BillingMode"], declared["BillingMode"])
        equal(f"stream of {name}", stream_of(deployed), stream_of(declared))
        equal(f"protection of {name}", deployed["DeletionProtectionEnabled"], is_protected(stack))
        equal(f"status of {name}", deployed["TableStatus"], "ACTIVE")
        indexes += len(declared.get("GlobalSecondaryIndexes", []))
    prefix = stack.parameters["TablePrefix"]
    names = sorted(stack.physical(name) for name in tables)
    equal(f"tables beginning with {prefix}", [name for name in names if name.startswith(prefix)], names)
    return f"{len(tables)} tables with {indexes} indexes"


def by_name(attributes):
    return sorted(attributes, key=lambda attribute: attribute["AttributeName"])


def indexes_of(table):
    def projection(index):
        # A set, as the order is nobody's.
        return index["Projection"]["ProjectionType"], frozenset(index["Projection"].get("NonKeyAttributes", []))

    return {
        index["IndexName"]: (by_name(index["KeySchema"]), projection(index))
        for index in table.get("GlobalSecondaryIndexes", [])
    }


def is_protected(stack):
    return stack.parameters["TableDeletionProtection"] == "true"


def stream_of(table):
    return table.get("StreamSpecification", {}).get("StreamViewType")


def routes_are_as_declared(stack):
    """Against template.yaml itself, since the routes were made of what SAM wrote."""
    gateway = stack.emulator.client("apigatewayv2")
    functions = stack.emulator.client("lambda")
    (api,) = stack.of_type("AWS::ApiGatewayV2::Api")
    api_id = stack.physical(api)
    integrations = {
        integration["IntegrationId"]: integration["IntegrationUri"]
        for integration in pages(gateway, "get_integrations", "Items", ApiId=api_id)
    }
    deployed = {
        route["RouteKey"]: integrations[route["Target"].removeprefix("integrations/")]
        for route in pages(gateway, "get_routes", "Items", ApiId=api_id)
    }
    source = yaml_parse((stack.root / "template.yaml").read_text())
    declared = {}
    for name, resource in source["Resources"].items():
        # One whose condition does not hold is not there.
        if resource["Type"] != "AWS::Serverless::Function" or name not in stack.resources:
            continue
        configuration = functions.get_function(FunctionName=stack.physical(name))["Configuration"]
        alias = alias_of(source, resource)
        for event in resource["Properties"].get("Events", {}).values():
            if event["Type"] != "HttpApi":
                continue
            path, method = event["Properties"]["Path"], event["Properties"]["Method"]
            key = path if path == "$default" else f"{method.upper()} {path}"
            declared[key] = f"{configuration['FunctionArn']}:{alias}" if alias else configuration["FunctionArn"]
    equal("routes", deployed, declared)
    settings = source["Resources"][api]["Properties"]["RouteSettings"]
    equal("throttles of no route", sorted(set(settings) - set(declared)), [])
    return f"{len(declared)} routes to {len(set(declared.values()))} functions, {len(settings)} throttles"


def alias_of(source, resource):
    """By which a function's events call it; a setting for all functions may stand in Globals."""
    everybody = source.get("Globals", {}).get("Function", {})
    return resource["Properties"].get("AutoPublishAlias", everybody.get("AutoPublishAlias"))


def forgotten(stack):
    """What of this stack the emulator does not have, in words."""
    counts = collections.Counter()
    for resource_type, properties in FORGOTTEN.items():
        for resource in stack.of_type(resource_type).values():
            fields = {**resource, **resource.get("Properties", {})}
            counts.update(f"{field} of {resource_type}" for field in properties if field in fields)
    for name, resource in stack.template["Resources"].items():
        if name not in stack.resources:
            continue
        if resource["Type"].startswith(PLACEHOLDERS):
            counts[resource["Type"]] += 1
        elif resource["Type"] == "AWS::CloudWatch::Alarm" and "Metrics" in resource["Properties"]:
            counts["AWS::CloudWatch::Alarm on an expression"] += 1
    return [f"{count:3} x {what}" for what, count in counts.items()]
