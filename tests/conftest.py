"""What all tests share."""

from __future__ import annotations

import os

from dsql_dr_constructs.rehearsal.embedded_aws import node

os.environ.setdefault("JSII_NODE", node())  # before aws_cdk is imported: jsii runs on the Node that tests bring along
