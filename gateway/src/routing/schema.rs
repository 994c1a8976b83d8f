//! The schema of a body's type, given by functions so that it fits into a constant.

use std::borrow::Cow;

use utoipa::openapi::{RefOr, schema::Schema};
use utoipa::{PartialSchema as _, ToSchema};

use crate::http::PageBody;

/// The schema of a type.
#[derive(Debug, Clone, Copy)]
pub struct SchemaOf {
    /// The schema's name.
    pub name: fn() -> Cow<'static, str>,
    /// Adds the schema and the schemas that it needs.
    pub collect: fn(&mut Vec<(String, RefOr<Schema>)>),
}

/// Returns the schema of a type.
pub const fn schema<T: ToSchema>() -> SchemaOf {
    SchemaOf {
        name: T::name,
        collect: collect::<T>,
    }
}

/// Returns the schema of a page with entries of a type.
pub(super) const fn page_schema<T: ToSchema>() -> SchemaOf {
    SchemaOf {
        name: page_name::<T>,
        collect: collect_page::<T>,
    }
}

fn collect<T: ToSchema>(schemas: &mut Vec<(String, RefOr<Schema>)>) {
    T::schemas(schemas);
    schemas.push((T::name().into_owned(), T::schema()));
}

/// Collects the schema of a page and that of its entries. All pages share one generic name in
/// utoipa, and a generic type does not bring along the schema of its parameter.
fn collect_page<T: ToSchema>(schemas: &mut Vec<(String, RefOr<Schema>)>) {
    collect::<T>(schemas);
    schemas.push((page_name::<T>().into_owned(), PageBody::<T>::schema()));
}

fn page_name<T: ToSchema>() -> Cow<'static, str> {
    Cow::Owned(format!("{}Page", T::name()))
}
