use bloodbank::prelude::*;

#[subscriber]
struct Log;

fn main() {}
