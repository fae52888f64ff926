#!/usr/bin/env python3
"""Circles of files in a crate: files that import each other, directly or through others.

    ./scripts/circles.py bloodbank-cli

Resolves `crate::`, `super::` and `self::` in `use` and in paths, through `pub use`, to the file that declares the
item. Files of one folder may know each other, as may a folder and the `mod.rs` above it; a circle that spans folders is
printed, and ends with exit code 1.
"""
import pathlib
import re
import sys


def modules(src):
    """Every module by its path, with its file."""
    found = {}
    for file in sorted(src.rglob("*.rs")):
        parts = file.relative_to(src).with_suffix("").parts
        if parts[-1] in ("mod", "lib", "main"):
            parts = parts[:-1]
        found[parts] = file
    return found


def without_noise(text):
    """The code without comments, strings and unit tests."""
    text = text.split("#[cfg(test)]\nmod tests")[0]
    text = re.sub(r"//[^\n]*", "", text)
    return re.sub(r'"(?:\\.|[^"\\])*"', '""', text, flags=re.S)


def expand(tree):
    """The paths of a `use` tree: `a::{b, c::d as e}` is `a::b` and `a::c::d`, each with the name it is known by."""
    tree = tree.strip()
    if "{" not in tree:
        path, _, alias = tree.partition(" as ")
        parts = [part.strip() for part in path.split("::") if part.strip()]
        return [(parts, alias.strip() or (parts[-1] if parts else ""))]
    head, _, rest = tree.partition("{")
    depth, part, parts = 0, "", []
    for letter in rest[: rest.rindex("}")]:
        depth += (letter == "{") - (letter == "}")
        if letter == "," and depth == 0:
            parts.append(part)
            part = ""
        else:
            part += letter
    parts.append(part)
    prefix = [part.strip() for part in head.split("::") if part.strip()]
    return [(prefix + path, name) for tree in parts if tree.strip() for path, name in expand(tree)]


class Crate:
    def __init__(self, src):
        self.modules = modules(src)
        self.text = {path: without_noise(file.read_text()) for path, file in self.modules.items()}
        self.exports = {path: {} for path in self.modules}
        for path, text in self.text.items():
            for tree in re.findall(r"\bpub(?:\([^)]*\))?\s+use\s+([^;]+);", text):
                for parts, name in expand(tree):
                    self.exports[path][name] = parts

    def absolute(self, parts, module):
        """A path from the root of the crate; `None` where it leads out of it."""
        parts = list(parts)
        if parts[0] == "crate":
            return parts[1:]
        base = list(module)
        if parts[0] in ("self", "super"):
            while parts and parts[0] in ("self", "super"):
                if parts.pop(0) == "super":
                    base = base[:-1]
            return base + parts
        # Edition 2024: a path may begin with a module beside it.
        return base + parts if tuple(base + parts[:1]) in self.modules else None

    def target(self, parts, module, depth=0):
        """The module that declares what a path names."""
        absolute = self.absolute(parts, module)
        if absolute is None or depth > 8:
            return None
        end = max(end for end in range(len(absolute) + 1) if tuple(absolute[:end]) in self.modules)
        owner, rest = tuple(absolute[:end]), absolute[end:]
        if rest and rest[0] in self.exports[owner]:
            return self.target(self.exports[owner][rest[0]] + rest[1:], owner, depth + 1)
        return owner

    def imports(self, module):
        text = self.text[module]
        # What a module only passes on, it does not use.
        text = re.sub(r"\bpub(?:\([^)]*\))?\s+use\s+[^;]+;", "", text)
        paths = [parts for tree in re.findall(r"\buse\s+([^;]+);", text) for parts, _ in expand(tree)]
        text = re.sub(r"\buse\s+[^;]+;", "", text)
        paths += [path.split("::") for path in re.findall(r"\b(?:crate|super|self)(?:::\w+)+", text)]
        children = [child[-1] for child in self.modules if child[:-1] == module and child]
        paths += [[child, item] for child in children for item in re.findall(rf"\b{child}::(\w+)", text)]
        targets = {self.target(parts, module) for parts in paths if parts}
        return targets - {None, module}


def circles(graph):
    """The strongly connected components of more than one node."""
    index, low, stack, found = {}, {}, [], []

    def visit(node):
        index[node] = low[node] = len(index)
        stack.append(node)
        for other in graph[node]:
            if other not in index:
                visit(other)
                low[node] = min(low[node], low[other])
            elif other in stack:
                low[node] = min(low[node], index[other])
        if low[node] == index[node]:
            component = stack[stack.index(node) :]
            del stack[stack.index(node) :]
            if len(component) > 1:
                found.append(component)

    for node in graph:
        if node not in index:
            visit(node)
    return found


def folder(module, crate):
    """The folder of a module; a `mod.rs` belongs to the folder that it names."""
    return module if crate.modules[module].name == "mod.rs" else module[:-1]


def main():
    found = 0
    for name in sys.argv[1:]:
        crate = Crate(pathlib.Path(name) / "src")
        graph = {module: crate.imports(module) for module in crate.modules}
        within = 0
        for circle in circles(graph):
            if len({folder(module, crate) for module in circle}) == 1:
                within += 1
                continue
            found += 1
            print(f"{name}: a circle of {len(circle)} files")
            for module in sorted(circle):
                others = sorted("::".join(other) or "lib" for other in graph[module] if other in circle)
                print(f"  {crate.modules[module]}: {', '.join(others)}")
        print(f"{name}: {len(graph)} files, {found} circles across folders, {within} within a folder")
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
