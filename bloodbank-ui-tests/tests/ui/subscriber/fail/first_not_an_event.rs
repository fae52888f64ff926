use bloodbank::prelude::*;

#[subscriber]
async fn log(_event: String) {}

fn main() {}
