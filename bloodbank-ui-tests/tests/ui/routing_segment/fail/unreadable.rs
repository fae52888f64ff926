use bloodbank::prelude::*;

#[derive(RoutingSegment)]
enum Action {
    #[segment = "made"]
    Made,
}

fn main() {}
