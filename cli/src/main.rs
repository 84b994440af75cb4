//! xfl
fn main() {}
