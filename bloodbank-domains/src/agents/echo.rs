//! The provider `echo`, which repeats the prompt.

use futures_util::future::{BoxFuture, ready};

use super::{AgentFailure, AgentProvider, Answer, Question};

/// An agent provider that repeats the prompt, to try things out without an agent.
#[derive(Debug, Clone, Copy)]
pub struct Echo;

impl AgentProvider for Echo {
    fn name(&self) -> &'static str {
        "echo"
    }

    fn ask<'a>(&'a self, question: Question<'a>) -> BoxFuture<'a, Result<Answer, AgentFailure>> {
        Box::pin(ready(Ok(Answer::new(format!("You asked: {}", question.prompt)))))
    }
}
