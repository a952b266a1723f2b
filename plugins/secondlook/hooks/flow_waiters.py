"""Waiters for flow definitions, in botocore's form."""

from __future__ import annotations

from botocore.waiter import WaiterModel

# boto3 has no waiter for flow definitions; they become active within seconds.
FLOW_WAITERS = WaiterModel(
    {
        "version": 2,
        "waiters": {
            "FlowDefinitionActive": {
                "operation": "DescribeFlowDefinition",
                "delay": 2,
                "maxAttempts": 90,
                "acceptors": [
                    {
                        "matcher": "path",
                        "argument": "FlowDefinitionStatus",
                        "expected": "Active",
                        "state": "success",
                    },
                    {
                        "matcher": "path",
                        "argument": "FlowDefinitionStatus",
                        "expected": "Failed",
                        "state": "failure",
                    },
                ],
            },
            "FlowDefinitionDeleted": {
                "operation": "DescribeFlowDefinition",
                "delay": 2,
                "maxAttempts": 90,
                "acceptors": [
                    {"matcher": "error", "expected": "ResourceNotFound", "state": "success"},
                ],
            },
        },
    }
)
