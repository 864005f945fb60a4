//! The thread that keeps the directory of the last good rules like the bucket.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use super::report::{HostReport, Refused, now_s};
use super::store::{Kept, StoreError};
use super::{Prepared, Shared, Store, buckets};
use crate::config::RuleBucket;
use crate::digest::hasher::sha256;
use crate::error_chain::ErrorChain;
use crate::nats::Servers;
use crate::nats::bucket::{Keys, ObjectError, ObjectInfo, Objects, key_of};
use crate::nats::client::{Client, NatsError};
use crate::net::backoff::Backoff;
use crate::rules::budget::{COMPONENT_BYTES_MAX, COMPONENTS_MAX};
use crate::rules::signature::{NotVouched, SIGNATURE_BYTES_MAX};
use crate::rules::{Change, Directory, LoadError, Loader, Refusal, check_name, printable};

/// A header of an object with the signature of a component, as its `.minisig` file has it.
pub(super) const SIGNATURE_HEADER: &str = "Minisig";
/// Ends the names of objects that are components, and of those that are their signatures.
pub(super) const COMPONENT_SUFFIX: &str = ".wasm";
pub(super) const SIGNATURE_SUFFIX: &str = ".wasm.minisig";

/// So many objects are looked at, the first by name: of four times the components that can be in
/// force, with a signature each, so that each of the others is refused and not just ignored.
const OBJECTS_MAX: usize = 8 * COMPONENTS_MAX;
/// How long nothing may come before what came is taken: an object and its signature come together.
const QUIET: Duration = Duration::from_millis(20);
/// It is taken after so long even if more keeps coming.
const BUSY: Duration = Duration::from_millis(500);
/// Between two looks at what the event loop has to say.
const TICK: Duration = Duration::from_millis(250);
/// A host says what it runs when that changes, and each so often that it is there.
const REPORT_INTERVAL: Duration = Duration::from_secs(60);
/// After a failure of the disk.
const DISK_PAUSE: Duration = Duration::from_secs(10);

/// A component that the bucket has.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Wanted {
    wasm: ObjectInfo,
    signature: Option<Signature>,
}

/// Where a signature is.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Signature {
    Header(String),
    Object(ObjectInfo),
}

impl Wanted {
    fn is(&self, kept: &Kept) -> bool {
        let same = match (&self.signature, &kept.signature) {
            (None, None) => true,
            (Some(Signature::Header(text)), Some(kept)) => text.as_bytes() == kept,
            (Some(Signature::Object(info)), Some(kept)) => info.sha256() == Some(sha256(kept)),
            _ => false,
        };
        same && self.wasm.sha256() == Some(kept.sha256)
    }
}

/// Why a component was not taken.
#[derive(Debug)]
enum Trouble {
    Refused(Refusal),
    /// It is replaced just now.
    Gone,
    Nats(NatsError),
    Store(StoreError),
}

/// What the bucket has, and what became of it here.
pub(super) struct Source {
    servers: Servers,
    objects: Objects,
    keys: Keys,
    key: String,
    host: String,
    create: bool,
    bytes_max: u64,
    directory: Directory,
    loader: Loader,
    store: Store,
    shared: Arc<Shared>,
    /// Components and signatures in the bucket, by the names of their objects.
    known: BTreeMap<String, ObjectInfo>,
    /// When something came that was not taken yet.
    changed: Option<Instant>,
    /// Nothing is taken before this, since the disk failed.
    pause: Option<Instant>,
    /// Components that were refused as they are in the bucket, and why.
    refused: BTreeMap<String, (Wanted, String)>,
    /// Components whose pieces were gone.
    gone: BTreeMap<String, Wanted>,
    /// What was last said to the bucket of hosts, and when.
    reported: Option<(HostReport, Instant)>,
}

impl Source {
    pub(super) fn new(
        settings: &RuleBucket,
        host: &str,
        prepared: Prepared,
        directory: Directory,
        loader: Loader,
        shared: Arc<Shared>,
    ) -> Source {
        let (objects, keys) = buckets(settings);
        Source {
            servers: prepared.servers,
            objects,
            keys,
            key: key_of(host),
            host: host.to_owned(),
            create: settings.create,
            bytes_max: settings.max_size.0,
            directory,
            loader,
            store: prepared.store,
            shared,
            known: BTreeMap::new(),
            changed: None,
            pause: None,
            refused: BTreeMap::new(),
            gone: BTreeMap::new(),
            reported: None,
        }
    }

    /// Follows the bucket until nobody wants that any more.
    pub(super) fn run(mut self, tell: &dyn Fn(Change) -> bool) {
        let mut backoff = Backoff::default();
        self.count_kept();
        while !self.shared.is_stopped() {
            let Err(error) = self.follow(tell, &mut backoff) else { return };
            let lost = self.lost(&error);
            let wait = backoff.next();
            if lost {
                tracing::warn!(
                    "no rules come from the fleet's bucket: {error}; what is in force stays"
                );
            } else {
                tracing::debug!("no rules come from the fleet's bucket: {error}");
            }
            let until = Instant::now() + wait;
            while Instant::now() < until && !self.shared.is_stopped() {
                thread::sleep(TICK.min(until.saturating_duration_since(Instant::now())));
            }
        }
    }

