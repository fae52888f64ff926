use bloodbank::prelude::*;

#[derive(EventSet)]
enum Orders {}

fn main() {}
