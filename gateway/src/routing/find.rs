//! The table of all routes, and the search for the route of a method and a path.

use std::collections::BTreeSet;

use warp::http::Method;

use super::path::{Parameter, segments};
use super::route::Route;
use crate::http::ProblemCode;

/// All routes.
#[derive(Debug)]
pub struct Routes {
    all: Vec<&'static Route>,
    root: Node,
}

/// The result of looking up a method and a path.
#[derive(Debug, Clone, Copy)]
pub enum Found {
    /// The route, and its index in the table.
    Route(usize, &'static Route),
    /// The path exists, but only with these other methods.
    OtherMethods(&'static str),
    /// No route has this path.
    Nothing,
}

/// The place of a path in the tree of all paths.
#[derive(Debug, Default)]
struct Node {
    /// The next segments, literal ones first, so that a literal path comes before a pattern that
    /// would match it too.
    next: Vec<(Segment, Self)>,
    /// The routes whose path ends here, with their indexes.
    routes: Vec<(usize, &'static Route)>,
    /// The methods of these routes, as `Allow` names them.
    allow: String,
}

/// A condition on one segment of a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Segment {
    /// The segment must be this text.
    Literal(&'static str),
    /// The segment must fit this parameter.
    Parameter(Parameter),
}

impl Segment {
    fn of(segment: &'static str) -> Self {
        Parameter::of(segment).map_or(Self::Literal(segment), Self::Parameter)
    }

    fn fits(self, given: &str) -> bool {
        match self {
            Self::Literal(literal) => literal == given,
            Self::Parameter(parameter) => parameter.fits(given),
        }
    }
}

impl Node {
    fn insert(
        &mut self,
        mut path: impl Iterator<Item = &'static str>,
        index: usize,
        route: &'static Route,
    ) {
        let Some(segment) = path.next().map(Segment::of) else {
            if !self.allow.is_empty() {
                self.allow.push_str(", ");
            }
            self.allow.push_str(allowed(route.method));
            self.routes.push((index, route));
            return;
        };
        let known = self.next.iter().position(|(known, _)| *known == segment);
        let place = known.unwrap_or_else(|| {
            let is_literal = |(known, _): &&(Segment, Self)| matches!(known, Segment::Literal(_));
            let place = match segment {
                Segment::Literal(_) => self.next.iter().filter(is_literal).count(),
                Segment::Parameter(_) => self.next.len(),
            };
            self.next.insert(place, (segment, Self::default()));
            place
        });
        self.next[place].1.insert(path, index, route);
    }

    fn find<'a>(&self, mut path: impl Iterator<Item = &'a str> + Clone) -> Option<&Self> {
        let Some(segment) = path.next() else {
            return (!self.routes.is_empty()).then_some(self);
        };
        let mut next = self.next.iter();
        next.find_map(|(wanted, node)| {
            let fits = wanted.fits(segment);
            fits.then(|| node.find(path.clone())).flatten()
        })
    }
}

impl Routes {
    /// Collects the routes of these resources. The rows of one path must be in one resource,
    /// because their order is that of the methods in `Allow`.
    pub fn new(resources: &[&'static [Route]]) -> Self {
        let all: Vec<&'static Route> = resources.iter().copied().flatten().collect();
        let mut root = Node::default();
        for (index, route) in all.iter().enumerate() {
            root.insert(segments(route.path), index, route);
        }
        Self { all, root }
    }

    /// Returns all routes, in the order of their indexes.
    pub fn all(&self) -> &[&'static Route] {
        &self.all
    }

    /// Finds the route of a request. HEAD uses the routes of GET, and one slash at the end of a path
    /// makes no difference.
    pub fn find(&'static self, method: &Method, path: &str) -> Found {
        if !path.starts_with('/') {
            return Found::Nothing;
        }
        let Some(node) = self.root.find(segments(path)) else {
            return Found::Nothing;
        };
        let wanted = if *method == Method::HEAD {
            &Method::GET
        } else {
            method
        };
        let mut routes = node.routes.iter();
        match routes.find(|(_, route)| route.method == wanted) {
            Some((index, route)) => Found::Route(*index, route),
            None => Found::OtherMethods(&node.allow),
        }
    }

    /// Returns every status that a route or a problem can answer with.
    pub fn statuses(&self) -> BTreeSet<u16> {
        let answers = self.all.iter().flat_map(|route| route.answers);
        let answers = answers.map(|answer| answer.status);
        let problems = ProblemCode::ALL.iter().map(|code| code.status().as_u16());
        answers.chain(problems).collect()
    }
}

impl Found {
    /// Returns the index of the route, if there is one.
    pub const fn route(self) -> Option<usize> {
        match self {
            Self::Route(index, _) => Some(index),
            Self::OtherMethods(_) | Self::Nothing => None,
        }
    }
}

/// Returns a method as `Allow` names it. Every GET route also has HEAD.
fn allowed(method: &'static Method) -> &'static str {
    if *method == Method::GET {
        "GET, HEAD"
    } else {
        method.as_str()
    }
}
