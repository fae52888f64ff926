use bloodbank::prelude::*;

struct CancelOrder {}

#[command]
impl Default for CancelOrder {
    fn default() -> Self {
        Self {}
    }
}

fn main() {}
