"""Talks to a server through a Python client of openapi-generator."""

import json
import sys

import florin_client as florin
from florin_client.exceptions import ApiException

client = florin.ApiClient(florin.Configuration(host=sys.argv[1]))
accounts = florin.AccountsApi(client)
transfers = florin.TransfersApi(client)
operations = florin.OperationsApi(client)


def opened(name):
    request = florin.OpenAccountRequest(holder_name=name, country_code="GB", reference="generated")
    account = accounts.open_account(open_account_request=request)
    assert account.status == "ACTIVE" and account.overdraft_limit == 0, account
    return account.id


def moved(**fields):
    request = florin.TransferRequest(var_from=source, to=target, **fields)
    answer = transfers.transfer_with_http_info(transfer_request=request)
    assert answer.status_code == 201, answer
    assert answer.headers["location"] == f"/transfers/{answer.data.transfer_id}", answer
    return answer.data


source, target = opened("Ada"), opened("Grace")
done = accounts.deposit(
    id=source, money_request=florin.MoneyRequest(amount=1000), idempotency_key="generator"
)
assert done.balance == 1000, done

made = moved(amount=300)
hold = moved(amount=200, pending=True)
assert hold.transfer_status == "pending", hold
posted = transfers.post_transfer(id=hold.transfer_id, post_request=florin.PostRequest(amount=150))
assert posted.to.balance == 450, posted

operation = operations.get_operation(id=made.operation_id)
result = operation.result.actual_instance
assert isinstance(result, florin.TransferResult), operation
assert result.transfer_id == made.transfer_id, operation

page = accounts.list_accounts(reference="generated", limit=1)
assert len(page.data) == 1 and page.has_more, page

try:
    accounts.withdraw(id=target, money_request=florin.MoneyRequest(amount=1_000_000))
    raise AssertionError("it was not refused")
except ApiException as refused:
    assert refused.status == 422, refused
    problem = florin.Problem.from_dict(json.loads(refused.body))
    assert problem.code == florin.ProblemCode.INSUFFICIENT_FUNDS, problem
