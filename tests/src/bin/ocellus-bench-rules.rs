//! `make bench-rules`: what a rule costs, by how it is called and how many there are, and how long
//! it takes until a changed rule judges. With an argument, only the lines that have it in them, and
//! with another, only for so many rules: for a profile.

use std::fs;
use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use nix::time::{ClockId, clock_gettime};
use ocellus::event::{Event, Field};
use ocellus::machine::Settings;
use ocellus::replay::replay;
use ocellus::rules::budget::BATCH_EVENTS_MAX;
use ocellus::rules::{
    Cache, Change, Directory, Events, Loader, Metering, RuleEngine, RuleSet, Watcher,
};
use ocellus_tests::golden;
use ocellus_tests::guest::{Guest, Term};
use ocellus_tests::prebuilt::{Shelf, root};
use tokio::sync::mpsc;

/// Rounds of each measurement; the median counts.
const ROUNDS: usize = 15;
/// Events of a round.
const EVENTS: usize = 64 * 64;
/// How many rules there are.
const COUNTS: [usize; 4] = [1, 10, 50, 150];
/// Swaps of each kind.
const SWAPS: usize = 40;
const SWAPS_COLD_JS: usize = 8;

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    let batches = sample()?;
    let cache = &tempfile::tempdir()?;
    let sets = |count, make: &dyn Fn(usize) -> (Vec<u8>, String)| sets(cache.path(), count, make);
    println!("{EVENTS} events of examples/sample.ocellus, median of {ROUNDS} rounds");
    println!("nanoseconds for an event and a rule\n");
    println!("{:<44}{:>9}{:>9}{:>9}{:>9}", "rules", 1, 10, 50, 150);
    line("no rules", |_| sets(0, &|_| Default::default()), &batches)?;
    line("native closure", |count| Ok(natives(count)), &batches)?;
    for (world, batched) in [("rule", false), ("batch-rule", true)] {
        let name = format!("empty call, world {world}");
        line(&name, |count| sets(count, &|n| (empty(n, batched, None), String::new())), &batches)?;
    }
    for world in ["rule", "batch"] {
        let wasm = fs::read(Shelf::Guests.dist().join(format!("bench-{world}.wasm")))?;
        for prefilter in [false, true] {
            let how = if prefilter { "with interests" } else { "every event" };
            let config = |n: usize| format!("id = 'bench-{n}'\nprefilter = {prefilter}");
            let name = format!("shell from a server, {world}, {how}");
            line(&name, |count| sets(count, &|n| (wasm.clone(), config(n))), &batches)?;
        }
    }
    let apart = |n: usize| {
        let texts = vec![format!("nothing-{n}")];
        let term = Term { field: "process.name".into(), how: 0, texts };
        (empty(n, false, Some(term)), String::new())
    };
    line("not a candidate, each rule another name", |count| sets(count, &apart), &batches)?;
    if std::env::args().nth(1).is_none_or(|wanted| wanted == "shipped") {
        shipped(&batches)?;
    }
    if std::env::args().len() > 1 {
        return Ok(());
    }
    languages()?;
    swaps()
}

/// Something that judges all events.
type Judge = Box<dyn FnMut(&Events)>;

fn line(
    name: &str,
    make: impl Fn(usize) -> Result<Judge, Failure>,
    batches: &[Events],
) -> Result<(), Failure> {
    if std::env::args().nth(1).is_some_and(|wanted| !name.contains(&wanted)) {
        return Ok(());
    }
    print!("{name:<44}");
    let only = std::env::args().nth(2).and_then(|count| count.parse().ok());
    for count in COUNTS.into_iter().filter(|count| only.is_none_or(|only: usize| only == *count)) {
        let mut judge = make(count)?;
        let total = median(batches, &mut judge);
        print!("{:>9.1}", total / (EVENTS * count) as f64);
    }
    println!();
    Ok(())
}

/// Median time of a round, in ns: that of this thread, since the machine may have other work.
fn median(batches: &[Events], judge: &mut dyn FnMut(&Events)) -> f64 {
    let mut rounds: Vec<f64> = (0..=ROUNDS)
        .map(|_| {
            let began = thread_time();
            for events in batches {
                judge(black_box(events));
            }
            (thread_time() - began).as_nanos() as f64
        })
        .skip(1)
        .collect();
    rounds.sort_by(f64::total_cmp);
    rounds[ROUNDS / 2]
}

