//! Payloads that are put together and checked.

use bloodbank_client::{Assignment, ClientError, PayloadBuilder, find_event, mock_payload};
use bloodbank_core::envelope::{Source, TriggerType};
use serde_json::json;
use uuid::Uuid;

fn assignments(texts: &[&str]) -> Vec<Assignment> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

#[test]
fn sources_build_on_each_other() {
    let set = assignments(&["total_cents=7", "/lines/1/sku=B-2", "lines.1.count=2", "note=42"]);
    let event = PayloadBuilder::new(find_event("OrderPlaced").unwrap())
        .with_mock()
        .given(json!({"order_id": "o-1", "total_cents": 5}))
        .assign(&set)
        .build()
        .unwrap();
    assert_eq!(event.payload["order_id"], "o-1", "what is given comes before what is made up");
    assert_eq!(event.payload["total_cents"], 7, "a single value comes before what is given");
    assert_eq!(event.payload["lines"][1], json!({"sku": "B-2", "count": 2}));
    assert_eq!(event.payload["note"], "42", "the schema wants text");
    let again = PayloadBuilder::new(find_event("OrderPlaced").unwrap()).with_mock().given(json!({"order_id": "o-1"}));
    assert_eq!(again.build().unwrap().event_id, event.event_id, "the declaration derives the id from order_id");
}

#[test]
fn an_envelope_keeps_what_it_says() {
    let [id, parent, other] = [1, 2, 3].map(Uuid::from_u128);
    let source = json!({"host": "h", "type": "manual", "app": "notes", "meta": null});
    let today = json!({
        "event_id": id, "event_type": "orders.order.shipped", "timestamp": "2025-10-18T12:00:00Z", "version": "1.0.0",
        "source": source, "correlation_ids": [parent], "agent_context": {"type": "letta"}, "payload": {"order_id": "o-2"},
    });
    let flat = json!({
        "id": id, "event_type": "orders.order.shipped", "ts": "2025-10-18T12:00:00Z", "source": "cli/notes",
        "correlation_id": parent, "data": {"order_id": "o-2"},
    });
    for (envelope, app) in [(&today, "notes"), (&flat, "cli/notes")] {
        let shipped = PayloadBuilder::new(find_event("orders.order.shipped").unwrap());
        let event = shipped.clone().given(envelope.clone()).build().unwrap();
        assert_eq!((&event.payload, event.event_id), (&json!({"order_id": "o-2"}), Some(id)));
        assert_eq!(event.source.as_ref().unwrap().app.as_deref(), Some(app));
        assert_eq!(event.all_causes(&[other, parent]), [parent, other]);
        let again = event.envelope(Source::new(TriggerType::Manual, "client"), &[]);
        assert_eq!((again.event_id, again.timestamp.timestamp()), (id, 1_760_788_800));
        assert_eq!(again.source.app.as_deref(), Some(app));
        assert_eq!(again.agent_context.is_some(), envelope.get("agent_context").is_some());
        let ids = ["order_id".to_owned()];
        assert_ne!(shipped.clone().given(envelope.clone()).id_from(&ids).build().unwrap().event_id, Some(id));

        let error = PayloadBuilder::new(find_event("ParcelScanned").unwrap()).given(envelope.clone()).build();
        assert!(error.is_err(), "its payload is that of another event");
    }
    let mut other = today.clone();
    other["event_type"] = json!("orders.order.placed");
    let shipped = PayloadBuilder::new(find_event("orders.order.shipped").unwrap());
    let error = shipped.clone().given(other).build().unwrap_err();
    assert!(error.is_invalid_request() && error.to_string().contains("is of `orders.order.placed`"), "{error}");
    let mut broken = today;
    broken["timestamp"] = json!("noon");
    let error = shipped.given(broken).build().unwrap_err();
    assert!(error.is_invalid_request() && error.to_string().contains("/timestamp"), "{error}");
}

#[test]
fn the_words_of_the_key_are_in_the_payload() {
    let parcel = find_event("ParcelScanned").unwrap();
    let event = PayloadBuilder::new(parcel).routing_key("parcels.parcel.lost").with_mock().build().unwrap();
    assert_eq!((&*event.routing_key, &event.payload["action"]), ("parcels.parcel.lost", &json!("lost")));
    let set = assignments(&["action=found"]);
    let contradiction = PayloadBuilder::new(parcel).routing_key("parcels.parcel.lost").with_mock().assign(&set);
    let error = contradiction.build().unwrap_err();
    assert!(
        error.is_invalid_request() && error.to_string().contains("belongs under `parcels.parcel.found`"),
        "{error}"
    );
}

#[test]
fn mistakes_name_what_was_meant() {
    let build = |set: &str| {
        let set = assignments(&[set]);
        PayloadBuilder::new(find_event("OrderPlaced").unwrap())
            .with_mock()
            .assign(&set)
            .build()
            .unwrap_err()
            .to_string()
    };
    assert!(build("total_cent=1").contains("did you mean `total_cents`?"));
    assert!(build("order_id.x=1").contains("`x` does not lead into an object"));
    assert!(build("total_cents=many").contains("/total_cents"));
    assert!("no value".parse::<Assignment>().unwrap_err().contains("path=value"));
    let ids = ["lines".to_owned()];
    let error = PayloadBuilder::new(find_event("OrderPlaced").unwrap()).with_mock().id_from(&ids).build().unwrap_err();
    assert!(error.to_string().contains("`lines` cannot take part"), "{error}");
    let error = find_event("OrderPlacd").unwrap_err();
    assert!(matches!(&error, ClientError::UnknownType { nearest: Some(nearest), .. } if nearest == "OrderPlaced"));
}

#[test]
fn what_is_made_up_is_always_the_same() {
    let made_up = || mock_payload(find_event("OrderPlaced").unwrap()).unwrap();
    assert_eq!(made_up(), made_up());
    assert_eq!(made_up()["lines"], json!([{"sku": "sku", "count": 1}]));
}
