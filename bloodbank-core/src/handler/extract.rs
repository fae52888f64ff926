//! Extractors: the arguments of subscribers after the event.

use std::{
    any::{Any, TypeId, type_name},
    fmt,
    ops::{Deref, DerefMut},
    sync::Arc,
};

use crate::{
    handler::{Context, HandlerError, OpenTransaction, Publisher},
    registry::StateType,
};

/// An argument that a subscriber can ask for besides the event: [`State`], [`Context`], [`Publisher`], or a type of
/// your own.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an extractor",
    label = "a subscriber cannot take this argument",
    note = "after the event come `State<S>`, `Context`, `Publisher`, or a type that implements `Extractor`"
)]
pub trait Extractor: Sized {
    /// The requirement on the app: `()`, or [`Needs<S>`] for a state.
    type Requires;

    /// Opens the transaction that the argument stands for, around the handler; `None` for every other argument. Only
    /// subscribers with `transactional` can take one that has it.
    const TRANSACTION: Option<OpenTransaction> = None;

    /// Extracts the argument from the context of the event.
    ///
    /// # Errors
    /// The event is then handled as if the subscriber had returned that error.
    fn extract(context: &Context) -> Result<Self, HandlerError>;
}

/// A state that the app provides with [`App::state`](crate::App::state).
#[derive(Debug, Clone, Copy, Default)]
pub struct State<S>(pub S);

impl<S> Deref for State<S> {
    type Target = S;

    fn deref(&self) -> &S {
        &self.0
    }
}

impl<S> DerefMut for State<S> {
    fn deref_mut(&mut self) -> &mut S {
        &mut self.0
    }
}

impl<S: 'static> Extractor for State<S> {
    type Requires = Needs<S>;

    fn extract(context: &Context) -> Result<Self, HandlerError> {
        // The bound `Satisfies` of `App::subscribe` lets no subscriber in whose state is not there.
        context
            .states()
            .get::<S>()
            .map(Self)
            .ok_or_else(|| HandlerError::permanent(format!("the app provides no state of type `{}`", type_name::<S>())))
    }
}

impl Extractor for Context {
    type Requires = ();

    fn extract(context: &Context) -> Result<Self, HandlerError> {
        Ok(context.clone())
    }
}

impl Extractor for Publisher {
    type Requires = ();

    fn extract(context: &Context) -> Result<Self, HandlerError> {
        Ok(Self::new(context.clone()))
    }
}

/// A requirement: the app provides a state of this type.
pub struct Needs<S>(std::marker::PhantomData<S>);

/// What an extractor requires of the app, as a value.
pub trait Requirement {
    /// The state that is required, and its name.
    const STATE: Option<StateType>;
}

impl Requirement for () {
    const STATE: Option<StateType> = None;
}

impl<S: 'static> Requirement for Needs<S> {
    const STATE: Option<StateType> = Some((TypeId::of::<S>(), type_name::<S>));
}

/// The states of an app satisfy a requirement. `Index` is the position of the state; the compiler infers it.
pub trait Satisfies<Requirement, Index> {}

impl<Provided> Satisfies<(), ()> for Provided {}
impl<Provided: Provides<S, Index>, S, Index> Satisfies<Needs<S>, Index> for Provided {}

/// An argument that a subscriber can extract in an app with these states; the bound that `#[subscriber]` sets. `FITS` is
/// false where the subscriber itself was reported, so that the app is not reported too.
pub trait ExtractFrom<Provided, Index, const FITS: bool> {}

impl<Provided: Satisfies<E::Requires, Index>, Index, E: Extractor> ExtractFrom<Provided, Index, true> for E {}
impl<Provided, E> ExtractFrom<Provided, Here, false> for E {}

/// The states of an app include one of type `S`.
#[diagnostic::on_unimplemented(
    message = "the app provides no state of type `{S}`",
    label = "this subscriber takes `State<{S}>`",
    note = "add `.state(…)` with a value of type `{S}` before `.subscribe(…)`"
)]
pub trait Provides<S, Index> {}

/// The index of the state that was added last.
pub struct Here;

/// The index of a state that was added before.
pub struct There<Index>(std::marker::PhantomData<Index>);

impl<S, Rest> Provides<S, Here> for (S, Rest) {}
impl<S, Other, Rest: Provides<S, Index>, Index> Provides<S, There<Index>> for (Other, Rest) {}

/// The states of an app, by type; a list, because there are few and they are looked up for each event.
#[derive(Clone, Default)]
pub struct States(Arc<Vec<(TypeId, Arc<dyn Any + Send + Sync>)>>);

/// A state, and how it is cloned: only who provides it must know that, so that a type that is not `Clone` is reported once.
struct Provided<S> {
    state: S,
    clone: fn(&S) -> S,
}

impl States {
    pub(crate) fn insert<S: Clone + Send + Sync + 'static>(&mut self, state: S) {
        let states = Arc::make_mut(&mut self.0);
        states.retain(|(id, _)| *id != TypeId::of::<S>());
        states.push((TypeId::of::<S>(), Arc::new(Provided { state, clone: S::clone })));
    }

    /// A clone of the state of type `S`; `()` is always provided.
    #[must_use]
    pub fn get<S: 'static>(&self) -> Option<S> {
        const NOTHING: &(dyn Any + Send + Sync) = &Provided { state: (), clone: |&()| () };
        let found = self.0.iter().find(|(id, _)| *id == TypeId::of::<S>());
        let provided = found.map_or(NOTHING, |(_, state)| &**state).downcast_ref::<Provided<S>>()?;
        Some((provided.clone)(&provided.state))
    }

    pub(crate) fn has(&self, state: TypeId) -> bool {
        state == TypeId::of::<()>() || self.0.iter().any(|(id, _)| *id == state)
    }
}

impl fmt::Debug for States {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "States({})", self.0.len())
    }
}
