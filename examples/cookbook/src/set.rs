use ocellus_sdk::prelude::*;

const DOWNLOADERS: [&str; 2] = ["curl", "wget"];
static UNCHECKED: Set = Set::of(&["-k", "--insecure", "--no-check-certificate"]);

/// A download that does not check who it talks to, by root.
#[derive(Default)]
pub struct UncheckedDownload;

impl Rule for UncheckedDownload {
    fn info(&self) -> RuleInfo {
        RuleInfo::new("cookbook-set", "Root downloads without checking the certificate")
            .attack(["T1105"])
    }

    fn interests(&self) -> Vec<Interest> {
        vec![
            Interest::exec()
                .one_of(fields::PROCESS_NAME, DOWNLOADERS)
                .one_of(fields::USER_EFFECTIVE_ID, ["0"]),
        ]
    }

    fn on_event(&mut self, event: &Event) -> Option<Verdict> {
        let by_root = DOWNLOADERS.contains(&event.process_name()?.as_str())
            && event.user_effective_id().as_deref() == Some("0");
        // Compared inside the sensor: no argument is copied into the rule.
        let unchecked = by_root && event.test(fields::PROCESS_ARGS, Match::OneOf, &UNCHECKED);
        unchecked.then(|| alert(LOW, event.command()).with_tag("unchecked-download"))
    }
}
