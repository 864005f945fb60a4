//! The fuzzers' corpus, and inputs like those that it began with, through the same functions, so
//! that what a fuzzer has found stays fixed. `make fuzz` looks for more.

use std::fs;
use std::path::{Path, PathBuf};

use ocellus_tests::fuzz::TARGETS;

/// Seeds of each target: enough that each setting is met.
const SEEDS: u64 = 64;

fn corpus(target: &str) -> Vec<PathBuf> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let entries = fs::read_dir(&dir).expect("the corpus is in the repository");
    let mut paths: Vec<_> = entries.map(|entry| entry.expect("it can be listed").path()).collect();
    paths.sort();
    paths
}

#[test]
fn the_corpus_finds_nothing() {
    for (target, run, _) in TARGETS {
        let paths = corpus(target);
        assert!(paths.len() > 20, "{target}: the corpus is there");
        for path in paths {
            println!("{}", path.display());
            run(&fs::read(&path).expect("it is readable"));
        }
    }
}

#[test]
fn made_up_histories_find_nothing() {
    for (target, run, seed) in TARGETS {
        for number in 0..SEEDS {
            println!("{target}, seed {number}");
            run(&seed(number));
        }
    }
}
