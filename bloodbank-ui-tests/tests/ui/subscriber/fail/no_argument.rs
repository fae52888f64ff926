use bloodbank::prelude::*;

#[subscriber]
async fn log() {}

fn main() {}
