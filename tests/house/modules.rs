//! The modules of a crate, read from its files.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use syn::{Attribute, Item, ItemUse, UseTree};

/// The path of a module from the root of its crate.
pub(crate) type ModulePath = Vec<String>;

/// A module without its tests.
pub(crate) struct Module {
    /// Its file below `src`.
    pub(crate) file: String,
    /// The modules below it.
    pub(crate) children: BTreeSet<String>,
    /// The names that it defines itself.
    pub(crate) defined: BTreeSet<String>,
    /// The names that it brings into scope, with the paths they stand for; `*` for a glob.
    pub(crate) used: Vec<(String, Vec<String>)>,
    pub(crate) items: Vec<Item>,
}

pub(crate) type Modules = BTreeMap<ModulePath, Module>;

/// Reads a crate, beginning with `lib.rs`.
pub(crate) fn read(src: &Path) -> Modules {
    let mut modules = Modules::new();
    let root = src.join("lib.rs");
    add_file(src, &root, src, Vec::new(), &mut modules);
    modules
}

fn add_file(src: &Path, path: &Path, folder: &Path, module: ModulePath, modules: &mut Modules) {
    let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let file = syn::parse_file(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let name = path.strip_prefix(src).expect("files are found below `src`").display().to_string();
    add(src, &name, folder, module, file.items, modules);
}

fn add(src: &Path, file: &str, folder: &Path, module: ModulePath, items: Vec<Item>, modules: &mut Modules) {
    let mut this = Module {
        file: file.to_owned(),
        children: BTreeSet::new(),
        defined: BTreeSet::new(),
        used: Vec::new(),
        items: Vec::new(),
    };
    for item in items {
        if attributes(&item).iter().any(is_of_tests) {
            continue;
        }
        match item {
            Item::Mod(child) => {
                let name = child.ident.to_string();
                let path: ModulePath = module.iter().cloned().chain([name.clone()]).collect();
                this.children.insert(name.clone());
                let below = folder.join(&name);
                match child.content {
                    Some((_, items)) => add(src, file, &below, path, items, modules),
                    None => {
                        let beside = folder.join(format!("{name}.rs"));
                        let inside = below.join("mod.rs");
                        let found = if beside.exists() { &beside } else { &inside };
                        add_file(src, found, &below, path, modules);
                    }
                }
            }
            Item::Use(ItemUse { ref tree, .. }) => {
                leaves(tree, &mut Vec::new(), &mut this.used);
                this.items.push(item);
            }
            item => {
                this.defined.extend(name(&item));
                this.items.push(item);
            }
        }
    }
    modules.insert(module, this);
}

/// Every name that a `use` brings into scope, with its whole path.
pub(crate) fn leaves(tree: &UseTree, path: &mut Vec<String>, into: &mut Vec<(String, Vec<String>)>) {
    match tree {
        UseTree::Path(step) => {
            path.push(step.ident.to_string());
            leaves(&step.tree, path, into);
            path.pop();
        }
        UseTree::Group(group) => {
            for tree in &group.items {
                leaves(tree, path, into);
            }
        }
        UseTree::Name(last) if last.ident == "self" => {
            into.push((path.last().cloned().unwrap_or_default(), path.clone()))
        }
        UseTree::Name(last) => {
            let name = last.ident.to_string();
            into.push((name.clone(), with(path, name)));
        }
        UseTree::Rename(last) if last.ident == "self" => into.push((last.rename.to_string(), path.clone())),
        UseTree::Rename(last) => into.push((last.rename.to_string(), with(path, last.ident.to_string()))),
        UseTree::Glob(_) => into.push(("*".to_owned(), path.clone())),
    }
}

fn with(path: &[String], last: String) -> Vec<String> {
    path.iter().cloned().chain([last]).collect()
}

fn is_of_tests(attribute: &Attribute) -> bool {
    let Ok(list) = attribute.meta.require_list() else { return false };
    attribute.path().is_ident("cfg") && {
        let condition = list.tokens.to_string();
        condition == "test" || condition.starts_with("all (test") || condition == "doctest"
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

pub(crate) fn name(item: &Item) -> Option<String> {
    let name = match item {
        Item::Const(item) => &item.ident,
        Item::Enum(item) => &item.ident,
        Item::Fn(item) => &item.sig.ident,
        Item::Macro(item) => item.ident.as_ref()?,
        Item::Static(item) => &item.ident,
        Item::Struct(item) => &item.ident,
        Item::Trait(item) => &item.ident,
        Item::Type(item) => &item.ident,
        _ => return None,
    };
    Some(name.to_string())
}
