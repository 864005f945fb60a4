// See `../../bench.rs`.

include!("../../bench.rs");
