//! The functions with `#[subscriber]`, which stay functions: a variable may have the name of one.

use std::{
    fmt,
    marker::PhantomData,
    pin::Pin,
    task::{Context, Poll},
};

use futures_util::future::BoxFuture;

/// The future of a function with `#[subscriber]`, which knows the subscriber `S` that it belongs to.
#[must_use = "a subscriber that is called does nothing until its future is awaited"]
pub struct Handling<S, T> {
    future: BoxFuture<'static, T>,
    subscriber: PhantomData<fn() -> S>,
}

impl<S, T> Handling<S, T> {
    /// Marks the future of the function as one of the subscriber `S`.
    pub fn new(future: BoxFuture<'static, T>) -> Self {
        Self { future, subscriber: PhantomData }
    }
}

impl<S, T> Future for Handling<S, T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        self.future.as_mut().poll(cx)
    }
}

impl<S, T> fmt::Debug for Handling<S, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handling").finish_non_exhaustive()
    }
}

/// A function with `#[subscriber]`. `Arguments` are the types of its arguments; the compiler infers them.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a subscriber",
    label = "not a subscriber",
    note = "consider annotating the function with `#[subscriber]`"
)]
pub trait SubscriberFn<Arguments> {
    /// The subscriber that the attribute made of the function.
    type Subscriber;

    /// Returns the subscriber.
    fn subscriber(&self) -> Self::Subscriber;
}

macro_rules! functions {
    ($(($($argument:ident),*))*) => {$(
        impl<F, S: Default, T, $($argument),*> SubscriberFn<($($argument,)*)> for F
        where
            F: Fn($($argument),*) -> Handling<S, T>,
        {
            type Subscriber = S;

            fn subscriber(&self) -> S {
                S::default()
            }
        }
    )*};
}
functions! {
    ()
    (A)
    (A, B)
    (A, B, C)
    (A, B, C, D)
    (A, B, C, D, E)
    (A, B, C, D, E, G)
    (A, B, C, D, E, G, H)
    (A, B, C, D, E, G, H, I)
    (A, B, C, D, E, G, H, I, J)
    (A, B, C, D, E, G, H, I, J, K)
    (A, B, C, D, E, G, H, I, J, K, L)
    (A, B, C, D, E, G, H, I, J, K, L, M)
}
