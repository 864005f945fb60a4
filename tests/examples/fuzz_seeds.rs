//! `make fuzz`: writes inputs for a fuzzer to begin with into a directory.

use std::path::PathBuf;

use ocellus_tests::fuzz::TARGETS;

/// As many as show a fuzzer what an input looks like.
const SEEDS: u64 = 64;

fn main() {
    let mut args = std::env::args().skip(1);
    let (Some(name), Some(dir)) = (args.next(), args.next().map(PathBuf::from)) else {
        panic!("usage: fuzz_seeds TARGET DIRECTORY");
    };
    let (.., seed) = TARGETS.iter().find(|(known, ..)| *known == name).expect("no such target");
    std::fs::create_dir_all(&dir).expect("the directory can be made");
    for number in 0..SEEDS {
        std::fs::write(dir.join(format!("seed-{number}")), seed(number)).expect("there is room");
    }
}
