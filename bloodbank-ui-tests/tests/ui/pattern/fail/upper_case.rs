use bloodbank::prelude::*;

fn main() {
    let _ = pattern!("Orders.#");
}
