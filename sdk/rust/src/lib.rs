//! Write detection rules for the Ocellus sensor in Rust.
//!
//! A rule is a type that implements [`Rule`], and [`rule!`] makes a component of it:
//!
//! ```
//! use ocellus_sdk::prelude::*;
//!
//! #[derive(Default)]
//! struct Netcat;
//!
//! impl Rule for Netcat {
//!     fn info(&self) -> RuleInfo {
//!         RuleInfo::new("netcat", "Netcat was started").attack(["T1095"])
//!     }
//!     fn interests(&self) -> Vec<Interest> {
//!         vec![Interest::exec().one_of(fields::PROCESS_NAME, ["nc", "ncat"])]
//!     }
//!     fn on_event(&mut self, event: &Event) -> Option<Verdict> {
//!         Some(alert(MEDIUM, format!("netcat: {}", event.process_command_line()?)))
//!     }
//! }
//!
//! ocellus_sdk::rule!(Netcat);
//! ```
//!
//! Say in [`Rule::interests`] which events the rule wants: the sensor evaluates these natively,
//! thirty times faster than it can call a rule. Ask in [`Rule::on_event`] only for the fields that
//! you need: each text is copied into the rule when it is asked for.
//!
//! A rule's logic is tested natively, without a sensor: see [`testing`].

#![forbid(unsafe_code)]
#![warn(missing_docs)]

#[doc(hidden)]
#[allow(missing_docs, clippy::too_many_arguments, reason = "generated, and for `rule!` only")]
pub mod bindings;
mod carry;
mod config;
mod event;
mod export;
mod field;
mod host;
mod info;
mod interest;
pub mod known;
mod log;
#[cfg(any(feature = "batch", not(target_arch = "wasm32")))]
mod packed;
pub mod processes;
mod set;
pub mod state;
#[cfg(not(target_arch = "wasm32"))]
pub mod testing;
mod text;
mod verdict;

pub use carry::Saved;
pub use config::{Config, ConfigError};
pub use event::{Event, base_name};
pub use field::{Field, fields};
pub use info::RuleInfo;
pub use interest::Interest;
pub use log::Level;
pub use set::{Match, Set};
pub use text::Text;
pub use verdict::{Alert, CRITICAL, HIGH, LOW, MEDIUM, Verdict, alert, drop_event, tag};

/// All that a rule usually needs.
pub mod prelude {
    pub use crate::{
        CRITICAL, Config, ConfigError, Event, Field, HIGH, Interest, LOW, MEDIUM, Match, Rule,
        RuleInfo, Saved, Set, Text, Verdict, alert, base_name, drop_event, fields, known,
        processes, state, tag,
    };
}

/// A detection rule. The type must also be `Default`, which makes it before it is configured.
pub trait Rule {
    /// Who the rule is: its id, its title, what it detects.
    fn info(&self) -> RuleInfo;

    /// Which events the rule wants to see: those that one of the interests lets through. Without
    /// any (the default) the rule sees every event, which costs the most.
    fn interests(&self) -> Vec<Interest> {
        Vec::new()
    }

    /// Take the configuration, once, before the first event. A key that no rule of the component
    /// asks for is an error, so that a spelling mistake does not pass in silence.
    fn configure(&mut self, config: &Config) -> Result<(), ConfigError> {
        let _ = config;
        Ok(())
    }

    /// Judge the event. `None` lets it pass.
    fn on_event(&mut self, event: &Event<'_>) -> Option<Verdict>;

    /// What the rule keeps in its fields, for its next version, which comes when the component or
    /// its configuration is replaced. What it keeps in [`state`] needs none of this.
    fn save_state(&self) -> Option<Saved> {
        None
    }

    /// Take over what a version before saved, after `configure` and before the first event. On an
    /// error the component starts without any state, and the log says so.
    fn load_state(&mut self, saved: &Saved) -> Result<(), String> {
        let _ = saved;
        Ok(())
    }
}

/// Make the component: `rule!(MyRule);`, once in a crate. Several rules may share a component:
/// `rule!(ThisRule, ThatRule);`; each is still called only for its own interests.
#[macro_export]
macro_rules! rule {
    ($($rule:ty),+ $(,)?) => {
        const _: () = {
            fn rules() -> ::std::vec::Vec<::std::boxed::Box<dyn $crate::Rule>> {
                ::std::vec![$(
                    ::std::boxed::Box::new(<$rule as ::core::default::Default>::default())
                ),+]
            }

            // Native tests need no exports; naming `rules` there still checks the types.
            #[cfg(not(target_arch = "wasm32"))]
            const _: fn() -> ::std::vec::Vec<::std::boxed::Box<dyn $crate::Rule>> = rules;

            #[cfg(target_arch = "wasm32")]
            struct Component;

            #[cfg(target_arch = "wasm32")]
            impl $crate::__private::Guest for Component {
                fn configure(
                    config: ::std::string::String,
                ) -> ::core::result::Result<$crate::__private::Metadata, ::std::string::String> {
                    $crate::__private::configure(rules(), &config)
                }

                $crate::__judge!();
            }

            #[cfg(target_arch = "wasm32")]
            impl $crate::__private::CarryGuest for Component {
                fn save_state() -> ::core::option::Option<$crate::__private::LoweredSaved> {
                    $crate::__private::save_state()
                }

                fn load_state(
                    saved: $crate::__private::LoweredSaved,
                ) -> ::core::result::Result<(), ::std::string::String> {
                    $crate::__private::load_state(saved)
                }
            }

            #[cfg(target_arch = "wasm32")]
            $crate::__private::export!(Component with_types_in $crate::__private::bindings);
        };
    };
}

/// The function of the world that judges.
#[cfg(feature = "batch")]
#[doc(hidden)]
#[macro_export]
macro_rules! __judge {
    () => {
        fn on_batch(
            batch: $crate::__private::Batch,
        ) -> ::std::vec::Vec<$crate::__private::BatchHit> {
            $crate::__private::on_batch(batch)
        }
    };
}

/// The function of the world that judges.
#[cfg(not(feature = "batch"))]
#[doc(hidden)]
#[macro_export]
macro_rules! __judge {
    () => {
        fn on_event() -> ::std::vec::Vec<$crate::__private::Hit> {
            $crate::__private::on_event()
        }
    };
}

/// For [`rule!`] only.
#[doc(hidden)]
pub mod __private {
    pub use crate::bindings::exports::ocellus::rule::carry::Guest as CarryGuest;
    pub use crate::bindings::{self, Guest, export};
    #[cfg(feature = "batch")]
    pub use crate::export::{Batch, BatchHit, on_batch};
    #[cfg(not(feature = "batch"))]
    pub use crate::export::{Hit, on_event};
    pub use crate::export::{LoweredSaved, Metadata, configure, load_state, save_state};
    pub use crate::log::line;
}