    /// Remembers that there is no connection. True when there was one, or it is the first that
    /// failed.
    fn lost(&mut self, error: &NatsError) -> bool {
        let mut state = self.shared.state();
        let status = &mut state.status;
        let is_first = std::mem::replace(&mut status.connected, false) || status.failures == 0;
        status.failures += 1;
        status.problem = Some(ErrorChain(error).to_string());
        is_first
    }

    /// Follows the bucket over one connection. Ends well when nobody wants that any more.
    fn follow(
        &mut self,
        tell: &dyn Fn(Change) -> bool,
        backoff: &mut Backoff,
    ) -> Result<(), NatsError> {
        let mut client = Client::connect(&self.servers)?;
        if self.create {
            self.objects.create(&mut client)?;
            self.keys.create(&mut client)?;
        }
        let mut watch = self.objects.watch(&mut client)?;
        backoff.reset();
        self.known.clear();
        // What is there may be nothing, and that is news too.
        self.changed = Some(Instant::now());
        self.reported = None;
        self.connected();
        while !self.shared.is_stopped() {
            self.take_settings();
            let wait = if self.changed.is_some() { QUIET } else { TICK };
            let message = watch.next(&mut client, wait)?;
            let is_quiet = message.is_none();
            if let Some(info) = message.as_ref().and_then(Objects::info) {
                self.note(info);
            }
            if !watch.is_caught_up() {
                continue;
            }
            let is_due = self.changed.is_some_and(|since| is_quiet || since.elapsed() >= BUSY);
            if is_due && self.pause.is_none_or(|until| Instant::now() >= until) {
                self.changed = None;
                if !self.take_all(&mut client, tell)? {
                    return Ok(());
                }
            }
            self.report(&mut client)?;
        }
        Ok(())
    }

    fn connected(&self) {
        let mut state = self.shared.state();
        state.status.connected = true;
        state.status.problem = None;
        tracing::info!("the rules of the fleet come from the bucket {}", state.status.bucket);
    }

    fn take_settings(&mut self) {
        let Some(settings) = self.shared.state().settings.take() else { return };
        self.loader = self.loader.clone().with_operator(settings);
        self.refused.clear();
        self.changed.get_or_insert_with(Instant::now);
    }

    /// Remembers what the bucket says of an object.
    fn note(&mut self, info: ObjectInfo) {
        if !info.name.ends_with(COMPONENT_SUFFIX) && !info.name.ends_with(SIGNATURE_SUFFIX) {
            return;
        }
        self.changed.get_or_insert_with(Instant::now);
        if info.deleted {
            self.known.remove(&info.name);
            return;
        }
        self.known.insert(info.name.clone(), info);
        if self.known.len() > OBJECTS_MAX {
            self.known.pop_last();
        }
    }

    /// The components that the bucket has, by name.
    fn wanted(&self) -> BTreeMap<String, Wanted> {
        let components = self.known.values().filter_map(|wasm| {
            let name = wasm.name.strip_suffix(COMPONENT_SUFFIX)?;
            let header = wasm.header(SIGNATURE_HEADER);
            let beside = || self.known.get(&format!("{name}{SIGNATURE_SUFFIX}"));
            let signature = match header {
                Some(text) => Some(Signature::Header(text.to_owned())),
                None => beside().map(|info| Signature::Object(info.clone())),
            };
            Some((name.to_owned(), Wanted { wasm: wasm.clone(), signature }))
        });
        components.collect()
    }

    /// Makes the directory like the bucket. False when nobody hears of it any more.
    fn take_all(
        &mut self,
        client: &mut Client,
        tell: &dyn Fn(Change) -> bool,
    ) -> Result<bool, NatsError> {
        let wanted = self.wanted();
        self.pause = None;
        self.refused.retain(|name, _| wanted.contains_key(name));
        self.gone.retain(|name, _| wanted.contains_key(name));
        for name in self.store.names().iter().filter(|name| !wanted.contains_key(*name)) {
            if let Err(error) = self.store.remove(name) {
                self.disk_failed(&error);
            }
        }
        for (position, (name, wanted)) in wanted.iter().enumerate() {
            let is_kept = self.store.get(name).is_some_and(|kept| wanted.is(kept));
            if is_kept {
                self.refused.remove(name);
            }
            if is_kept || self.refused.get(name).is_some_and(|(before, _)| before == wanted) {
                continue;
            }
            match self.take(client, name, wanted, position) {
                Ok(()) => {
                    self.refused.remove(name);
                    self.shared.state().status.taken += 1;
                }
                Err(Trouble::Refused(reason)) => {
                    self.refused.insert(name.clone(), (wanted.clone(), reason.to_string()));
                    if !tell(Change::Refused { name: printable(name), reason }) {
                        return Ok(false);
                    }
                }
                Err(Trouble::Gone) => {
                    self.gone.insert(name.clone(), wanted.clone());
                    self.changed = Some(Instant::now());
                }
                Err(Trouble::Store(error)) => self.disk_failed(&error),
                Err(Trouble::Nats(error)) => return Err(error),
            }
        }
        self.count_kept();
        self.shared.state().status.rules = wanted.len() as u64;
        Ok(true)
    }

