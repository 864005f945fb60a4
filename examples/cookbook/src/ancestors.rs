use ocellus_sdk::prelude::*;

const COMPILERS: [&str; 5] = ["gcc", "cc1", "clang", "as", "ld"];
static SERVERS: Set = Set::of(known::NETWORK_SERVICES);
static PACKAGES: Set = Set::of(known::PACKAGE_MANAGERS);

/// A compiler runs somewhere below a network service.
#[derive(Default)]
pub struct CompilerOnServer;

impl Rule for CompilerOnServer {
    fn info(&self) -> RuleInfo {
        RuleInfo::new("cookbook-ancestors", "A compiler runs below a network service")
            .attack(["T1027.004"])
            .false_positives(["Services that build extensions of their own"])
    }

    fn interests(&self) -> Vec<Interest> {
        vec![Interest::exec().one_of(fields::PROCESS_NAME, COMPILERS)]
    }

    fn on_event(&mut self, event: &Event) -> Option<Verdict> {
        if !COMPILERS.contains(&event.process_name()?.as_str()) {
            return None;
        }
        // The parent, its parent, and so on; the sensor keeps eight of them.
        if !event.has_ancestor(&SERVERS) || event.has_ancestor(&PACKAGES) {
            return None;
        }
        let ancestors = event.ocellus_ancestors_name().join(" ← ");
        Some(alert(HIGH, format!("{} ← {ancestors}", event.command())))
    }
}
