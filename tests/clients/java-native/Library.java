import org.openapitools.client.ApiClient;
import org.openapitools.client.ApiException;
import org.openapitools.client.model.Problem;

/** The part of a client that is specific to the library native. */
final class Library {
    static final String NAME = "java-native";

    static ApiClient client(String base) {
        ApiClient client = new ApiClient();
        client.updateBaseUri(base);
        return client;
    }

    static Problem problem(ApiClient client, ApiException refused) throws Exception {
        return client.getObjectMapper().readValue(refused.getResponseBody(), Problem.class);
    }
}
