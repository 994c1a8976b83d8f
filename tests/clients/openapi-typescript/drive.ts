// Talks to a server through the types of openapi-typescript and the client of openapi-fetch.
import assert from "node:assert/strict";
import createClient from "openapi-fetch";
import type { components, paths } from "./schema";

type Problem = components["schemas"]["Problem"];

const client = createClient<paths>({ baseUrl: process.argv[2] });

/** The body of an answer that must not be a problem. */
function done<T>(answer: { data?: T; error?: unknown }): T {
  assert.ok(answer.data !== undefined, JSON.stringify(answer.error));
  return answer.data;
}

async function open(name: string): Promise<string> {
  const body = { holder_name: name, country_code: "GB", reference: "generated", overdraft_limit: 50 };
  const account = done(await client.POST("/accounts", { body }));
  assert.equal(account.status, "ACTIVE");
  assert.equal(account.overdraft_limit, 50);
  return account.id;
}

async function main(): Promise<void> {
  const [from, to] = [await open("Ada"), await open("Grace")];
  const deposit = done(
    await client.POST("/accounts/{id}/deposit", {
      params: { path: { id: from }, header: { "Idempotency-Key": "ts-deposit" } },
      body: { amount: 1000, metadata: { order: "7" } },
    }),
  );
  // The type has also the answer 202, to requests that prefer one.
  assert.ok("balance" in deposit);
  assert.equal(deposit.balance, 1000);

  const moved = await client.POST("/transfers", { body: { from, to, amount: 300 } });
  assert.equal(moved.response.status, 201);
  const transfer = done(moved);
  assert.ok("from" in transfer);
  assert.equal(moved.response.headers.get("location"), `/transfers/${transfer.transfer_id}`);
  assert.equal(transfer.from.available, 750);

  const hold = done(await client.POST("/transfers", { body: { from, to, amount: 200, pending: true } }));
  assert.ok("transfer_status" in hold);
  assert.equal(hold.transfer_status, "pending");
  const posted = done(
    await client.POST("/transfers/{id}/post", {
      params: { path: { id: hold.transfer_id } },
      body: { amount: 150 },
    }),
  );
  assert.ok("to" in posted);
  assert.equal(posted.to.balance, 450);

  const operation = done(
    await client.GET("/operations/{id}", { params: { path: { id: transfer.operation_id } } }),
  );
  const result = operation.result;
  assert.ok(result?.type === "transfer");
  assert.equal(result.transfer_id, transfer.transfer_id);

  const page = done(
    await client.GET("/accounts", { params: { query: { reference: "generated", limit: 1 } } }),
  );
  assert.equal(page.data.length, 1);
  assert.ok(page.has_more && page.next_cursor !== null);

  const refused = await client.POST("/accounts/{id}/withdraw", {
    params: { path: { id: to } },
    body: { amount: 1_000_000 },
  });
  const problem: Problem | undefined = refused.error;
  assert.equal(problem?.code, "insufficient_funds");
  assert.equal(refused.response.status, 422);

  const unlimited = done(
    await client.PATCH("/accounts/{id}", {
      params: { path: { id: to } },
      body: { overdraft_limit: null },
    }),
  );
  assert.equal(unlimited.overdraft_limit, null);
  assert.equal(unlimited.available, null);
}

await main();
