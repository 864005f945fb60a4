//! What is known of containers beside their ids, and which to ask about.
//!
//! Part of the machine: it reads no clock and no file. Nobody waits for an answer: a raw event is
//! held for a while anyway, and an answer that comes later is for the next events.

use std::num::NonZeroUsize;
use std::sync::Arc;

use lru::LruCache;
use rustc_hash::FxBuildHasher;

use super::{is_id, of_cgroup};
use crate::event::{Event, Field, Texts, Value};
use crate::input::{ContainerAnswer, ContainerInfo, ContainerRequest};

/// Containers that are remembered: several times what a host runs at a time.
const CONTAINERS_MAX: NonZeroUsize = NonZeroUsize::new(1_024).expect("it is not zero");

/// Requests that wait for the rim to fetch them at most; further ones are made when the container
/// turns up again.
const REQUESTS_MAX: usize = 256;

/// How long nobody asks again about a container of which no file told. Its runtime may be about to
/// write that.
const RETRY_NS: u64 = 10_000_000_000;

/// How old an answer gets: a container may be renamed.
const REFRESH_NS: u64 = 300_000_000_000;

/// Containers by id.
#[derive(Debug)]
pub struct Containers {
    known: LruCache<Arc<str>, Known, FxBuildHasher>,
    requests: Vec<ContainerRequest>,
    /// The last cgroup path that was looked at, and until when there is nothing to do about it:
    /// most raw events in a row are of one cgroup.
    last: Option<(Arc<str>, u64)>,
}

#[derive(Debug)]
struct Known {
    about: Option<Arc<About>>,
    /// When to ask again.
    again_ns: u64,
}

/// What events say about a container.
#[derive(Debug, PartialEq, Eq)]
pub struct About {
    name: Option<Arc<str>>,
    image: Image,
    namespace: Option<Arc<str>>,
    pod: Option<Arc<str>>,
    pod_uid: Option<Arc<str>>,
}

/// A reference to an image, taken apart: `NAME[:TAG][@DIGEST]`.
#[derive(Debug, Default, PartialEq, Eq)]
struct Image {
    name: Option<Arc<str>>,
    tag: Option<Texts>,
    digest: Option<Texts>,
}

impl Default for Containers {
    fn default() -> Containers {
        Containers {
            known: LruCache::with_hasher(CONTAINERS_MAX, FxBuildHasher),
            requests: Vec::new(),
            last: None,
        }
    }
}

impl Containers {
    /// A process was seen in this cgroup: asks about its container, if it is a new one.
    pub fn seen(&mut self, cgroup: &Arc<str>, now_ns: u64) {
        if let Some((last, until_ns)) = &self.last
            && Arc::ptr_eq(last, cgroup)
            && now_ns < *until_ns
        {
            return;
        }
        let until_ns = match of_cgroup(cgroup) {
            Some(container) if is_id(&container.id) => {
                self.ask(&container.id, container.runtime, now_ns)
            }
            _ => u64::MAX,
        };
        self.last = Some((cgroup.clone(), until_ns));
    }

    /// Asks unless it is too early to; when to ask again.
    fn ask(&mut self, id: &str, runtime: Option<&'static str>, now_ns: u64) -> u64 {
        let known = self.known.get_mut(id);
        if let Some(known) = known.as_ref().filter(|known| now_ns < known.again_ns) {
            return known.again_ns;
        }
        if self.requests.len() >= REQUESTS_MAX {
            return now_ns;
        }
        let again_ns = now_ns.saturating_add(RETRY_NS);
        let id: Arc<str> = id.into();
        match known {
            Some(known) => known.again_ns = again_ns,
            None => drop(self.known.put(id.clone(), Known { about: None, again_ns })),
        }
        self.requests.push(ContainerRequest { id, runtime });
        again_ns
    }

    /// Takes what the rim found out. A container whose files are gone keeps what they said.
    pub fn answer(&mut self, answer: &ContainerAnswer, now_ns: u64) {
        let before = self.known.peek(answer.id.as_str()).and_then(|known| known.about.clone());
        let about = match &answer.about {
            Some(info) => Some(Arc::new(About::new(info))),
            None => before,
        };
        let wait_ns = if answer.about.is_some() { REFRESH_NS } else { RETRY_NS };
        let again_ns = now_ns.saturating_add(wait_ns);
        self.known.put(answer.id.as_str().into(), Known { about, again_ns });
    }

    pub fn take_requests(&mut self) -> Vec<ContainerRequest> {
        std::mem::take(&mut self.requests)
    }

    /// Sets the fields that are known of this container.
    pub fn fill(&self, event: &mut Event, id: &str) {
        let Some(about) = self.known.peek(id).and_then(|known| known.about.as_deref()) else {
            return;
        };
        for (text, field) in [
            (&about.name, Field::CONTAINER_NAME),
            (&about.image.name, Field::CONTAINER_IMAGE_NAME),
            (&about.namespace, Field::ORCHESTRATOR_NAMESPACE),
            (&about.pod, Field::ORCHESTRATOR_RESOURCE_NAME),
            (&about.pod_uid, Field::ORCHESTRATOR_RESOURCE_ID),
        ] {
            if let Some(text) = text {
                event.set_text(field, text.clone());
            }
        }
        for (texts, field) in [
            (&about.image.tag, Field::CONTAINER_IMAGE_TAG),
            (&about.image.digest, Field::CONTAINER_IMAGE_HASH_ALL),
        ] {
            if let Some(texts) = texts {
                event.set(field, Value::Texts(texts.clone()));
            }
        }
        if about.pod.is_some() {
            event.set_static(Field::ORCHESTRATOR_TYPE, "kubernetes");
            event.set_static(Field::ORCHESTRATOR_RESOURCE_TYPE, "pod");
        }
    }
}

