//! Events that lead back to themselves.

use std::collections::BTreeSet;

use super::Flow;

impl Flow {
    /// The ways on which an event leads back to itself: keys and handlers in turn, beginning and ending with the same key.
    /// Each cycle is listed once.
    #[must_use]
    pub fn cycles(&self) -> Vec<Vec<&str>> {
        let mut search = Search { flow: self, done: BTreeSet::new(), path: Vec::new(), cycles: Vec::new() };
        for key in self.events.keys() {
            search.visit(key);
        }
        search.cycles
    }
}

struct Search<'a> {
    flow: &'a Flow,
    done: BTreeSet<&'a str>,
    /// The keys on the path, each with the handler that leads on from it.
    path: Vec<(&'a str, &'a str)>,
    cycles: Vec<Vec<&'a str>>,
}

impl<'a> Search<'a> {
    fn visit(&mut self, key: &'a str) {
        if let Some(start) = self.path.iter().position(|(on_path, _)| *on_path == key) {
            let steps = self.path[start..].iter().flat_map(|(key, handler)| [*key, *handler]);
            self.cycles.push(steps.chain([key]).collect());
            return;
        }
        if self.done.contains(key) {
            return;
        }
        for handler in self.flow.handlers_of(key) {
            self.path.push((key, &handler.name));
            for output in &handler.outputs {
                self.visit(output);
            }
            self.path.pop();
        }
        self.done.insert(key);
    }
}
