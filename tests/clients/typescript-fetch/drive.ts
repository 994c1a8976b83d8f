// Talks to a server through a TypeScript client of openapi-generator.
import assert from "node:assert/strict";
import {
  AccountsApi,
  Configuration,
  OperationsApi,
  ProblemFromJSON,
  ResponseError,
  TransfersApi,
} from "./generated/index.js";

const configuration = new Configuration({ basePath: process.argv[2] });
const accounts = new AccountsApi(configuration);
const transfers = new TransfersApi(configuration);
const operations = new OperationsApi(configuration);

async function open(holderName: string): Promise<string> {
  const openAccountRequest = { holderName, countryCode: "GB", reference: "generated" };
  const account = await accounts.openAccount({ openAccountRequest });
  assert.equal(account.status, "ACTIVE");
  assert.equal(account.overdraftLimit, 0);
  return account.id;
}

async function main(): Promise<void> {
  const [from, to] = [await open("Ada"), await open("Grace")];
  const deposit = await accounts.deposit({
    id: from,
    idempotencyKey: "ts-fetch",
    moneyRequest: { amount: 1000 },
  });
  assert.equal(deposit.balance, 1000);

  const made = await transfers.transferRaw({ transferRequest: { from, to, amount: 300 } });
  assert.equal(made.raw.status, 201);
  const transfer = await made.value();
  assert.equal(made.raw.headers.get("location"), `/transfers/${transfer.transferId}`);

  const hold = await transfers.transfer({ transferRequest: { from, to, amount: 200, pending: true } });
  assert.equal(hold.transferStatus, "pending");
  const posted = await transfers.postTransfer({ id: hold.transferId, postRequest: { amount: 150 } });
  assert.equal(posted.to.balance, 450);

  const operation = await operations.getOperation({ id: transfer.operationId });
  const result = operation.result;
  assert.ok(result?.type === "transfer");
  assert.equal(result.transferId, transfer.transferId);

  const page = await accounts.listAccounts({ reference: "generated", limit: 1 });
  assert.ok(page.data.length === 1 && page.hasMore);

  const refused: unknown = await accounts
    .withdraw({ id: to, moneyRequest: { amount: 1_000_000 } })
    .catch((error: unknown) => error);
  assert.ok(refused instanceof ResponseError);
  assert.equal(refused.response.status, 422);
  const problem = ProblemFromJSON(await refused.response.json());
  assert.equal(problem.code, "insufficient_funds");
}

await main();
