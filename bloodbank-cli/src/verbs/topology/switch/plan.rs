//! What a switch has to do next, from what the broker has.

use std::{collections::BTreeSet, fmt};

use bloodbank_client::ExchangeBinding;

/// What the broker has of both exchanges; `None`: there is no such exchange.
#[derive(Debug, Clone)]
pub(super) struct Seen {
    pub(super) from: String,
    pub(super) to: String,
    pub(super) old: Option<Vec<ExchangeBinding>>,
    pub(super) new: Option<Vec<ExchangeBinding>>,
}

/// How far a switch is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    NotBegun,
    /// Something is missing: a verb was interrupted, or a queue was bound since.
    Incomplete,
    /// Both exchanges are one for whoever uses them.
    Both,
    /// Nothing but the way to the new exchange is left of the old one.
    Finished,
    /// The old exchange is gone.
    Deleted,
}

/// One change of the broker. Each can be repeated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    Declare { exchange: String },
    Bind { exchange: String, queue: String, pattern: String },
    Forward { from: String, to: String },
    StopForwarding { from: String, to: String },
    Unbind { exchange: String, queue: String, pattern: String },
    Delete { exchange: String },
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Declare { exchange } => write!(f, "declare exchange {exchange}"),
            Self::Bind { exchange, queue, pattern } => write!(f, "bind queue {queue} to {exchange} by {pattern}"),
            Self::Forward { from, to } => write!(f, "let everything of {from} go to {to} too"),
            Self::StopForwarding { from, to } => write!(f, "let nothing of {from} go to {to} any more"),
            Self::Unbind { exchange, queue, pattern } => write!(f, "unbind queue {queue} from {exchange} by {pattern}"),
            Self::Delete { exchange } => write!(f, "delete exchange {exchange}"),
        }
    }
}

impl Seen {
    pub(super) fn phase(&self) -> Phase {
        let forwards = (leads(self.on_old(), &self.to), leads(self.on_new(), &self.from));
        match (&self.old, &self.new) {
            (None, None) | (Some(_), None) => Phase::NotBegun,
            (None, Some(_)) => Phase::Deleted,
            (Some(_), Some(_)) => match forwards {
                (true, true) if self.begin().is_empty() => Phase::Both,
                (true, false) if self.queues_of_old().next().is_none() => Phase::Finished,
                (false, false) => Phase::NotBegun,
                _ => Phase::Incomplete,
            },
        }
    }

    /// The steps that make one of both exchanges, in their order: at each moment every event reaches each queue once.
    pub(super) fn begin(&self) -> Vec<Step> {
        let mut steps = Vec::new();
        if self.new.is_none() {
            steps.push(Step::Declare { exchange: self.to.clone() });
        }
        let known: BTreeSet<_> = queues(self.on_new()).map(|(queue, pattern, _)| (queue, pattern)).collect();
        let missing = self.queues_of_old().filter(|binding| !known.contains(binding));
        steps.extend(missing.map(|(queue, pattern)| Step::Bind {
            exchange: self.to.clone(),
            queue: queue.to_owned(),
            pattern: pattern.to_owned(),
        }));
        for (bindings, from, to) in [(self.on_old(), &self.from, &self.to), (self.on_new(), &self.to, &self.from)] {
            if !leads(bindings, to) {
                steps.push(Step::Forward { from: from.clone(), to: to.clone() });
            }
        }
        steps
    }

    /// The steps that leave the new exchange alone, in their order. The way from the old one stays as long as the exchange does: whoever
    /// still publishes there is heard.
    pub(super) fn finish(&self, delete: bool) -> Vec<Step> {
        let mut steps = Vec::new();
        if leads(self.on_new(), &self.from) {
            steps.push(Step::StopForwarding { from: self.to.clone(), to: self.from.clone() });
        }
        steps.extend(self.queues_of_old().map(|(queue, pattern)| Step::Unbind {
            exchange: self.from.clone(),
            queue: queue.to_owned(),
            pattern: pattern.to_owned(),
        }));
        if delete && self.old.is_some() {
            steps.push(Step::Delete { exchange: self.from.clone() });
        }
        steps
    }

