//! The problem codes for people: a page each, and `docs/reference/errors.md`.

use crate::codes::ProblemCode;

/// The page of a code, as it is served.
pub fn problem_html(code: ProblemCode) -> String {
    let text = |text: &str| plain(text).replace('&', "&amp;").replace('<', "&lt;");
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head><meta charset=\"utf-8\"><title>{name}</title></head>\n\
         <body>\n<h1>{title}</h1>\n<p><code>{name}</code>, HTTP {status}</p>\n<p>{page}</p>\n\
         <p>May a retry succeed? {retry}.</p>\n</body>\n</html>\n",
        name = code.name(),
        title = text(code.title()),
        status = code.status().as_u16(),
        page = text(code.page()),
        retry = text(code.retry()),
    )
}

/// Markdown's code marks taken away.
fn plain(markdown: &str) -> String {
    markdown.replace('`', "")
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::*;

    const HEAD: &str = "\
# Errors

<!-- Made from gateway/src/codes.rs; `UPDATE_DOCS=1 cargo test -p florin-gateway` writes it anew. -->

Everything that goes wrong is answered as `application/problem+json` (RFC 9457): `type`, `title`,
`status`, `detail`, `code`, `error` (the detail again), `request_id`, and where there is one
`operation_id` and `field`. Codes are stable; `type` leads to the code's page, which the server itself
serves. A 4xx means that nothing moved. Every 503 carries `Retry-After`; a 504 carries `Location`.

What is no HTTP/1.1 request, or one with more than 100 headers, never comes to a route: there is no
problem document then, the connection closes.

When several apply, the first in this order is given: malformed, key, not found, precondition, deleted,
frozen, same account, currency, holds and balance, limits, funds, the target's
limits.

| code | HTTP | a later retry may succeed |
|---|---|---|
";

    /// The page `docs/reference/errors.md`.
    fn errors_markdown() -> String {
        let mut page = String::from(HEAD);
        for code in ProblemCode::ALL {
            let (name, status, retry) = (code.name(), code.status().as_u16(), code.retry());
            writeln!(page, "| [`{name}`](#{name}) | {status} | {retry} |").unwrap();
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
