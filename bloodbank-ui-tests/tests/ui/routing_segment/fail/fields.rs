use bloodbank::prelude::*;

#[derive(RoutingSegment)]
enum Action {
    Created,
    Moved(String),
}

fn main() {}
