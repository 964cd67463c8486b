"""Kinds of resources that moto's services have and its CloudFormation leaves out: each is made by its service's call."""

import json

import boto3
from moto.core.common_models import CloudFormationModel


def client(service, region):
    return boto3.client(service, region_name=region)


def alarm(name, it, region):
    client("cloudwatch", region).put_metric_alarm(AlarmName=name, **it)
    return name


def association(_, it, region):
    return client("ec2", region).associate_address(**it)["AssociationId"]


def metric_filter(name, it, region):
    def written(transformation):
        return {key[0].lower() + key[1:]: value for key, value in transformation.items()}

    client("logs", region).put_metric_filter(
        filterName=name, logGroupName=it["LogGroupName"], filterPattern=it["FilterPattern"],
        metricTransformations=[written(transformation) for transformation in it["MetricTransformations"]],
    )
    return name


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


# moto finds them by their base class, as long as they are kept.
MODELS = [
    add("AWS::CloudWatch::Alarm", alarm),
    add("AWS::EC2::EIPAssociation", association),
    add("AWS::IAM::RolePolicy", role_policy),
    add("AWS::Logs::MetricFilter", metric_filter),
    add("AWS::SecretsManager::Secret", secret),
    add("AWS::SNS::Subscription", subscription),
]
