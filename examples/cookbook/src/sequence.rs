use std::time::Duration;

use ocellus_sdk::prelude::*;

const WINDOW: Duration = Duration::from_secs(300);
/// Where the last step's program may lie: not where packages bring theirs.
const FOLDERS: [&str; 5] = ["/tmp/", "/var/tmp/", "/dev/shm/", "/home/", "/root/"];

/// One session fetches a file, makes it executable and runs it.
#[derive(Default)]
pub struct FetchedAndRun;

impl Rule for FetchedAndRun {
    fn info(&self) -> RuleInfo {
        RuleInfo::new("cookbook-sequence", "A file was fetched, made executable and run")
            .attack(["T1105", "T1222.002"])
    }

    fn interests(&self) -> Vec<Interest> {
        vec![
            Interest::exec().one_of(fields::PROCESS_NAME, ["curl", "wget", "chmod"]),
            Interest::exec().prefix(fields::PROCESS_EXECUTABLE, FOLDERS),
        ]
    }

    fn on_event(&mut self, event: &Event) -> Option<Verdict> {
        // Processes that one shell started one after the other share it as their parent.
        let parent = event.process_parent_entity_id()?;
        let key = format!("sequence {parent}");
        let step = state::count(&key);
        let path = event.process_executable()?;
        let is_foreign = FOLDERS.iter().any(|folder| path.starts_with(folder));
        match (event.process_name()?.as_str(), step) {
            ("curl" | "wget", _) => state::set(&key, 1_u64.to_le_bytes(), WINDOW),
            ("chmod", 1) => state::set(&key, 2_u64.to_le_bytes(), WINDOW),
            ("chmod", _) => {}
            (_, 2) if is_foreign => {
                state::remove(&key);
                let what = event.command();
                return Some(alert(HIGH, format!("{} fetched and ran {what}", event.who())));
            }
            _ => {}
        }
        None
    }
}