/// Processor time of this thread.
fn thread_time() -> Duration {
    let now = clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID);
    now.map_or(Duration::ZERO, Duration::from)
}

/// The recording's events, again and again, in full batches.
fn sample() -> Result<Vec<Events>, Failure> {
    let mut events = Vec::new();
    let path = root().join("examples/sample.ocellus");
    replay(&path, &Settings::default(), RuleSet::new(), |event| {
        events.push(event);
        true
    })?;
    let all: Vec<Arc<Event>> = events.into_iter().cycle().take(EVENTS).collect();
    Ok(all.chunks(BATCH_EVENTS_MAX).map(|batch| Arc::new(batch.to_vec())).collect())
}

fn natives(count: usize) -> Judge {
    let mut all: Vec<_> = (0..count).map(|_| native()).collect();
    Box::new(move |events| all.iter_mut().for_each(|one| one(events)))
}

/// What the measured rule does, in native code: the least that it can cost.
fn native() -> impl FnMut(&Events) {
    let shells = ["sh", "bash", "dash", "zsh", "ash"];
    let servers = ["nginx", "apache2", "httpd", "php-fpm"];
    move |events: &Events| {
        for event in events.iter() {
            let is = |field, texts: &[&str]| event.text(field).is_some_and(|t| texts.contains(&t));
            let found = is(Field::PROCESS_NAME, &shells)
                && is(Field::PROCESS_PARENT_NAME, &servers)
                && event.texts(Field::PROCESS_ARGS).is_some_and(|args| {
                    args.iter().any(|arg| arg == "-i" || arg.contains("/dev/tcp/"))
                });
            black_box(found);
        }
    }
}

/// A set of so many components, of which each is made by number.
fn sets(
    cache: &Path,
    count: usize,
    make: &dyn Fn(usize) -> (Vec<u8>, String),
) -> Result<Judge, Failure> {
    let loader = Loader::new(RuleEngine::new(Metering::Epoch)?).with_cache(Cache::open(cache)?);
    let mut set = RuleSet::new();
    for number in 0..count {
        let (wasm, config) = make(number);
        set.install(loader.load(&format!("rule-{number}"), &wasm, &config)?)?;
    }
    Ok(Box::new(move |events| drop(black_box(set.judge_all(events, 0, &mut None)))))
}

/// A rule that says nothing.
fn empty(number: usize, batched: bool, term: Option<Term>) -> Vec<u8> {
    let guest = Guest::new(&format!("empty-{number}"));
    let guest = match term {
        Some(term) => guest.interest(&[], &[term]),
        None => guest,
    };
    if batched { guest.in_batches().build() } else { guest.build() }
}

/// All shipped rules together, with their own interests, and four times as many that want nothing.
fn shipped(batches: &[Events]) -> Result<(), Failure> {
    let loader = Loader::new(RuleEngine::new(Metering::Epoch)?);
    let mut set = RuleSet::new();
    for guest in Shelf::Rules.guests()? {
        set.install(loader.load(&guest.name, &fs::read(guest.component())?, "")?)?;
    }
    let own = set.stats().len();
    for number in own..50 {
        let term = Term {
            field: "process.name".into(),
            how: 0,
            texts: vec![format!("program-{number}"), format!("other-{number}")],
        };
        let wasm = empty(number, true, Some(term));
        set.install(loader.load(&format!("rule-{number}"), &wasm, "")?)?;
    }
    let mut judge: Judge =
        Box::new(move |events| drop(black_box(set.judge_all(events, 0, &mut None))));
    let total = median(batches, &mut judge);
    println!(
        "\n50 rules with interests, {own} of them the shipped ones: {:.0} ns for an event",
        total / EVENTS as f64
    );
    Ok(())
}

