import java.util.UUID;
import org.openapitools.client.ApiClient;
import org.openapitools.client.ApiException;
import org.openapitools.client.ApiResponse;
import org.openapitools.client.api.AccountsApi;
import org.openapitools.client.api.OperationsApi;
import org.openapitools.client.api.TransfersApi;
import org.openapitools.client.model.*;

/** Talks to a server through a Java client of openapi-generator. {@link Library} is the part that differs by library. */
public final class Drive {
    private static AccountsApi accounts;
    private static TransfersApi transfers;

    private static void must(boolean holds, Object told) {
        if (!holds) {
            throw new IllegalStateException(String.valueOf(told));
        }
    }

    private static UUID opened(String name) throws ApiException {
        OpenAccountRequest request =
                new OpenAccountRequest().holderName(name).countryCode("GB").reference("generated");
        Account account = accounts.openAccount(request, null, null, null, null, null, null);
        must(account.getStatus() == AccountStatus.ACTIVE, account);
        must(account.getOverdraftLimit() == 0, account);
        return account.getId();
    }

    private static TransferDone moved(TransferRequest request) throws ApiException {
        ApiResponse<TransferDone> answer =
                transfers.transferWithHttpInfo(request, null, null, null, null, null, null, null);
        must(answer.getStatusCode() == 201, answer.getStatusCode());
        String location = answer.getHeaders().get("location").get(0);
        TransferDone done = answer.getData();
        must(location.equals("/transfers/" + done.getTransferId()), location);
        return done;
    }

    public static void main(String[] arguments) throws Exception {
        ApiClient client = Library.client(arguments[0]);
        accounts = new AccountsApi(client);
        transfers = new TransfersApi(client);
        UUID from = opened("Ada");
        UUID to = opened("Grace");

        MoneyRequest thousand = new MoneyRequest().amount(1000L);
        Money deposit = accounts.deposit(from, thousand, null, Library.NAME, null, null, null, null, null);
        must(deposit.getBalance() == 1000, deposit);

        TransferDone made = moved(new TransferRequest().from(from).to(to).amount(300L));
        TransferDone hold = moved(new TransferRequest().from(from).to(to).amount(200L).pending(true));
        must(hold.getTransferStatus() == TransferStatus.PENDING, hold);
        PostRequest part = new PostRequest().amount(150L);
        TransferDone posted =
                transfers.postTransfer(hold.getTransferId(), null, null, null, null, null, null, null, part);
        must(posted.getTo().getBalance() == 450, posted);

        Operation operation = new OperationsApi(client).getOperation(made.getOperationId(), null, null);
        Object result = operation.getResult().getActualInstance();
        must(result instanceof TransferResult, operation);
        must(((TransferResult) result).getTransferId().equals(made.getTransferId()), operation);

        AccountPage page = accounts.listAccounts(null, "generated", 1, null, null, null);
        must(page.getData().size() == 1 && page.getHasMore(), page);

        MoneyRequest much = new MoneyRequest().amount(1_000_000L);
        try {
            accounts.withdraw(to, much, null, null, null, null, null, null, null);
            must(false, "it was not refused");
        } catch (ApiException refused) {
            must(refused.getCode() == 422, refused);
            Problem problem = Library.problem(client, refused);
            must(problem.getCode() == ProblemCode.INSUFFICIENT_FUNDS, problem);
        }
    }
}