    /// Why the switch cannot begin or go on, with what to do about it.
    pub(super) fn obstacles(&self) -> Vec<String> {
        let mut obstacles = Vec::new();
        let Self { from, to, .. } = self;
        let doubled = self.doubled_commands();
        if !doubled.is_empty() {
            obstacles.push(format!(
                "each of these commands has two queues, and is executed twice: {}; give the services on {to} \
                 BLOODBANK_COMMAND_QUEUES={from} and delete the queues `{to}.command.…` once they are empty",
                doubled.join(", ")
            ));
        }
        let journal = |exchange: &str| {
            let stream = format!("{exchange}.journal");
            [self.on_old(), self.on_new()]
                .into_iter()
                .any(|bindings| queues(bindings).any(|(queue, ..)| queue == stream))
        };
        let (without, with) = match (journal(from), journal(to)) {
            (true, false) => (to, from),
            (false, true) => (from, to),
            (true, true) | (false, false) => return obstacles,
        };
        obstacles.push(format!(
            "{with} has a journal and {without} has none, so that its publishers would take every event for one that somebody receives; \
             run `EXCHANGE_NAME={without} bb topology journal enable` first"
        ));
        obstacles
    }

    /// The queues of commands that carry the name of the old exchange.
    pub(super) fn command_queues(&self) -> BTreeSet<&str> {
        let beginning = format!("{}.command.", self.from);
        queues(self.on_old()).map(|(queue, ..)| queue).filter(|queue| queue.starts_with(&beginning)).collect()
    }

    /// The queues on the old exchange that go with their connection: of programs that still listen there.
    pub(super) fn listeners(&self) -> BTreeSet<&str> {
        queues(self.on_old()).filter(|(.., is_lasting)| !is_lasting).map(|(queue, ..)| queue).collect()
    }

    /// The exchanges besides the new one that get something from the old one.
    pub(super) fn other_exchanges(&self) -> BTreeSet<&str> {
        let exchanges = self.on_old().iter().filter(|binding| binding.is_exchange);
        exchanges.map(|binding| &*binding.destination).filter(|exchange| *exchange != self.to).collect()
    }

    /// The commands that have a queue with the name of either exchange.
    fn doubled_commands(&self) -> Vec<&str> {
        let (old, new) = (format!("{}.command.", self.from), format!("{}.command.", self.to));
        let names: BTreeSet<_> =
            [self.on_old(), self.on_new()].into_iter().flat_map(queues).map(|(queue, ..)| queue).collect();
        let of_old = names.iter().filter_map(|queue| queue.strip_prefix(&*old));
        of_old.filter(|command| names.contains(&*format!("{new}{command}"))).collect()
    }

    /// The bindings of lasting queues to the old exchange; its journal stays its own.
    pub(super) fn queues_of_old(&self) -> impl Iterator<Item = (&str, &str)> {
        let journal = format!("{}.journal", self.from);
        queues(self.on_old())
            .filter(move |(queue, _, is_lasting)| *is_lasting && *queue != journal)
            .map(|(queue, pattern, _)| (queue, pattern))
    }

    fn on_old(&self) -> &[ExchangeBinding] {
        self.old.as_deref().unwrap_or_default()
    }

    fn on_new(&self) -> &[ExchangeBinding] {
        self.new.as_deref().unwrap_or_default()
    }
}

/// Whether everything of an exchange with these bindings goes to another one.
fn leads(bindings: &[ExchangeBinding], to: &str) -> bool {
    bindings.iter().any(|binding| binding.is_exchange && binding.destination == to && binding.pattern == "#")
}

