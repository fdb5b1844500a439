"""What the service answers: PUT /<id> with {"item": ..., "quantity": ...} stores an order, GET /<id> shows it."""

from __future__ import annotations

import json
import logging
import os
from base64 import b64decode
from typing import Any
from uuid import UUID

from orders import Order, Orders, OtherContentsError, UnavailableError

from dsql_dr_client import FailoverPool

# one connection, since a function handles one request at a time; kept between invocations
orders = Orders(FailoverPool(deployment=os.environ["DEPLOYMENT"], user="orders", max_size=1))


def handle(event: dict[str, Any], context: object) -> dict[str, Any]:
    """The URL's payload (https://docs.aws.amazon.com/lambda/latest/dg/urls-invocation.html), or the REST API's."""
    http = event["requestContext"].get("http") or {"method": event["httpMethod"], "path": event["path"]}
    try:
        id = UUID(http["path"].strip("/"))
        if http["method"] == "PUT":
            text = event["body"]  # in base64 if the client did not call it JSON; curl does not
            body = json.loads(b64decode(text) if event.get("isBase64Encoded") else text)
            order = Order(id, str(body["item"]), int(body["quantity"]))
            return _answer(201 if orders.accept(order) else 200, order)
        found = orders.find(id)
        return _answer(200, found) if found else {"statusCode": 404}
    except (ValueError, KeyError, TypeError):
        return {"statusCode": 400, "body": json.dumps({"error": 'PUT /<uuid> with {"item": "...", "quantity": 1}'})}
    except OtherContentsError:
        return {"statusCode": 409, "body": json.dumps({"error": "This id belongs to an order with other contents."})}
    except UnavailableError:
        logging.exception("No order was taken.")
        return {"statusCode": 503, "body": json.dumps({"error": "Try again with the same id, here or in the peer."})}


def _answer(status: int, order: Order) -> dict[str, Any]:
    body = {"id": str(order.id), "item": order.item, "quantity": order.quantity, "endpoint": orders.endpoint}
    return {"statusCode": status, "headers": {"content-type": "application/json"}, "body": json.dumps(body)}
