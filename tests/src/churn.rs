//! Short processes without end through the core: what it holds in memory must not grow with how
//! many there have been.

use ocellus::input::{
    ContainerAnswer, ContainerInfo, Digests, HashResult, HashStatus, Input, NameAnswers,
};
use ocellus::machine::{Sensor, Settings};
use ocellus::rules::RuleSet;

use crate::workload::{Proc, preamble};

/// Between two processes: 1,000 a second, so that 10,000 of them outlast every grace time.
const STEP_NS: u64 = 1_000_000;

/// How long a process lives.
const LIFE_NS: u64 = 20 * STEP_NS;

/// Processes of one container; the next one has a new id.
const PROCESSES_PER_CONTAINER: u64 = 5;

/// A core and the history that it is in.
#[derive(Debug)]
pub struct Churn {
    sensor: Sensor,
    processes: u64,
    events: u64,
}

impl Default for Churn {
    fn default() -> Churn {
        let mut sensor = Sensor::new(&Settings::default(), RuleSet::new());
        let mut out = Vec::new();
        for input in preamble() {
            sensor.feed(&input, 0, &mut out);
        }
        sensor.feed_raw(&Proc::INIT.existing(0, "/sbin/init"), 0, &mut out);
        Churn { sensor, processes: 0, events: 0 }
    }
}

impl Churn {
    /// Goes on until so many processes have lived. Each executes a file that nobody has executed
    /// before, and has arguments of its own: nothing that is remembered is of use again.
    pub fn run_until(&mut self, processes: u64) {
        let mut out = Vec::new();
        while self.processes < processes {
            let number = self.processes;
            self.processes += 1;
            let now_ns = 1_000_000_000 + number * STEP_NS;
            let child = Proc::INIT.child(2 + (number % 30_000) as u32, now_ns);
            let exe = format!("/srv/build/object-{number}");
            let cgroup = format!("/docker/{:064x}", number / PROCESSES_PER_CONTAINER);
            self.sensor.feed_raw(&child.fork_in(now_ns, "init", &cgroup), now_ns, &mut out);
            let argument = format!("--number={number}");
            self.sensor.feed_raw(
                &child.exec(now_ns + 1, &exe, &[&exe, &argument]),
                now_ns,
                &mut out,
            );
            if let Some(ended) = number.checked_sub(LIFE_NS / STEP_NS) {
                let start_ns = 1_000_000_000 + ended * STEP_NS;
                let child = Proc::INIT.child(2 + (ended % 30_000) as u32, start_ns);
                self.sensor.feed_raw(&child.exit(now_ns, "object", 0), now_ns, &mut out);
            }
            self.answer(now_ns);
            self.sensor.step(now_ns, &mut out);
            self.events += out.len() as u64;
            out.clear();
        }
        let counters = self.sensor.counters();
        assert_eq!(counters.unaccounted(), 0, "{counters}");
        assert_eq!(counters.lost_total(), 0, "{counters}");
    }

    /// All that the core asks for.
    fn answer(&mut self, now_ns: u64) {
        let mut answers = Vec::new();
        for request in self.sensor.take_hash_requests() {
            let digests = Digests { sha256: Some("ab".repeat(32)), ..Digests::default() };
            let result =
                HashResult { id: request.id, status: HashStatus::Ok, digests, detail: None };
            answers.push(Input::Hash(result));
        }
        for request in self.sensor.take_container_requests() {
            let name = Some(format!("name-{}", request.id));
            let about = Some(ContainerInfo { name, ..ContainerInfo::default() });
            let id = request.id.as_ref().to_owned();
            answers.push(Input::Container(ContainerAnswer { id, about }));
        }
        let questions = self.sensor.take_questions();
        let users = questions.users.iter().map(|id| (*id, None)).collect();
        let groups = questions.groups.iter().map(|id| (*id, None)).collect();
        answers.push(Input::MoreNames(NameAnswers { users, groups }));
        for answer in answers {
            self.sensor.feed(&answer, now_ns, &mut Vec::new());
        }
    }

    /// Events that came out.
    pub fn events(&self) -> u64 {
        self.events
    }
}
