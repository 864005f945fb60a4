use ocellus_sdk::prelude::*;

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
                .one_of(fields::PROCESS_NAME, ["curl", "wget"])
                .one_of(fields::USER_EFFECTIVE_ID, ["0"]),
        ]
    }

    fn on_event(&mut self, event: &Event) -> Option<Verdict> {
        // Compared inside the sensor: no argument is copied into the rule.
        let unchecked = event.test(fields::PROCESS_ARGS, Match::OneOf, &UNCHECKED);
        unchecked.then(|| alert(LOW, event.command()).with_tag("unchecked-download"))
    }
}
