//! The imports of a crate's files, read from its source: which file uses which, in which order the
//! crate's folders stand, and where files import each other. Code of tests is left out.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use syn::visit::{self, Visit};
use syn::{Attribute, Item, ItemMod, ItemUse, UseTree, Visibility};

/// A module's path from the crate's root, e.g. `["views", "lists"]`.
type Module = Vec<String>;

/// The source of a crate.
#[derive(Debug)]
pub struct Sources {
    /// The folders and files of the crate's root in the order of their imports, the lowest first:
    /// the list in the documentation of `lib.rs`.
    order: Vec<String>,
    files: BTreeMap<Module, File>,
}

/// One file.
#[derive(Debug, Default)]
struct File {
    /// Its path from the crate's folder.
    path: PathBuf,
    /// The paths that it uses, without those that it re-exports.
    uses: Vec<Module>,
    /// The names that it re-exports, and their paths; `*` stands for a whole module.
    exports: Vec<(String, Module)>,
    /// The modules that it declares for tests alone.
    tests: Vec<Module>,
}

impl Sources {
    /// Reads the source of the crate whose folder, with `src` in it, is at `folder`.
    ///
    /// # Panics
    /// Panics if a file can't be read or is no Rust.
    pub fn read(folder: &Path) -> Self {
        let root = folder.join("src");
        let mut files = BTreeMap::new();
        let mut folders = vec![root.clone()];
        while let Some(at) = folders.pop() {
            for entry in fs::read_dir(&at).expect("a folder of source") {
                let path = entry.expect("an entry").path();
                if path.is_dir() {
                    folders.push(path);
                } else if path.extension().is_some_and(|extension| extension == "rs") {
                    let relative = path.strip_prefix(&root).expect("below the root");
                    let module = module_of(relative);
                    let text = fs::read_to_string(&path).expect("a text");
                    let mut file = File::parse(&text, &module);
                    file.path = relative.to_owned();
                    files.insert(module, file);
                }
            }
        }
        let tests: Vec<Module> = files.values().flat_map(|file| file.tests.clone()).collect();
        files.retain(|module, _| !tests.iter().any(|test| module.starts_with(test)));
        let top = fs::read_to_string(root.join("lib.rs")).expect("a library");
        Self {
            order: order_of(&top),
            files,
        }
    }

    /// Returns the folders and files of the root in the order of their imports.
    pub fn order(&self) -> &[String] {
        &self.order
    }

    /// Returns the faults of the order: folders that it doesn't contain, and imports of what comes
    /// later.
    pub fn upward(&self) -> Vec<String> {
        let place = |module: &Module| {
            let top = module.first()?;
            self.order.iter().position(|room| room == top)
        };
        let mut faults = BTreeSet::new();
        for (module, file) in self.files.iter().filter(|(module, _)| !module.is_empty()) {
            let Some(own) = place(module) else {
                faults.insert(format!("lib.rs doesn't list {}", module[0]));
                continue;
            };
            for used in self.used_by(module, file) {
                if place(&used).is_some_and(|other| other > own) {
                    let (from, to) = (file.path.display(), self.files[&used].path.display());
                    faults.insert(format!("{from} imports {to}"));
                }
            }
        }
        faults.into_iter().collect()
    }

    /// Returns the groups of files that import each other.
    pub fn circles(&self) -> Vec<Vec<String>> {
        let arrows: BTreeMap<&Module, BTreeSet<Module>> = self
            .files
            .iter()
            .map(|(module, file)| (module, self.used_by(module, file)))
            .collect();
        let reach = |from: &Module| {
            let mut reached = BTreeSet::new();
            let mut next = vec![from.clone()];
            while let Some(module) = next.pop() {
                for used in arrows.get(&module).into_iter().flatten() {
                    if reached.insert(used.clone()) {
                        next.push(used.clone());
                    }
                }
            }
            reached
        };
        let reached: BTreeMap<&Module, BTreeSet<Module>> = arrows
            .keys()
            .map(|module| (*module, reach(module)))
            .collect();
        let mut circles = BTreeSet::new();
        for (module, all) in &reached {
            if all.contains(*module) {
                let group = all.iter().filter(|other| reached[other].contains(*module));
                let group = group.map(|other| self.files[other].path.display().to_string());
                circles.insert(group.collect::<Vec<_>>());
            }
        }
        circles.into_iter().collect()
    }

    /// Returns the files, other than itself, that a file of the crate uses.
    pub fn uses(&self, path: &str) -> Vec<String> {
        let found = self
            .files
            .iter()
            .find(|(_, file)| file.path == Path::new(path));
        let used = found.map(|(module, file)| self.used_by(module, file));
        let used = used.into_iter().flatten();
        used.map(|module| self.files[&module].path.display().to_string())
            .collect()
    }

