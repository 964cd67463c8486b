"""Kinds of resources that moto's services have and its CloudFormation leaves out: each is made by its service's call."""

import json

import boto3
from moto.cloudformation.models import Stack
from moto.core.common_models import CloudFormationModel


def client(service, region):
    return boto3.client(service, region_name=region)


def alarm(name, it, region):
    client("cloudwatch", region).put_metric_alarm(AlarmName=name, **it)
    return name


def association(_, it, region):
    return client("ec2", region).associate_address(**it)["AssociationId"]


def group(_, it, region):
    client("cognito-idp", region).create_group(**it)
    return it["GroupName"]


def metric_filter(name, it, region):
    def written(transformation):
        return {key[0].lower() + key[1:]: value for key, value in transformation.items()}

    client("logs", region).put_metric_filter(
        filterName=name, logGroupName=it["LogGroupName"], filterPattern=it["FilterPattern"],
        metricTransformations=[written(transformation) for transformation in it["MetricTransformations"]],
    )
    return name


def provider(_, it, region):
    made = client("iam", region).create_open_id_connect_provider(Url=it["Url"], ClientIDList=it["ClientIdList"])
    return made["OpenIDConnectProviderArn"]


def resource_server(_, it, region):
    client("cognito-idp", region).create_resource_server(**it)
    return it["Identifier"]


def role_policy(name, it, region):
    document = json.dumps(it["PolicyDocument"])
    client("iam", region).put_role_policy(RoleName=it["RoleName"], PolicyName=it["PolicyName"], PolicyDocument=document)
    return name


def secret(name, it, region):
    made, text = it.get("GenerateSecretString"), it.get("SecretString")
    if made:
        password = client("secretsmanager", region).get_random_password(
            PasswordLength=made["PasswordLength"], ExcludePunctuation=made["ExcludePunctuation"]
        )["RandomPassword"]
        text = json.dumps({**json.loads(made["SecretStringTemplate"]), made["GenerateStringKey"]: password})
    return client("secretsmanager", region).create_secret(Name=name, SecretString=text)["ARN"]


def subscription(_, it, region):
    return client("sns", region).subscribe(**it)["SubscriptionArn"]


def user_pool(_, it, region):
    # The second factor is set by another call.
    said = {name: value for name, value in it.items() if name not in ("UserPoolName", "EnabledMfas", "MfaConfiguration")}
    return client("cognito-idp", region).create_user_pool(PoolName=it["UserPoolName"], **said)["UserPool"]["Id"]


def user_pool_client(_, it, region):
    return client("cognito-idp", region).create_user_pool_client(**it)["UserPoolClient"]["ClientId"]


def user_pool_domain(_, it, region):
    client("cognito-idp", region).create_user_pool_domain(**it)
    return it["Domain"]


def add(kind, make):
    class Model(CloudFormationModel):
        # moto takes the second part for the name of the service.
        __module__ = "tests.cloudformation"

        def __init__(self, identifier):
            self.physical_resource_id = identifier

        @staticmethod
        def cloudformation_name_type():
            return ""

        @staticmethod
        def cloudformation_type():
            return kind

        @classmethod
        def create_from_cloudformation_json(cls, resource_name, cloudformation_json, account_id, region_name, **_):
            return cls(make(resource_name, cloudformation_json["Properties"], region_name))

        def is_created(self):
            return True

    return Model


def output_of(stack, name):
    kind, _, key = name.partition(".")
    assert kind == "Outputs", name
    return next(it["OutputValue"] for it in stack.outputs if it["OutputKey"] == key)


# It makes nested stacks, and does not hand their outputs on.
Stack.get_cfn_attribute = output_of

# moto finds them by their base class, as long as they are kept.
MODELS = [
    add("AWS::CloudWatch::Alarm", alarm),
    add("AWS::Cognito::UserPool", user_pool),
    add("AWS::Cognito::UserPoolClient", user_pool_client),
    add("AWS::Cognito::UserPoolDomain", user_pool_domain),
    add("AWS::Cognito::UserPoolGroup", group),
    add("AWS::Cognito::UserPoolResourceServer", resource_server),
    add("AWS::EC2::EIPAssociation", association),
    add("AWS::IAM::OIDCProvider", provider),
    add("AWS::IAM::RolePolicy", role_policy),
    add("AWS::Logs::MetricFilter", metric_filter),
    add("AWS::SecretsManager::Secret", secret),
    add("AWS::SNS::Subscription", subscription),
]
