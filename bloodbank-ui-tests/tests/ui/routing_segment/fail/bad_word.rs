use bloodbank::prelude::*;

#[derive(RoutingSegment)]
enum Action {
    #[segment("re-opened")]
    ReOpened,
}

fn main() {}
