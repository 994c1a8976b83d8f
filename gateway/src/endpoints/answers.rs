//! How routes answer, in words that the table of routes shares.

use std::borrow::Cow;

use utoipa::openapi::{RefOr, schema::Schema};
use utoipa::{PartialSchema as _, ToSchema};

use super::{Answer, Purpose, SchemaOf};
use crate::dto::{AcceptedBody, CardBody, PageBody};

pub(super) const fn schema<T: ToSchema>() -> SchemaOf {
    SchemaOf {
        name: T::name,
        collect: collect::<T>,
    }
}

fn collect<T: ToSchema>(schemas: &mut Vec<(String, RefOr<Schema>)>) {
    T::schemas(schemas);
    schemas.push((T::name().into_owned(), T::schema()));
}

/// All pages have one generic name, and a generic type does not bring what it holds.
fn collect_page<T: ToSchema>(schemas: &mut Vec<(String, RefOr<Schema>)>) {
    collect::<T>(schemas);
    schemas.push((page_name::<T>().into_owned(), PageBody::<T>::schema()));
}

fn page_name<T: ToSchema>() -> Cow<'static, str> {
    Cow::Owned(format!("{}Page", T::name()))
}

pub(super) const JSON: &[&str] = &["application/json"];

pub(super) const fn done<T: ToSchema>() -> Answer {
    Answer {
        status: 200,
        when: "Done",
        content_types: JSON,
        body: Some(schema::<T>()),
    }
}

pub(super) const fn shown<T: ToSchema>() -> Answer {
    Answer {
        status: 200,
        when: "As it is now",
        content_types: JSON,
        body: Some(schema::<T>()),
    }
}

pub(super) const fn listed<T: ToSchema>() -> Answer {
    let body = SchemaOf {
        name: page_name::<T>,
        collect: collect_page::<T>,
    };
    Answer {
        status: 200,
        when: "A part of the list",
        content_types: JSON,
        body: Some(body),
    }
}

pub(super) const fn page(content_types: &'static [&'static str]) -> Answer {
    Answer {
        status: 200,
        when: "The page",
        content_types,
        body: None,
    }
}

pub(super) const fn command<T: ToSchema>() -> Purpose {
    Purpose::Command {
        body: schema::<T>(),
        precondition: true,
    }
}

pub(super) const ACCEPTED: Answer = Answer {
    status: 202,
    when: "Accepted and durable; `Location` names the operation to follow",
    content_types: JSON,
    body: Some(schema::<AcceptedBody>()),
};

pub(super) const CARD_OPENED: &[Answer] = &[
    Answer {
        status: 201,
        when: "Made; `Location` names it",
        content_types: JSON,
        body: Some(schema::<CardBody>()),
    },
    Answer {
        status: 200,
        when: "A dry run: nothing was made",
        content_types: JSON,
        body: Some(schema::<CardBody>()),
    },
];