    /// Returns the files in a folder of the source.
    pub fn files_below(&self, folder: &str) -> Vec<String> {
        let paths = self
            .files
            .values()
            .map(|file| file.path.display().to_string());
        paths
            .filter(|path| path.starts_with(&format!("{folder}/")))
            .collect()
    }

    /// Returns the folders of the source and the number of files directly in each.
    pub fn folders(&self) -> BTreeMap<String, usize> {
        let mut folders = BTreeMap::new();
        for file in self.files.values() {
            let folder = file.path.parent().unwrap_or(Path::new(""));
            *folders.entry(folder.display().to_string()).or_default() += 1;
        }
        folders
    }

    fn used_by(&self, module: &Module, file: &File) -> BTreeSet<Module> {
        let used = file.uses.iter();
        let used = used.filter_map(|path| self.defining(path, 0));
        used.filter(|used| used != module).collect()
    }

    /// Returns the module whose file defines what a path names. Re-exports are followed.
    fn defining(&self, path: &[String], depth: usize) -> Option<Module> {
        let known = (0..=path.len()).rev();
        let mut known = known.filter(|end| self.files.contains_key(&path[..*end]));
        let end = known.next()?;
        let module = path[..end].to_vec();
        let file = &self.files[&module];
        if depth > 8 {
            return Some(module);
        }
        let Some(name) = path.get(end) else {
            return Some(module);
        };
        let named = file.exports.iter().find(|(export, _)| export == name);
        if let Some((_, target)) = named {
            return self.defining(target, depth + 1);
        }
        // The crate's root and the root of a folder define little themselves.
        Some(module).filter(|module| !module.is_empty())
    }
}

impl File {
    fn parse(text: &str, module: &Module) -> Self {
        let parsed = syn::parse_file(text).expect("Rust");
        let mut file = Self::default();
        let mut paths = Paths {
            module: module.clone(),
            file: &mut file,
        };
        for item in &parsed.items {
            paths.visit_item(item);
        }
        file
    }
}

/// Collects paths, without those of test code.
struct Paths<'f> {
    module: Module,
    file: &'f mut File,
}

impl Paths<'_> {
    /// Returns a path from the crate's root; `None` for a path into another crate.
    fn absolute(&self, path: &[String]) -> Option<Module> {
        let mut segments = path.iter();
        let mut at = match segments.next()?.as_str() {
            "crate" => Vec::new(),
            "self" => self.module.clone(),
            "super" => self.module[..self.module.len().saturating_sub(1)].to_vec(),
            _ => return None,
        };
        for segment in segments {
            if segment == "super" {
                at.pop();
            } else if segment != "self" {
                at.push(segment.clone());
            }
        }
        Some(at)
    }

    fn used(&mut self, path: &[String]) {
        self.file.uses.extend(self.absolute(path));
    }
}

impl<'ast> Visit<'ast> for Paths<'_> {
    fn visit_item(&mut self, item: &'ast Item) {
        if !is_test(attributes(item)) {
            visit::visit_item(self, item);
        } else if let Item::Mod(declared) = item {
            let mut module = self.module.clone();
            module.push(declared.ident.to_string());
            self.file.tests.push(module);
        }
    }

    fn visit_item_mod(&mut self, inner: &'ast ItemMod) {
        if inner.content.is_some() {
            self.module.push(inner.ident.to_string());
            visit::visit_item_mod(self, inner);
            self.module.pop();
        }
    }

    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        let mut paths = Vec::new();
        flatten(&item.tree, &mut Vec::new(), &mut paths);
        for (name, mut path) in paths {
            let is_export = !matches!(item.vis, Visibility::Inherited);
            // A re-export may name a child without `self`.
            if is_export && !matches!(path[0].as_str(), "crate" | "self" | "super") {
                path.insert(0, "self".to_owned());
            }
            if is_export {
                let target = self.absolute(&path);
                self.file
                    .exports
                    .extend(target.map(|target| (name, target)));
            } else {
                self.used(&path);
            }
        }
    }

    /// `pub(super)` is no import.
    fn visit_visibility(&mut self, _: &'ast Visibility) {}

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let segments = path.segments.iter();
        let segments: Vec<String> = segments.map(|one| one.ident.to_string()).collect();
        self.used(&segments);
        visit::visit_path(self, path);
    }
}

fn attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(item) => &item.attrs,
        Item::Enum(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Macro(item) => &item.attrs,
        Item::Mod(item) => &item.attrs,
        Item::Static(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Trait(item) => &item.attrs,
        Item::Type(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        _ => &[],
    }
}

fn is_test(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        let is_cfg = attribute.path().is_ident("cfg");
        let is_of_test = |list: &syn::MetaList| {
            let condition = list.tokens.to_string();
            condition == "test" || condition.starts_with("all") && condition.contains("test")
        };
        is_cfg && attribute.meta.require_list().is_ok_and(is_of_test)
    })
}

