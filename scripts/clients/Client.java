// Sends requests by Java's HttpClient: Client.java URL CASES COUNT.
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

public class Client {
    record Case(String method, String path, String body, int status) {}

    public static void main(String[] arguments) throws Exception {
        // The cases are one flat list that Python wrote: a pattern reads it.
        Pattern pattern = Pattern.compile("\\{\"method\": \"(\\w+)\", \"path\": \"([^\"]+)\", "
            + "\"body\": (null|\"([^\"\\\\]*+(?:\\\\.[^\"\\\\]*+)*+)\"), \"status\": (\\d+)\\}");
        Matcher found = pattern.matcher(Files.readString(Path.of(arguments[1])));
        List<Case> cases = new ArrayList<>();
        while (found.find()) {
            String body = found.group(4) == null ? null : found.group(4).replace("\\\"", "\"");
            cases.add(new Case(found.group(1), found.group(2), body, Integer.parseInt(found.group(5))));
        }
        int count = Integer.parseInt(arguments[2]);
        List<String> errors = new ArrayList<>();
        HttpClient client = HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).build();
        for (int number = 0; number < count; number++) {
            Case one = cases.get((number * 7 + number / cases.size()) % cases.size());
            var publisher = one.body() == null ? BodyPublishers.noBody() : BodyPublishers.ofString(one.body());
            var request = HttpRequest.newBuilder(URI.create(arguments[0] + one.path()))
                .method(one.method(), publisher)
                .timeout(Duration.ofMinutes(1));
            if (one.body() != null) {
                request.header("Content-Type", "application/json");
            }
            try {
                var answer = client.send(request.build(), BodyHandlers.ofString());
                boolean isWhole = !one.path().equals("/openapi.json") || !one.method().equals("GET")
                    || answer.body().endsWith("}");
                if (one.status() != 0 && one.status() != answer.statusCode() || !isWhole) {
                    errors.add(one.method() + " " + one.path() + ": " + answer.statusCode());
                }
            } catch (Exception error) {
                errors.add(one.method() + " " + one.path() + ": " + error);
            }
        }
        errors.stream().limit(10).forEach(System.out::println);
        System.out.println(count + " requests, " + errors.size() + " errors");
        System.exit(errors.isEmpty() ? 0 : 1);
    }
}