    fn count_kept(&self) {
        let mut state = self.shared.state();
        state.status.refused = self.refused.len() as u64;
        state.status.kept_bytes = self.store.bytes_without("");
    }

    /// Tries again in a while.
    fn disk_failed(&mut self, error: &StoreError) {
        let why = ErrorChain(error).to_string();
        tracing::warn!("{why}");
        self.shared.state().status.problem = Some(why);
        self.changed = Some(Instant::now());
        self.pause = Some(Instant::now() + DISK_PAUSE);
    }

    /// Gets a component and keeps it, if a directory of rules would take it.
    fn take(
        &mut self,
        client: &mut Client,
        name: &str,
        wanted: &Wanted,
        position: usize,
    ) -> Result<(), Trouble> {
        check_name(name).map_err(Trouble::Refused)?;
        if position >= COMPONENTS_MAX {
            return Err(Trouble::Refused(Refusal::TooMany));
        }
        if wanted.wasm.size > COMPONENT_BYTES_MAX {
            return Err(Trouble::Refused(LoadError::TooLarge.into()));
        }
        if self.store.bytes_without(name) + wanted.wasm.size > self.bytes_max {
            let what = "with the others it has more bytes than `rules.nats.max_size` allows";
            return Err(Trouble::Refused(Refusal::Object(what.to_owned())));
        }
        let signature = self.signature(client, name, wanted)?;
        let kept = self.store.get(name).filter(|kept| wanted.wasm.sha256() == Some(kept.sha256));
        let wasm = match kept.and_then(|_| self.store.read(name)) {
            Some(wasm) => wasm,
            None => self.get(client, &wanted.wasm, name, wanted)?,
        };
        let judged = self.directory.judge(name, &wasm, signature.as_deref(), &self.loader);
        judged.map_err(Trouble::Refused)?;
        self.store.put(name, &wasm, signature.as_deref()).map_err(Trouble::Store)
    }

    fn signature(
        &self,
        client: &mut Client,
        name: &str,
        wanted: &Wanted,
    ) -> Result<Option<Vec<u8>>, Trouble> {
        let info = match &wanted.signature {
            None => return Ok(None),
            Some(Signature::Header(text)) => return Ok(Some(text.clone().into_bytes())),
            Some(Signature::Object(info)) => info,
        };
        if info.size > SIGNATURE_BYTES_MAX {
            let reason = NotVouched::Malformed("it is too long".to_owned());
            return Err(Trouble::Refused(reason.into()));
        }
        self.get(client, info, name, wanted).map(Some)
    }

    /// The bytes of an object. Pieces that are not there are looked for once more: where they were
    /// replaced, the bucket is about to say so.
    fn get(
        &self,
        client: &mut Client,
        info: &ObjectInfo,
        name: &str,
        wanted: &Wanted,
    ) -> Result<Vec<u8>, Trouble> {
        self.objects.get(client, info).map_err(|error| match error {
            ObjectError::Nats(error) => Trouble::Nats(error),
            ObjectError::Gone if self.gone.get(name) != Some(wanted) => Trouble::Gone,
            other => Trouble::Refused(Refusal::Object(other.to_string())),
        })
    }

    /// Says what this host runs, when that has changed or was said long ago.
    fn report(&mut self, client: &mut Client) -> Result<(), NatsError> {
        let (generation, components) = self.shared.state().running.clone();
        let refused = self.refused.iter().map(|(name, (_, why))| Refused::new(name, why));
        let refused = refused.collect();
        let report = HostReport::new(&self.host, generation, components, refused);
        let is_told = self
            .reported
            .as_ref()
            .is_some_and(|(before, when)| *before == report && when.elapsed() < REPORT_INTERVAL);
        if is_told {
            return Ok(());
        }
        self.reported = Some((report.clone(), Instant::now()));
        let report = HostReport { time_s: now_s(), ..report };
        let text = serde_json::to_vec(&report).map_err(std::io::Error::other)?;
        match self.keys.put(client, &self.key, &text) {
            Ok(()) => {
                let mut state = self.shared.state();
                state.status.reports += 1;
                if self.pause.is_none() {
                    state.status.problem = None;
                }
            }
            Err(error @ (NatsError::Nobody { .. } | NatsError::Refused { .. })) => {
                let why = format!("cannot say what this host runs: {error}");
                tracing::warn!("{why}");
                self.shared.state().status.problem = Some(why);
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }
}