/// The bindings of queues, and whether those outlive their connections.
fn queues(bindings: &[ExchangeBinding]) -> impl Iterator<Item = (&str, &str, bool)> {
    let queues = bindings.iter().filter(|binding| !binding.is_exchange);
    queues.map(|binding| (&*binding.destination, &*binding.pattern, binding.is_lasting))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn queue(name: &str, pattern: &str) -> ExchangeBinding {
        binding(false, name, pattern, true)
    }

    fn exchange(name: &str) -> ExchangeBinding {
        binding(true, name, "#", true)
    }

    fn binding(is_exchange: bool, destination: &str, pattern: &str, is_lasting: bool) -> ExchangeBinding {
        let binding = json!({
            "is_exchange": is_exchange, "destination": destination, "pattern": pattern, "is_lasting": is_lasting,
        });
        serde_json::from_value(binding).unwrap()
    }

    fn seen(old: Option<Vec<ExchangeBinding>>, new: Option<Vec<ExchangeBinding>>) -> Seen {
        Seen { from: "a".to_owned(), to: "b".to_owned(), old, new }
    }

    /// Does a step as the broker would.
    fn apply(seen: &mut Seen, step: &Step) {
        let of = |seen: &mut Seen, name: &str, change: &dyn Fn(&mut Vec<ExchangeBinding>)| {
            let bindings = if name == "a" { &mut seen.old } else { &mut seen.new };
            change(bindings.as_mut().expect("the exchange is there"));
        };
        match step {
            Step::Declare { .. } => seen.new = Some(Vec::new()),
            Step::Delete { .. } => seen.old = None,
            Step::Bind { exchange, queue: name, pattern } => {
                of(seen, exchange, &|bindings| bindings.push(queue(name, pattern)));
            }
            Step::Unbind { exchange, queue: name, pattern } => {
                of(seen, exchange, &|bindings| bindings.retain(|other| *other != queue(name, pattern)));
            }
            Step::Forward { from, to } => of(seen, from, &|bindings| bindings.push(exchange(to))),
            Step::StopForwarding { from, to } => {
                of(seen, from, &|bindings| bindings.retain(|other| *other != exchange(to)));
            }
        }
    }

    fn start() -> Seen {
        seen(Some(vec![queue("shop.ship", "orders.#"), queue("shop.bill", "orders.*.placed")]), None)
    }

    #[test]
    fn interrupted_anywhere_and_begun_again_it_comes_to_the_same_end() {
        let begin = start().begin();
        assert_eq!(begin.len(), 1 + 2 + 2, "{begin:?}");
        for done in 0..=begin.len() {
            let mut now = start();
            assert_eq!(now.phase(), Phase::NotBegun);
            begin[..done].iter().for_each(|step| apply(&mut now, step));
            assert_eq!(now.begin(), begin[done..], "what is done is not done again");
            for step in now.begin() {
                apply(&mut now, &step);
            }
            assert_eq!(now.phase(), Phase::Both);
            for delete in [false, true] {
                let finish = now.finish(delete);
                for done in 0..=finish.len() {
                    let mut now = now.clone();
                    finish[..done].iter().for_each(|step| apply(&mut now, step));
                    for step in now.finish(delete) {
                        apply(&mut now, &step);
                    }
                    assert_eq!(now.phase(), if delete { Phase::Deleted } else { Phase::Finished });
                    assert_eq!(now.finish(delete), []);
                    assert_eq!(queues(now.on_new()).count(), 2, "the queues stay on the new exchange");
                }
            }
        }
    }

    #[test]
    fn the_way_from_the_old_exchange_is_there_before_anything_is_taken_away() {
        let mut now = start();
        for step in now.begin() {
            apply(&mut now, &step);
        }
        for step in now.finish(false) {
            apply(&mut now, &step);
            assert!(leads(now.on_old(), "b"), "{step}");
        }
    }

    #[test]
    fn a_queue_that_was_bound_since_is_missing() {
        let mut now = start();
        for step in now.begin() {
            apply(&mut now, &step);
        }
        now.old.as_mut().unwrap().push(queue("shop.late", "orders.#"));
        assert_eq!(now.phase(), Phase::Incomplete);
        assert_eq!(now.begin().len(), 1);
    }

    #[test]
    fn commands_journals_and_listeners_are_not_bound_by_hand() {
        let mut now = start();
        now.old.as_mut().unwrap().extend([
            queue("a.command.stock.count", "stock.count"),
            queue("a.journal", "#"),
            binding(false, "bloodbank.tail.1", "#", false),
            exchange("elsewhere"),
        ]);
        let bound: Vec<_> = now.begin().iter().map(ToString::to_string).collect();
        assert!(!bound.iter().any(|step| step.contains("a.journal") || step.contains("tail")), "{bound:?}");
        assert!(bound.contains(&"bind queue a.command.stock.count to b by stock.count".to_owned()), "{bound:?}");
        assert_eq!(now.command_queues().into_iter().collect::<Vec<_>>(), ["a.command.stock.count"]);
        assert_eq!(now.listeners().into_iter().collect::<Vec<_>>(), ["bloodbank.tail.1"]);
        assert_eq!(now.other_exchanges().into_iter().collect::<Vec<_>>(), ["elsewhere"]);
        let said = now.obstacles().join("\n");
        assert!(
            said.contains("a has a journal and b has none") && said.contains("EXCHANGE_NAME=b bb topology"),
            "{said}"
        );
        now.new = Some(vec![queue("b.journal", "#"), queue("b.command.stock.count", "stock.count")]);
        let said = now.obstacles().join("\n");
        assert!(said.contains("executed twice: stock.count") && said.contains("BLOODBANK_COMMAND_QUEUES=a"), "{said}");
        assert!(!said.contains("journal"), "both have one: {said}");
    }
}
