use bloodbank::prelude::*;

#[derive(Serialize, RoutingSegment)]
enum Word {
    Created,
    #[segment("made")]
    Created2,
    #[serde(rename = "sent")]
    #[allow(dead_code)]
    Third,
}

fn main() {
    assert_eq!(Word::Created.routing_segment(), "created");
    assert_eq!(Word::Created2.routing_segment(), "made");
}