/// What one set of rules costs in each language, on the events of the golden recording.
fn languages() -> Result<(), Failure> {
    println!("\nthe golden rules, which say the same in each language: for an event");
    println!("{:<44}{:>9}{:>9}{:>9}{:>9}", "", "ns", "fuel", "KiB file", "KiB held");
    let events: Vec<Arc<Event>> = golden::recording().into_iter().take(EVENTS).collect();
    let batches: Vec<Events> =
        events.chunks(BATCH_EVENTS_MAX).map(|batch| Arc::new(batch.to_vec())).collect();
    for language in golden::LANGUAGES {
        let wasm = golden::xz(&fs::read(golden::kept(language))?, true);
        let load = |metering| -> Result<RuleSet, Failure> {
            let mut set = RuleSet::new();
            set.install(Loader::new(RuleEngine::new(metering)?).load(language, &wasm, "")?)?;
            Ok(set)
        };
        let (mut timed, mut counted) = (load(Metering::Epoch)?, load(Metering::Fuel)?);
        let ns = median(&batches, &mut |events| {
            black_box(timed.judge_all(events, 0, &mut None));
        });
        for events in &batches {
            counted.judge_all(events, 0, &mut None);
        }
        let [stats] = &counted.stats()[..] else { return Err("one component".into()) };
        let counters = &stats.counters;
        println!(
            "{language:<44}{:>9.0}{:>9}{:>9}{:>9}",
            ns / events.len() as f64,
            counters.fuel / counters.candidates,
            wasm.len() >> 10,
            stats.memory_bytes >> 10,
        );
    }
    Ok(())
}

/// From the rename of a file to the first event that its rule judges.
fn swaps() -> Result<(), Failure> {
    println!(
        "\nmilliseconds from a rename to the first event judged, of which 50 are the watcher's"
    );
    println!("wait for files that come together\n{:<44}{:>9}{:>9}", "", "p50", "p99");
    let rust = fs::read(Shelf::Rules.dist().join("reverse-shell.wasm"))?;
    let js = fs::read(Shelf::Examples.dist().join("rule-js.wasm"))?;
    for (name, wasm, cold, count) in [
        ("Rust rule, cold", &rust, true, SWAPS),
        ("Rust rule, cached", &rust, false, SWAPS),
        ("JavaScript rule, cold", &js, true, SWAPS_COLD_JS),
        ("JavaScript rule, cached", &js, false, SWAPS),
    ] {
        let mut times = swap_times(wasm, cold, count)?;
        times.sort();
        let at = |percent: usize| times[(times.len() * percent).div_ceil(100) - 1];
        let ms = |time: Duration| time.as_secs_f64() * 1e3;
        println!("{name:<44}{:>9.1}{:>9.1}", ms(at(50)), ms(at(99)));
    }
    Ok(())
}

fn swap_times(wasm: &[u8], cold: bool, count: usize) -> Result<Vec<Duration>, Failure> {
    let (rules, cache) = (tempfile::tempdir()?, tempfile::tempdir()?);
    let loader =
        Loader::new(RuleEngine::new(Metering::Epoch)?).with_cache(Cache::open(cache.path())?);
    let mut set = RuleSet::new();
    put(rules.path(), wasm)?;
    let mut directory = Directory::open(rules.path())?;
    for change in directory.load_all(&loader)? {
        set.apply(change);
    }
    let (sender, mut changes) = mpsc::channel(1);
    let _watcher = Watcher::start(directory, loader, sender)?;
    let mut times = Vec::with_capacity(count);
    for number in 0..count {
        let mut version = wasm.to_vec();
        if cold {
            // A custom section: another file, the same code.
            version.extend([0, 8, 3, b'p', b'a', b'd']);
            version.extend((number as u32).to_le_bytes());
        }
        let began = put(rules.path(), &version)?;
        match changes.blocking_recv() {
            Some(Change::Install(prepared)) => set.install(*prepared)?,
            other => return Err(format!("the rule was not taken: {other:?}").into()),
        }
        black_box(set.judge(&Arc::new(Event::default()), 0));
        times.push(began.elapsed());
    }
    Ok(times)
}

/// Write beside, then rename; gives when it was renamed.
fn put(directory: &Path, wasm: &[u8]) -> Result<Instant, Failure> {
    let part = directory.join(".part");
    fs::write(&part, wasm)?;
    let began = Instant::now();
    fs::rename(part, directory.join("rule.wasm"))?;
    Ok(began)
}
