//! The recipes of docs/rules.md, ten rules in one component. Each stands alone in its file.

mod ancestors;
mod burst;
mod config;
mod context;
mod drop_noise;
mod first_seen;
mod flags;
mod name;
mod sequence;
mod set;

ocellus_sdk::rule!(
    name::InterpreterOfDatabase,
    config::ForeignProgram,
    set::UncheckedDownload,
    ancestors::CompilerOnServer,
    flags::FreshRootProgram,
    context::AccountChange,
    drop_noise::HealthCheck,
    burst::SudoFailures,
    sequence::FetchedAndRun,
    first_seen::NewProgram,
);
