use ocellus_sdk::prelude::*;

/// A program that was put there minutes ago runs as root, without a terminal.
#[derive(Default)]
pub struct FreshRootProgram;

const MINUTE_NS: u64 = 60_000_000_000;

impl Rule for FreshRootProgram {
    fn info(&self) -> RuleInfo {
        RuleInfo::new("cookbook-flags", "A fresh program runs as root").attack(["T1543"])
    }

    fn interests(&self) -> Vec<Interest> {
        vec![
            Interest::exec()
                .one_of(fields::USER_EFFECTIVE_ID, ["0"])
                .range(fields::PROCESS_INTERACTIVE, 0..=0) // a flag is 0 or 1
                .present(fields::OCELLUS_EXE_CTIME),
        ]
    }

    fn on_event(&mut self, event: &Event) -> Option<Verdict> {
        let by_service = event.user_effective_id().as_deref() == Some("0")
            && event.number(fields::PROCESS_INTERACTIVE) == Some(0);
        // The clock of a rule is the event: times are nanoseconds since the epoch.
        let age = event.timestamp()?.checked_sub(event.ocellus_exe_ctime()?)?;
        let path = event.process_executable()?;
        (by_service && age < 10 * MINUTE_NS && !path.starts_with("/usr/")).then(|| {
            alert(MEDIUM, format!("{path} is {} s old and runs as root", age / 1_000_000_000))
        })
    }
}
