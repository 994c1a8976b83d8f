//! The pages that don't change while the process runs, made once at the start.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use florin_actors::bus::{EventType, schemas};

use crate::codes::ProblemCode;
use crate::dto::{SchemaBody, SchemasBody};
use crate::{openapi, reference};

/// A page.
#[derive(Debug)]
pub struct Page {
    /// Its content type.
    pub content_type: &'static str,
    /// Its content.
    pub bytes: Bytes,
}

/// All pages.
#[derive(Debug)]
pub struct Pages {
    /// The OpenAPI document.
    pub openapi: Page,
    /// The page for people.
    pub docs: Page,
    files: Vec<(&'static str, Page)>,
    problems: Vec<(ProblemCode, Page)>,
    /// Which schemas there are.
    pub schemas: Page,
    each_schema: BTreeMap<String, Page>,
}

const HTML: &str = "text/html; charset=utf-8";

/// The files of Swagger UI that [`DOCS`] needs.
const FILES: [(&str, &str); 4] = [
    ("swagger-ui.css", "text/css; charset=utf-8"),
    ("swagger-ui-bundle.js", "text/javascript; charset=utf-8"),
    ("favicon-16x16.png", "image/png"),
    ("favicon-32x32.png", "image/png"),
];

/// Swagger UI on this server's own files: works without a network.
const DOCS: &str = r##"<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>Florin</title>
<link rel="stylesheet" href="/docs/swagger-ui.css">
<link rel="icon" type="image/png" href="/docs/favicon-32x32.png" sizes="32x32">
</head>
<body>
<div id="swagger-ui"></div>
<script src="/docs/swagger-ui-bundle.js"></script>
<script>
SwaggerUIBundle({ url: "/openapi.json", dom_id: "#swagger-ui", validatorUrl: null });
</script>
</body>
</html>
"##;

impl Pages {
    /// Makes them all.
    pub fn new() -> Self {
        let html = |text: String| Page {
            content_type: HTML,
            bytes: text.into(),
        };
        let codes = ProblemCode::ALL.iter().copied();
        let config = Arc::new(utoipa_swagger_ui::Config::from("/openapi.json"));
        let file = |(name, content_type)| {
            let file = utoipa_swagger_ui::serve(name, Arc::clone(&config))
                .ok()
                .flatten()?;
            let bytes = Bytes::from(file.bytes.into_owned());
            Some((
                name,
                Page {
                    content_type,
                    bytes,
                },
            ))
        };
        Self {
            openapi: Page {
                content_type: "application/json",
                bytes: openapi::document_json().into(),
            },
            docs: html(DOCS.to_owned()),
            files: FILES.into_iter().filter_map(file).collect(),
            problems: codes
                .map(|code| (code, html(reference::problem_html(code))))
                .collect(),
            schemas: Page {
                content_type: "application/json",
                // Texts alone: it can't fail.
                bytes: serde_json::to_vec(&schema_index())
                    .unwrap_or_default()
                    .into(),
            },
            each_schema: schemas()
                .into_iter()
                .map(|(name, schema)| {
                    let page = Page {
                        content_type: "application/schema+json",
                        bytes: schema.to_string().into(),
                    };
                    (format!("{name}.json"), page)
                })
                .collect(),
        }
    }

    /// The file of a schema.
    pub fn schema(&self, file: &str) -> Option<&Page> {
        self.each_schema.get(file)
    }

    /// A file of the page for people.
    pub fn file(&self, name: &str) -> Option<&Page> {
        self.files
            .iter()
            .find(|(known, _)| *known == name)
            .map(|(_, page)| page)
    }

    /// The page of a problem code.
    pub fn problem(&self, code: ProblemCode) -> Option<&Page> {
        self.problems
            .iter()
            .find(|(known, _)| *known == code)
            .map(|(_, page)| page)
    }
}

/// Every schema by its type, with the document's name and where such events go by default.
fn schema_index() -> SchemasBody {
    let all = schemas().into_iter().map(|(name, _)| {
        let known = EventType::ALL.iter().find(|known| known.cloud() == name);
        let topics = known.map(|known| known.default_topics().to_vec());
        SchemaBody {
            document_type: known.map(|known| known.document()),
            topics: topics.unwrap_or_default(),
            schema: format!("/schemas/{name}.json"),
            r#type: name,
        }
    });
    SchemasBody {
        schemas: all.collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_for_people_needs_nothing_from_elsewhere() {
        let pages = Pages::new();
        for (name, _) in FILES {
            assert!(
                pages.file(name).is_some_and(|page| !page.bytes.is_empty()),
                "{name}"
            );
        }
        assert!(!DOCS.contains("://"));
        for part in DOCS.split("/docs/").skip(1) {
            let name = part.split('"').next().unwrap();
            assert!(pages.file(name).is_some(), "{name}");
        }
    }

    #[test]
    fn every_problem_code_has_a_page() {
        let pages = Pages::new();
        for code in ProblemCode::ALL {
            assert!(pages.problem(*code).is_some());
        }
    }
}
