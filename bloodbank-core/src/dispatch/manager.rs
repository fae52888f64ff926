//! Executing commands.

use std::any::{TypeId, type_name};

use futures_util::future::BoxFuture;

use crate::{
    command::{Command, CommandEvent},
    consume::Context,
    dispatch::CommandContext,
    event::{Declaration, Event, Location},
    handler::{HandlerError, Input, SubscriberOptions},
    publish::EventCollector,
    registry::Registry,
};

/// An executor that is linked into this program; `#[command]` registers it.
#[derive(Debug, Clone, Copy)]
pub struct CommandDescriptor {
    declaration: &'static Declaration,
    location: Location,
    options: SubscriberOptions,
    state: (TypeId, fn() -> &'static str),
    outputs: fn() -> Vec<&'static Declaration>,
    run: fn(Context) -> BoxFuture<'static, Result<EventCollector, HandlerError>>,
}

inventory::collect!(CommandDescriptor);

impl CommandDescriptor {
    /// The executor of a command.
    #[must_use]
    pub const fn of<C: Command<Executor>, Executor: 'static>(location: Location, options: SubscriberOptions) -> Self {
        Self {
            declaration: const { &C::DECLARATION },
            location,
            options,
            state: (TypeId::of::<C::State>(), type_name::<C::State>),
            outputs: outputs::<C, Executor>,
            run: |context| Box::pin(run::<C, Executor>(context)),
        }
    }

    /// The declaration of the command.
    #[must_use]
    pub const fn declaration(&self) -> &'static Declaration {
        self.declaration
    }

    /// Where the executor stands.
    #[must_use]
    pub const fn location(&self) -> &Location {
        &self.location
    }

    /// The options of the attribute.
    #[must_use]
    pub const fn options(&self) -> &SubscriberOptions {
        &self.options
    }

    /// The type of the state it needs.
    #[must_use]
    pub fn state_type(&self) -> &'static str {
        (self.state.1)()
    }

    pub(crate) const fn state_id(&self) -> TypeId {
        self.state.0
    }

    /// The events it publishes by itself: the reply and the failure.
    #[must_use]
    pub fn outputs(&self) -> Vec<&'static Declaration> {
        (self.outputs)()
    }

    pub(crate) fn run(&self, context: Context) -> BoxFuture<'static, Result<EventCollector, HandlerError>> {
        (self.run)(context)
    }
}

fn outputs<C: Command<Executor>, Executor>() -> Vec<&'static Declaration> {
    use crate::command::Reply;
    let mut outputs: Vec<_> = C::Reply::declaration().into_iter().collect();
    outputs.push(const { &<C::Failure as Event>::DECLARATION });
    outputs
}

async fn run<C: Command<Executor>, Executor>(context: Context) -> Result<EventCollector, HandlerError> {
    let _ = (
        C::receive as fn(&Context) -> Result<C, HandlerError>,
        CommandContext::<C::State>::new,
    );
    let _ = context;
    todo!()
}

/// Executes commands: all that are linked into this program.
#[derive(Debug)]
pub struct CommandManager;

#[allow(unused, reason = "contract only")]
fn _unused<C: CommandEvent>(_: &Registry) {}
