use bloodbank::prelude::*;

#[derive(EventSet)]
struct Orders;

fn main() {}
