use bloodbank::prelude::*;

fn main() {
    let _ = pattern!("orders.pla*");
}
