//! Which file uses which name of which other file, through `pub use` to where the name is defined.

use proc_macro2::{TokenStream, TokenTree};
use syn::visit::{self, Visit};

use crate::modules::{Module, ModulePath, Modules, leaves};

/// A name that a file uses of another one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Import {
    pub(crate) from: String,
    pub(crate) name: String,
    pub(crate) to: String,
}

pub(crate) fn of(modules: &Modules) -> Vec<Import> {
    let mut imports = Vec::new();
    for (path, module) in modules {
        let mut paths = Paths(Vec::new());
        for item in &module.items {
            paths.visit_item(item);
        }
        for used in paths.0 {
            if let Some(to) = resolve(modules, path, &used, 0).and_then(|found| found.file(modules))
                && to != module.file
            {
                imports.push(Import { from: module.file.clone(), name: used.join("::"), to });
            }
        }
    }
    imports.sort();
    imports.dedup();
    imports
}

/// The end of a path.
pub(crate) enum Found {
    Module(ModulePath),
    Item { file: String, module: ModulePath, name: String },
}

impl Found {
    /// The file of an item. A module alone is a folder's door; what is used of it has a path of its own.
    fn file(self, modules: &Modules) -> Option<String> {
        match self {
            Self::Item { file, .. } => Some(file),
            Self::Module(path) => {
                let module = modules.get(&path)?;
                (!module.defined.is_empty()).then(|| module.file.clone())
            }
        }
    }
}

/// `use` may go in circles (two globs): no path is followed further than this.
const DEEPEST: usize = 16;

pub(crate) fn resolve(modules: &Modules, from: &ModulePath, path: &[String], depth: usize) -> Option<Found> {
    if depth > DEEPEST {
        return None;
    }
    let (first, mut rest) = path.split_first()?;
    let mut found = match first.as_str() {
        "crate" => Found::Module(Vec::new()),
        "self" => Found::Module(from.clone()),
        "super" => {
            let mut above = from.clone();
            above.pop()?;
            while rest.first().is_some_and(|next| next == "super") {
                above.pop()?;
                rest = &rest[1..];
            }
            Found::Module(above)
        }
        name => member(modules, from, name, depth)?,
    };
    for name in rest {
        found = match found {
            Found::Module(module) => member(modules, &module, name, depth)?,
            // A variant or an associated item.
            item @ Found::Item { .. } => return Some(item),
        };
    }
    Some(found)
}

/// The name in a module: defined there, a module below it, or brought there by `use`.
fn member(modules: &Modules, path: &ModulePath, name: &str, depth: usize) -> Option<Found> {
    let module: &Module = modules.get(path)?;
    if module.children.contains(name) {
        return Some(Found::Module(path.iter().cloned().chain([name.to_owned()]).collect()));
    }
    if module.defined.contains(name) {
        return Some(Found::Item { file: module.file.clone(), module: path.clone(), name: name.to_owned() });
    }
    let named = module.used.iter().filter(|(used, path)| used == name && path.last().is_some_and(|_| path.len() > 1));
    let globs = module.used.iter().filter(|(used, _)| used == "*");
    let mut found = named.filter_map(|(_, target)| resolve(modules, path, target, depth + 1));
    found.next().or_else(|| {
        globs.into_iter().find_map(|(_, target)| match resolve(modules, path, target, depth + 1)? {
            Found::Module(below) => member(modules, &below, name, depth + 1),
            Found::Item { .. } => None,
        })
    })
}

/// The paths that an item uses.
struct Paths(Vec<Vec<String>>);

impl<'ast> Visit<'ast> for Paths {
    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        let mut used = Vec::new();
        leaves(&item.tree, &mut Vec::new(), &mut used);
        self.0.extend(used.into_iter().map(|(_, path)| path));
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let segments: Vec<_> = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        if segments.len() > 1 {
            self.0.push(segments);
        }
        visit::visit_path(self, path);
    }

    fn visit_visibility(&mut self, _: &'ast syn::Visibility) {}

    fn visit_attribute(&mut self, _: &'ast syn::Attribute) {}

    fn visit_macro(&mut self, call: &'ast syn::Macro) {
        paths_in(call.tokens.clone(), &mut self.0);
        visit::visit_macro(self, call);
    }
}

/// `crate::a::b` among the tokens of a macro, but not `$crate::a::b`, which belongs to who calls it.
fn paths_in(tokens: TokenStream, into: &mut Vec<Vec<String>>) {
    let tokens: Vec<_> = tokens.into_iter().collect();
    let mut place = 0;
    while place < tokens.len() {
        match &tokens[place] {
            TokenTree::Group(group) => paths_in(group.stream(), into),
            TokenTree::Ident(first) if is_followed_by_colons(&tokens, place) && !is_foreign(&tokens, place) => {
                let mut path = vec![first.to_string()];
                while is_followed_by_colons(&tokens, place)
                    && let Some(TokenTree::Ident(next)) = tokens.get(place + 3)
                {
                    path.push(next.to_string());
                    place += 3;
                }
                into.push(path);
            }
            _ => {}
        }
        place += 1;
    }
}

fn is_followed_by_colons(tokens: &[TokenTree], place: usize) -> bool {
    let is_colon = |at: usize| matches!(tokens.get(at), Some(TokenTree::Punct(punct)) if punct.as_char() == ':');
    is_colon(place + 1) && is_colon(place + 2)
}

fn is_foreign(tokens: &[TokenTree], place: usize) -> bool {
    place > 0 && matches!(&tokens[place - 1], TokenTree::Punct(punct) if ['$', ':'].contains(&punct.as_char()))
}
