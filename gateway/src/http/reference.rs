//! The reference of problem codes for people: a page for each code, and `docs/reference/errors.md`.

use super::codes::ProblemCode;

/// Returns the HTML page of a code.
pub fn problem_html(code: ProblemCode) -> String {
    let text = |text: &str| plain(text).replace('&', "&amp;").replace('<', "&lt;");
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head><meta charset=\"utf-8\"><title>{name}</title></head>\n\
         <body>\n<h1>{title}</h1>\n<p><code>{name}</code>, HTTP {status}</p>\n<p>{page}</p>\n\
         <p>May a retry succeed? {advice}. <code>retry</code>: <code>{retry}</code></p>\n</body>\n</html>\n",
        name = code.name(),
        title = text(code.title()),
        status = code.status().as_u16(),
        page = text(code.page()),
        advice = text(code.retry_advice()),
        retry = code.retry().name(),
    )
}

/// Removes the code marks of Markdown.
fn plain(markdown: &str) -> String {
    markdown.replace('`', "")
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::*;

    const HEAD: &str = "\
# Errors

<!-- Made from gateway/src/http/codes.rs; `UPDATE_DOCS=1 cargo test -p florin-gateway` writes it anew. -->

Every error is answered with a problem document, `application/problem+json` (RFC 9457). Its members are
`type`, `title`, `status`, `detail`, `code`, `error` (the same text as `detail`), `retry` and `request_id`,
and where they apply `operation_id` and `field`. Codes are stable. `type` is the path of the code's page,
which the server itself serves. A 4xx means that no money moved. Every 503 carries `Retry-After`; a 504
carries `Location`.

`retry` says whether the same request may be sent again. `Retry-After` says only how long to wait; it does
not say that nothing was done.

| `retry` | was anything done? | the same request again |
|---|---|---|
| `never` | no | is refused again |
| `after_change` | no | may succeed after the cause that `detail` names has changed; send it without a key or with a new one, because most refusals are stored under the key |
| `safe` | no | may be sent, also without an idempotency key |
| `only_with_key` | perhaps | may be sent only with its idempotency key; without a key it may be done twice. Or look up the operation `operation_id` |

A message that is not an HTTP/1.1 request, or that has more than 100 headers, does not reach a route: the
server closes the connection without a problem document.

If several errors apply to a request, the first one in this order is reported: malformed request, idempotency
key, not found, precondition, deleted, frozen, same account, currency, holds and balance, limits, funds, the
target's limits.

| code | HTTP | `retry` | a later retry may succeed |
|---|---|---|---|
";

    /// Returns the text of the page `docs/reference/errors.md`.
    fn errors_markdown() -> String {
        let mut page = String::from(HEAD);
        for code in ProblemCode::ALL {
            let (name, status, retry) = (code.name(), code.status().as_u16(), code.retry().name());
            let advice = code.retry_advice();
            writeln!(
                page,
                "| [`{name}`](#{name}) | {status} | `{retry}` | {advice} |"
            )
            .unwrap();
        }
        for code in ProblemCode::ALL {
            let (name, title, text) = (code.name(), code.title(), code.page());
            writeln!(page, "\n## {name}\n\n**{title}.** {text}").unwrap();
        }
        page
    }

    #[test]
    fn the_reference_of_errors_is_up_to_date() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/reference/errors.md");
        let made = errors_markdown();
        if std::env::var_os("UPDATE_DOCS").is_some() {
            std::fs::write(path, &made).unwrap();
        }
        assert_eq!(std::fs::read_to_string(path).unwrap_or_default(), made);
    }

    #[test]
    fn a_served_page_names_its_code_and_status() {
        let page = problem_html(ProblemCode::InsufficientFunds);
        assert!(page.contains("insufficient_funds") && page.contains("422"));
        assert!(!page.contains('`'));
    }
}
