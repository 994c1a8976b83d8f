"""Talks to a server through a client of openapi-python-client."""

import sys

from florin_client import Client
from florin_client.api.accounts import deposit, list_accounts, open_account, withdraw
from florin_client.api.operations import get_operation
from florin_client.api.transfers import post_transfer, transfer
from florin_client.models import (
    MoneyRequest,
    OpenAccountRequest,
    PostRequest,
    Problem,
    ProblemCode,
    TransferRequest,
    TransferResult,
)

client = Client(base_url=sys.argv[1])


def opened(name):
    body = OpenAccountRequest(holder_name=name, country_code="GB", reference="generated")
    answer = open_account.sync_detailed(client=client, body=body)
    assert answer.status_code == 201, answer
    assert answer.parsed.status == "ACTIVE" and answer.parsed.overdraft_limit == 0
    return answer.parsed.id


def moved(**fields):
    body = TransferRequest(from_=source, to=target, **fields)
    answer = transfer.sync_detailed(client=client, body=body)
    assert answer.status_code == 201, answer
    assert answer.headers["location"] == f"/transfers/{answer.parsed.transfer_id}"
    return answer.parsed


source, target = opened("Ada"), opened("Grace")
done = deposit.sync(source, client=client, body=MoneyRequest(amount=1000), idempotency_key="py")
assert done.balance == 1000, done

made = moved(amount=300)
hold = moved(amount=200, pending=True)
assert hold.transfer_status == "pending", hold
posted = post_transfer.sync(hold.transfer_id, client=client, body=PostRequest(amount=150))
assert posted.to.balance == 450, posted

operation = get_operation.sync(made.operation_id, client=client)
assert operation.status == "completed", operation
assert isinstance(operation.result, TransferResult), operation.result
assert operation.result.transfer_id == made.transfer_id

page = list_accounts.sync(client=client, reference="generated", limit=1)
assert len(page.data) == 1 and page.has_more, page

refused = withdraw.sync_detailed(target, client=client, body=MoneyRequest(amount=1_000_000))
assert refused.status_code == 422 and isinstance(refused.parsed, Problem), refused
assert refused.parsed.code == ProblemCode.INSUFFICIENT_FUNDS, refused.parsed
