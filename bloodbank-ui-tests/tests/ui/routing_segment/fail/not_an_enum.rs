use bloodbank::prelude::*;

#[derive(RoutingSegment)]
struct Action;

fn main() {}