impl About {
    fn new(info: &ContainerInfo) -> About {
        let text = |text: &Option<String>| text.as_deref().map(Arc::from);
        About {
            name: text(&info.name),
            image: info.image.as_deref().map(Image::parse).unwrap_or_default(),
            namespace: text(&info.namespace),
            pod: text(&info.pod),
            pod_uid: text(&info.pod_uid),
        }
    }
}

impl Image {
    /// A bare id (`sha256:…`) names no image.
    fn parse(reference: &str) -> Image {
        let one = |text: &str| Some([text].iter().collect());
        let (rest, digest) = match reference.split_once('@') {
            Some((rest, digest)) => (rest, one(digest)),
            None if reference.starts_with("sha256:") => return Image::default(),
            None => (reference, None),
        };
        // A colon before the last slash is that of a registry's port.
        let (name, tag) = match rest.rsplit_once(':') {
            Some((name, tag)) if !tag.contains('/') => (name, one(tag)),
            _ => (rest, None),
        };
        Image { name: (!name.is_empty()).then(|| name.into()), tag, digest }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "c0ffee00c0ffee00c0ffee00c0ffee00c0ffee00c0ffee00c0ffee00c0ffee00";

    fn cgroup(id: &str) -> Arc<str> {
        format!("/system.slice/docker-{id}.scope").into()
    }

    fn numbered(number: usize) -> String {
        format!("{number:064x}")
    }

    fn answer(id: &str, name: Option<&str>) -> ContainerAnswer {
        let info = |name: &str| ContainerInfo { name: Some(name.into()), ..Default::default() };
        ContainerAnswer { id: id.into(), about: name.map(info) }
    }

    fn name(containers: &Containers, id: &str) -> Option<String> {
        let mut event = Event::default();
        containers.fill(&mut event, id);
        event.text(Field::CONTAINER_NAME).map(str::to_owned)
    }

    #[test]
    fn a_container_is_asked_for_once_and_again_when_the_answer_is_old() {
        let mut containers = Containers::default();
        let (one, other) = (cgroup(ID), cgroup(&numbered(1)));
        for _ in 0..3 {
            containers.seen(&one, 0);
            containers.seen(&other, 0);
        }
        let requests = containers.take_requests();
        assert_eq!(requests.len(), 2);
        assert_eq!((&*requests[0].id, requests[0].runtime), (ID, Some("docker")));
        containers.answer(&answer(ID, Some("web")), 5);
        containers.seen(&one, REFRESH_NS + 4);
        assert!(containers.take_requests().is_empty());
        containers.seen(&one, REFRESH_NS + 5);
        assert_eq!(containers.take_requests().len(), 1);
        assert_eq!(name(&containers, ID).as_deref(), Some("web"), "known until the answer comes");
        containers.answer(&answer(ID, None), REFRESH_NS + 6);
        assert_eq!(name(&containers, ID).as_deref(), Some("web"), "its files are gone, not it");
        containers.answer(&answer(ID, Some("shop")), REFRESH_NS + 7);
        assert_eq!(name(&containers, ID).as_deref(), Some("shop"));
    }

    #[test]
    fn one_without_files_is_asked_for_again_later() {
        let mut containers = Containers::default();
        containers.seen(&cgroup(ID), 0);
        assert_eq!(containers.take_requests().len(), 1);
        containers.answer(&answer(ID, None), 0);
        containers.seen(&cgroup(ID), RETRY_NS - 1);
        assert!(containers.take_requests().is_empty());
        containers.seen(&cgroup(ID), RETRY_NS);
        assert_eq!(containers.take_requests().len(), 1);
    }

    #[test]
    fn requests_and_answers_are_bounded() {
        let mut containers = Containers::default();
        for number in 0..2 * CONTAINERS_MAX.get() {
            containers.seen(&cgroup(&numbered(number)), 0);
        }
        assert_eq!(containers.take_requests().len(), REQUESTS_MAX);
        let last = cgroup(&numbered(2 * CONTAINERS_MAX.get() - 1));
        containers.seen(&last, 0);
        assert_eq!(containers.take_requests().len(), 1, "it is asked for when there is room");
        for number in 0..2 * CONTAINERS_MAX.get() {
            containers.answer(&answer(&numbered(number), Some("x")), 0);
        }
        assert_eq!(containers.known.len(), CONTAINERS_MAX.get());
    }

    #[test]
    fn nobody_asks_about_what_has_no_files() {
        let mut containers = Containers::default();
        for path in ["/", "/lxc/web", "/machine.slice/machine-web.scope", "/system.slice/x.service"]
        {
            containers.seen(&path.into(), 0);
        }
        assert!(containers.take_requests().is_empty());
    }

    #[test]
    fn references_to_images() {
        let digest = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
        for (reference, name, tag, has_digest) in [
            ("nginx", Some("nginx"), None, false),
            ("nginx:1.25", Some("nginx"), Some("1.25"), false),
            ("docker.io/library/nginx:1.25", Some("docker.io/library/nginx"), Some("1.25"), false),
            ("registry.example:5000/web", Some("registry.example:5000/web"), None, false),
            ("registry.example:5000/web:2", Some("registry.example:5000/web"), Some("2"), false),
            (&format!("nginx:1.25@{digest}"), Some("nginx"), Some("1.25"), true),
            (&format!("nginx@{digest}"), Some("nginx"), None, true),
            (digest, None, None, false),
            ("", None, None, false),
        ] {
            let image = Image::parse(reference);
            assert_eq!(image.name.as_deref(), name, "{reference}");
            assert_eq!(image.tag.as_ref().and_then(|tags| tags.get(0)), tag, "{reference}");
            assert_eq!(image.digest.is_some(), has_digest, "{reference}");
        }
    }
}
