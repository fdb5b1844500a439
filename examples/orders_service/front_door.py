"""The Region's part of the name that users have: Route 53 answers with it for as long as its health check passes."""

from __future__ import annotations

import aws_cdk as cdk
from aws_cdk import aws_apigateway as apigateway
from aws_cdk import aws_certificatemanager as acm
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_route53 as route53
from aws_cdk import aws_route53_targets as targets
from constructs import Construct


class FrontDoor(Construct):
    """An API with the domain's name in this Region, and the record that leads to it.

    A REST API, since users do not know which Region answers: it accepts a signature for several Regions (SigV4A), with
    which an HTTP API is reported not to work: https://chammock.dev/posts/aws-apigw-multi-region-iam-auth/

    Args:
        function: Answers every request.
        domain: What users call, for example ``orders.example.com``; the same in each Region.
        zone_id: Public hosted zone in Route 53 that the domain belongs to.
        health_check: Takes the Region out of the answers while it is unhealthy.
    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        function: lambda_.IFunction,
        domain: str,
        zone_id: str,
        health_check: route53.IHealthCheck,
    ) -> None:
        super().__init__(scope, id)
        region = cdk.Stack.of(self).region
        zone = route53.HostedZone.from_hosted_zone_id(self, "Zone", zone_id)
        certificate = acm.Certificate(
            self, "Certificate", domain_name=domain, validation=acm.CertificateValidation.from_dns(zone)
        )
        api = apigateway.LambdaRestApi(
            self,
            "Api",
            handler=function,
            endpoint_types=[apigateway.EndpointType.REGIONAL],
            default_method_options=apigateway.MethodOptions(authorization_type=apigateway.AuthorizationType.IAM),
            disable_execute_api_endpoint=True,  # a Region itself is called by its function's URL
            domain_name=apigateway.DomainNameOptions(
                domain_name=domain, certificate=certificate, security_policy=apigateway.SecurityPolicy.TLS_1_2
            ),
        )
        route53.ARecord(
            self,
            "Record",
            zone=zone,
            record_name=f"{domain}.",
            target=route53.RecordTarget.from_alias(targets.ApiGateway(api)),
            region=region,
            set_identifier=region,
            health_check=health_check,
        )
        cdk.CfnOutput(self, "Address", value=f"https://{domain}/")
