// See `../../reader.rs`.

include!("../../reader.rs");
