use bloodbank::prelude::*;

#[command]
struct CancelOrder {}

fn main() {}
