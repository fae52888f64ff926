//! RabbitMQ.
use crate::{error::Result, settings::Settings};
/// RabbitMQ.
pub struct Amqp;
impl Amqp {
    /// Connects.
    pub async fn connect(_: &Settings) -> Result<Self> {
        todo!()
    }
}
