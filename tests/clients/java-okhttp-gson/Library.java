import org.openapitools.client.ApiClient;
import org.openapitools.client.ApiException;
import org.openapitools.client.model.Problem;

/** The part of a client that is specific to the library okhttp-gson. */
final class Library {
    static final String NAME = "java-okhttp-gson";

    static ApiClient client(String base) {
        ApiClient client = new ApiClient();
        client.setBasePath(base);
        return client;
    }

    static Problem problem(ApiClient client, ApiException refused) throws Exception {
        return Problem.fromJson(refused.getResponseBody());
    }
}
