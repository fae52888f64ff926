use bloodbank::prelude::*;

#[derive(Serialize, Deserialize, JsonSchema, Event)]
#[event(routing_key = "llm.response", caused_by(prompt_id, prompt_number))]
struct LlmResponse {
    prompt_id: Option<bloodbank::uuid::Uuid>,
    prompt_number: u64,
}

#[derive(Serialize, Deserialize, JsonSchema, Event)]
#[event(routing_key = "llm.error_report", caused_by(prompt))]
struct LlmErrorReport {
    prompt_id: Option<String>,
}

fn main() {}
