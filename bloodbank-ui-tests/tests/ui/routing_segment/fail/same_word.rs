use bloodbank::prelude::*;

#[derive(RoutingSegment)]
enum Action {
    Created,
    #[segment("created")]
    Made,
}

fn main() {}
