// Talks to a server through a client of oapi-codegen.
package main

import (
	"context"
	"fmt"
	"net/http"
	"os"

	"drive/florin"
)

func must(holds bool, format string, values ...any) {
	if !holds {
		fmt.Fprintf(os.Stderr, format+"\n", values...)
		os.Exit(1)
	}
}

func ok(err error) {
	must(err == nil, "%v", err)
}

func ptr[T any](value T) *T {
	return &value
}

func main() {
	ctx := context.Background()
	client, err := florin.NewClientWithResponses(os.Args[1])
	ok(err)

	open := func(name string) florin.Account {
		answer, err := client.OpenAccountWithResponse(ctx, &florin.OpenAccountParams{}, florin.OpenAccountRequest{
			HolderName:  name,
			CountryCode: "GB",
			Reference:   ptr("generated"),
		})
		ok(err)
		must(answer.JSON201 != nil, "open: %s", answer.Body)
		return *answer.JSON201
	}
	from, to := open("Ada"), open("Grace")
	must(from.Status == "ACTIVE" && from.OverdraftLimit != nil && *from.OverdraftLimit == 0, "opened: %+v", from)

	deposit, err := client.DepositWithResponse(ctx, from.Id,
		&florin.DepositParams{IdempotencyKey: ptr("go-deposit")}, florin.MoneyRequest{Amount: 1000})
	ok(err)
	must(deposit.JSON200 != nil && deposit.JSON200.Balance == 1000, "deposit: %s", deposit.Body)

	moved, err := client.TransferWithResponse(ctx, &florin.TransferParams{},
		florin.TransferRequest{From: from.Id, To: to.Id, Amount: 300})
	ok(err)
	must(moved.JSON201 != nil, "transfer: %s", moved.Body)
	transfer := moved.JSON201
	must(moved.HTTPResponse.Header.Get("Location") == "/transfers/"+transfer.TransferId.String(), "no Location")

	held, err := client.TransferWithResponse(ctx, &florin.TransferParams{},
		florin.TransferRequest{From: from.Id, To: to.Id, Amount: 200, Pending: ptr(true)})
	ok(err)
	must(held.JSON201 != nil && held.JSON201.TransferStatus == "pending", "hold: %s", held.Body)

	posted, err := client.PostTransferWithResponse(ctx, held.JSON201.TransferId, &florin.PostTransferParams{},
		florin.PostRequest{Amount: ptr(int64(150))})
	ok(err)
	must(posted.JSON200 != nil && posted.JSON200.To.Balance == 450, "post: %s", posted.Body)

	operation, err := client.GetOperationWithResponse(ctx, transfer.OperationId, &florin.GetOperationParams{})
	ok(err)
	must(operation.JSON200 != nil && operation.JSON200.Result != nil, "operation: %s", operation.Body)
	result, err := operation.JSON200.Result.ValueByDiscriminator()
	ok(err)
	told, is := result.(florin.TransferResult)
	must(is && told.TransferId == transfer.TransferId, "result: %+v", result)

	page, err := client.ListAccountsWithResponse(ctx,
		&florin.ListAccountsParams{Reference: ptr("generated"), Limit: ptr(int32(1))})
	ok(err)
	must(page.JSON200 != nil && len(page.JSON200.Data) == 1 && page.JSON200.HasMore, "page: %s", page.Body)

	refused, err := client.WithdrawWithResponse(ctx, to.Id, &florin.WithdrawParams{},
		florin.MoneyRequest{Amount: 1000000})
	ok(err)
	problem := refused.ApplicationproblemJSON422
	must(refused.StatusCode() == http.StatusUnprocessableEntity && problem != nil, "problem: %s", refused.Body)
	must(problem.Code == "insufficient_funds", "problem: %+v", problem)
}
