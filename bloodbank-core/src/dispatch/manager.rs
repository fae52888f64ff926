//! The commands that an app executes.

use super::Executor;
use crate::routing;

/// The commands that an app executes. All services that execute a command consume from the same queue, so each command
/// is executed once.
#[derive(Debug, Clone)]
pub struct CommandManager {
    executors: Vec<&'static Executor>,
}

impl CommandManager {
    /// Every command whose `#[command]` is linked into this program.
    #[must_use]
    pub fn linked() -> Self {
        let mut executors: Vec<_> = inventory::iter::<Executor>.into_iter().collect();
        executors.sort_unstable_by_key(|executor| executor.descriptor().declaration().routing_key);
        Self { executors }
    }

    /// The linked commands whose key matches a pattern, such as `agent.#`.
    #[must_use]
    pub fn matching(pattern: &str) -> Self {
        let mut manager = Self::linked();
        manager
            .executors
            .retain(|executor| routing::overlaps(pattern, executor.descriptor().declaration().routing_key));
        manager
    }

    /// The executors of the commands.
    #[must_use]
    pub fn executors(&self) -> &[&'static Executor] {
        &self.executors
    }
}