/// Lists the paths of a `use`, each with the name under which it is known here.
fn flatten(tree: &UseTree, above: &mut Vec<String>, paths: &mut Vec<(String, Vec<String>)>) {
    let leaf = |above: &[String], name: String| [above, &[name]].concat();
    match tree {
        UseTree::Path(path) => {
            above.push(path.ident.to_string());
            flatten(&path.tree, above, paths);
            above.pop();
        }
        UseTree::Name(name) => {
            let name = name.ident.to_string();
            let path = if name == "self" {
                above.clone()
            } else {
                leaf(above, name.clone())
            };
            paths.push((name, path));
        }
        UseTree::Rename(rename) => {
            let path = leaf(above, rename.ident.to_string());
            paths.push((rename.rename.to_string(), path));
        }
        UseTree::Glob(_) => paths.push(("*".to_owned(), above.clone())),
        UseTree::Group(group) => {
            for tree in &group.items {
                flatten(tree, above, paths);
            }
        }
    }
}

fn module_of(relative: &Path) -> Module {
    let mut module: Module = relative
        .with_extension("")
        .components()
        .map(|part| part.as_os_str().to_string_lossy().into_owned())
        .collect();
    let is_root =
        module.last().is_some_and(|last| last == "mod") || module == ["lib"] || module == ["main"];
    if is_root {
        module.pop();
    }
    module
}

/// Reads the list in a crate's documentation: a line per step, with the names before the colon.
fn order_of(lib: &str) -> Vec<String> {
    let mut order = Vec::new();
    for line in lib.lines().filter_map(|line| line.strip_prefix("//! ")) {
        let text = line.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.');
        let is_listed = line.starts_with("- `") || text.len() < line.len();
        let Some((names, _)) = text.split_once("`: ").filter(|_| is_listed) else {
            continue;
        };
        let names = names
            .split('`')
            .filter(|name| !name.contains([' ', '-', ',']));
        let names = names.map(|name| name.trim_end_matches('/').trim_end_matches(".rs"));
        order.extend(names.filter(|name| !name.is_empty()).map(str::to_owned));
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sources(files: &[(&str, &str)]) -> Sources {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = folder.path().join("src").join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        Sources::read(folder.path())
    }

    const LIB: &str = "//! A crate.\n//!\n//! - `low/`, `side.rs`: what is low\n\
                       //! - `high.rs`: what is high\nmod high; mod low;";

    #[test]
    fn the_order_is_the_list_of_the_documentation() {
        assert_eq!(order_of(LIB), ["low", "side", "high"]);
        let numbered = "//! Text: no list.\n//! 1. `a/`: one\n//! 12. `b.rs`: two";
        assert_eq!(order_of(numbered), ["a", "b"]);
    }

    #[test]
    fn an_import_upward_is_found_also_in_a_path() {
        let good = [
            ("lib.rs", LIB),
            ("low.rs", "pub struct Low;"),
            ("high.rs", "use crate::low::Low; fn f(_: Low) {}"),
        ];
        assert_eq!(sources(&good).upward(), Vec::<String>::new());
        let bad = [
            ("lib.rs", LIB),
            ("low.rs", "fn f() { crate::high::g() }"),
            ("high.rs", "pub fn g() {}"),
        ];
        assert_eq!(sources(&bad).upward(), ["low.rs imports high.rs"]);
        let unlisted = [("lib.rs", LIB), ("other.rs", "")];
        assert_eq!(sources(&unlisted).upward(), ["lib.rs doesn't list other"]);
    }

    #[test]
    fn a_circle_is_found_through_a_re_export_and_test_code_counts_for_nothing() {
        let root = "mod a; mod b; pub use a::A; pub use b::B;";
        let circle = [
            ("lib.rs", LIB),
            ("low/mod.rs", root),
            ("low/a.rs", "use super::B; pub struct A(B);"),
            ("low/b.rs", "use super::A; pub struct B(A);"),
        ];
        assert_eq!(sources(&circle).circles(), [["low/a.rs", "low/b.rs"]]);
        let tests = [
            ("lib.rs", LIB),
            ("low/mod.rs", root),
            ("low/a.rs", "use super::B; pub struct A(B);"),
            (
                "low/b.rs",
                "pub struct B; #[cfg(test)] mod tests { use super::super::A; }",
            ),
        ];
        assert_eq!(sources(&tests).circles(), Vec::<Vec<String>>::new());
        assert_eq!(sources(&tests).uses("low/a.rs"), ["low/b.rs"]);
    }
}
