//! Nobody: the question comes back.

use futures_util::future::{BoxFuture, ready};

use super::{AgentFailure, AgentProvider, Answer, Asked};

/// Repeats the question, to try things out without an agent.
#[derive(Debug, Clone, Copy)]
pub struct Echo;

impl AgentProvider for Echo {
    fn name(&self) -> &'static str {
        "echo"
    }

    fn ask<'a>(&'a self, asked: Asked<'a>) -> BoxFuture<'a, Result<Answer, AgentFailure>> {
        let text = format!("You asked: {}", asked.prompt);
        Box::pin(ready(Ok(Answer { text, model: None, tokens_used: None })))
    }
}
