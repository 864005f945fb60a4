//! A miner of cryptocurrency, by its command line.

#![forbid(unsafe_code)]

use ocellus_sdk::prelude::*;

/// How miners name a pool.
const POOLS: [&str; 6] = [
    "stratum+tcp://",
    "stratum+ssl://",
    "stratum+tls://",
    "stratum2+tcp://",
    "stratum1+tcp://",
    "daemon+http://",
];

/// Options that only miners have.
const OPTIONS: [&str; 7] = [
    "--donate-level",
    "--cpu-max-threads-hint",
    "--randomx-",
    "--coin=monero",
    "--nicehash",
    "--algo=rx/0",
    "--cuda-bfactor",
];

/// Command names of well-known miners.
const MINERS: [&str; 9] = [
    "xmrig",
    "xmr-stak",
    "minerd",
    "cpuminer",
    "ethminer",
    "nbminer",
    "t-rex",
    "lolMiner",
    "kdevtmpfsi",
];

#[derive(Debug, Default)]
pub struct CryptoMiner;

impl Rule for CryptoMiner {
    fn info(&self) -> RuleInfo {
        RuleInfo::new("crypto-miner", "Cryptocurrency miner")
            .description("A program was executed by the name, or with the arguments, of a miner.")
            .version(env!("CARGO_PKG_VERSION"))
            .attack(["T1496"])
            .false_positives(["People who mine on purpose"])
    }

    fn interests(&self) -> Vec<Interest> {
        vec![
            Interest::exec().contains(fields::PROCESS_ARGS, POOLS),
            Interest::exec().prefix(fields::PROCESS_ARGS, OPTIONS),
            Interest::exec().one_of(fields::PROCESS_NAME, MINERS),
        ]
    }

    fn on_event(&mut self, event: &Event) -> Option<Verdict> {
        // People who look for miners have the same words on their command lines.
        let searches = ["grep", "egrep", "rg", "pgrep", "pkill", "killall", "ps", "man", "find"];
        let name = event.process_name()?;
        if searches.contains(&name.as_str()) {
            return None;
        }
        let mines = MINERS.contains(&name.as_str())
            || event.process_args().iter().any(|arg| {
                POOLS.iter().any(|pool| arg.contains(pool))
                    || OPTIONS.iter().any(|option| arg.starts_with(option))
            });
        let message = || format!("{} started a miner: {}", event.who(), event.command());
        mines.then(|| alert(HIGH, message()))
    }
}

ocellus_sdk::rule!(CryptoMiner);
