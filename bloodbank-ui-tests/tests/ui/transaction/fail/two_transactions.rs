use bloodbank::{
    HandlerError,
    handler::{Extractor, Interrupted, OpenTransaction, Opened},
    prelude::*,
};
use std::{future::Future, pin::Pin};

#[derive(Serialize, Deserialize, JsonSchema, Event)]
#[event(routing_key = "orders.order.placed")]
struct OrderPlaced {
    order_id: String,
}

/// Stands for `bloodbank::sql::Tx`, without a database.
struct Tx;

fn open(_: &Context) -> Pin<Box<dyn Future<Output = Result<Opened, Interrupted>> + Send + '_>> {
    unimplemented!()
}

impl Extractor for Tx {
    type Requires = ();

    const TRANSACTION: Option<OpenTransaction> = Some(open);

    fn extract(_: &Context) -> Result<Self, HandlerError> {
        unimplemented!()
    }
}

#[subscriber(transactional)]
async fn charge(_order: OrderPlaced, _one: Tx, _other: Tx) {}

fn main() {}
