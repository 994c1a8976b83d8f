//! The two formats of the metrics page: the Prometheus text format and OpenMetrics.

use std::collections::BTreeSet;

use warp::http::HeaderMap;
use warp::http::header::ACCEPT;

/// A format of the metrics page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// The Prometheus text format, version 0.0.4. Clients without a preference also get it.
    Text,
    /// OpenMetrics 1.0.
    OpenMetrics,
}

impl Format {
    /// Returns the format that a request's `Accept` prefers.
    pub fn wanted(headers: &HeaderMap) -> Self {
        let values = headers.get_all(ACCEPT).iter();
        let values = values.filter_map(|value| value.to_str().ok());
        let (mut open_metrics, mut text) = (0.0, 0.0_f32);
        for range in values.flat_map(|value| value.split(',')) {
            let mut parts = range.split(';').map(str::trim);
            let media_type = parts.next().unwrap_or_default().to_ascii_lowercase();
            let quality = parts.find_map(|part| part.strip_prefix("q=")?.parse().ok());
            let quality: f32 = quality.unwrap_or(1.0);
            match media_type.as_str() {
                "application/openmetrics-text" => open_metrics = quality.max(open_metrics),
                "text/plain" | "text/*" | "*/*" => text = quality.max(text),
                _ => {}
            }
        }
        if open_metrics > 0.0 && open_metrics >= text {
            Self::OpenMetrics
        } else {
            Self::Text
        }
    }

    /// Returns the content type of the format.
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Text => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

/// Converts a page from OpenMetrics to the Prometheus text format. In OpenMetrics the family of a
/// counter is named without `_total`, units have a line of their own, and the page ends with
/// `# EOF`.
pub(super) fn to_text(open_metrics: &str) -> String {
    let types = open_metrics.lines().filter_map(|line| {
        let (family, kind) = line.strip_prefix("# TYPE ")?.split_once(' ')?;
        (kind == "counter").then_some(family)
    });
    let counters: BTreeSet<&str> = types.collect();
    let mut page = String::with_capacity(open_metrics.len());
    for line in open_metrics.lines() {
        let mut words = line.splitn(4, ' ');
        let head = (words.next(), words.next(), words.next(), words.next());
        match head {
            (Some("#"), Some("EOF" | "UNIT"), ..) => continue,
            (Some("#"), Some(what), Some(family), rest) if counters.contains(family) => {
                let rest = rest.unwrap_or_default();
                page.push_str(&format!("# {what} {family}_total {rest}"));
            }
            _ => page.push_str(line),
        }
        page.push('\n');
    }
    page
}

#[cfg(test)]
mod tests {
    use super::*;
    use warp::http::HeaderValue;

    fn wanted(accept: &'static str) -> Format {
        let accept = (ACCEPT, HeaderValue::from_static(accept));
        Format::wanted(&[accept].into_iter().collect())
    }

    #[test]
    fn openmetrics_is_given_to_those_who_ask_for_it() {
        assert_eq!(Format::wanted(&HeaderMap::new()), Format::Text);
        for accept in [
            "*/*",
            "text/plain",
            "text/html, */*;q=0.1",
            "application/json",
        ] {
            assert_eq!(wanted(accept), Format::Text, "{accept}");
        }
        for accept in [
            "application/openmetrics-text",
            "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.4,*/*;q=0.2",
            "application/openmetrics-text, */*",
        ] {
            assert_eq!(wanted(accept), Format::OpenMetrics, "{accept}");
        }
        let refused = "application/openmetrics-text;q=0, text/plain;q=0.5";
        assert_eq!(wanted(refused), Format::Text);
        let less = "application/openmetrics-text;q=0.3, text/plain;q=0.5";
        assert_eq!(wanted(less), Format::Text);
    }

    #[test]
    fn the_text_format_names_counters_with_their_suffix() {
        let page = "# HELP a Help of a.\n# TYPE a counter\na_total{x=\"1\"} 2\n\
                    # HELP b_bytes Help of b.\n# TYPE b_bytes gauge\n# UNIT b_bytes bytes\nb_bytes 3\n\
                    # EOF\n";
        let text = "# HELP a_total Help of a.\n# TYPE a_total counter\na_total{x=\"1\"} 2\n\
                    # HELP b_bytes Help of b.\n# TYPE b_bytes gauge\nb_bytes 3\n";
        assert_eq!(to_text(page), text);
    }
}
