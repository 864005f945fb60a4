//! Guests in a few lines of WebAssembly text: what they say of themselves is laid out in memory
//! here, so that a test writes only what is special about its guest.

use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

/// What a rule asks to be allowed to do; the bits of the contract's `permissions`.
pub const TAG: u8 = 1;
pub const ALERT: u8 = 2;
pub const DROP: u8 = 4;
pub const ENVIRONMENT: u8 = 8;

/// Address of the first constant in the guest's memory.
const CONSTANTS: u32 = 1024;
/// Address from which strings that the host hands over are put. Reset at each event.
const HEAP: u32 = 128 << 10;
/// Where host functions put results that do not fit into a register; 64 bytes.
const RESULT: u32 = 64;

/// A guest that is being written.
///
/// Its bodies may use the functions `$log $resolve $text $number $texts $many $make_set $test`, by
/// the canonical ABI, and the constant address 64 for their results; `on-event` has a local `$i`.
#[derive(Clone, Debug)]
pub struct Guest {
    rules: Vec<Rule>,
    /// Body of `configure`; none: it answers the rules and interests above.
    configure: Option<String>,
    /// Body of `on-event`.
    on_event: String,
    /// More items of the module.
    items: String,
    constants: Vec<u8>,
    version: String,
    world: World,
    /// More imports of the module.
    imports: String,
    /// Bodies of `save-state` and `load-state`.
    carry: Option<(String, String)>,
}

/// The world of the contract that a guest is built for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum World {
    Rule,
    BatchRule,
    /// The world `rule`, and some of WASI.
    Wasi,
}

#[derive(Clone, Debug)]
struct Rule {
    id: String,
    permissions: u8,
    attack: Vec<String>,
    interests: Vec<(Vec<String>, Vec<Term>)>,
}

/// A term of an interest.
#[derive(Clone, Debug)]
pub struct Term {
    pub field: String,
    /// `one-of`, `prefix`, `suffix` or `contains`, by its number in the contract.
    pub how: u8,
    pub texts: Vec<String>,
}

/// A verdict for a guest to answer.
#[derive(Clone, Debug)]
pub enum Action {
    Tag(Vec<String>),
    Alert { severity: u8, message: String, tags: Vec<String> },
    Drop,
}

impl Action {
    pub fn tag(tag: &str) -> Action {
        Action::Tag(vec![tag.into()])
    }

    pub fn alert(severity: u8, message: &str) -> Action {
        Action::Alert { severity, message: message.into(), tags: vec![] }
    }
}

impl Guest {
    /// A guest with one rule, which may do everything, wants every event and says nothing.
    pub fn new(id: &str) -> Guest {
        Guest {
            rules: vec![],
            configure: None,
            on_event: "i32.const 0".into(),
            items: String::new(),
            constants: vec![],
            version: "1.0.0".into(),
            world: World::Rule,
            imports: String::new(),
            carry: None,
        }
        .rule(id, TAG | ALERT | DROP)
        .hits(&[])
    }

    /// One more rule.
    pub fn rule(mut self, id: &str, permissions: u8) -> Guest {
        self.rules.push(Rule { id: id.into(), permissions, attack: vec![], interests: vec![] });
        self
    }

    /// ATT&CK techniques of the last rule.
    pub fn attack(mut self, techniques: &[&str]) -> Guest {
        let rule = self.rules.last_mut().expect("a guest has a rule");
        rule.attack = techniques.iter().map(|technique| technique.to_string()).collect();
        self
    }

    /// Change what the last rule asks to be allowed.
    pub fn permissions(mut self, permissions: u8) -> Guest {
        self.rules.last_mut().expect("a guest has a rule").permissions = permissions;
        self
    }

    /// One more interest of the last rule.
    pub fn interest(mut self, kinds: &[&str], terms: &[Term]) -> Guest {
        let kinds = kinds.iter().map(|kind| kind.to_string()).collect();
        let rule = self.rules.last_mut().expect("a guest has a rule");
        rule.interests.push((kinds, terms.to_vec()));
        self
    }

    /// Answer these verdicts, each with the position of its rule, on every event.
    pub fn hits(mut self, hits: &[(u32, Action)]) -> Guest {
        let address = self.list_of_hits(hits);
        self.on_event = format!("i32.const {address}");
        self
    }

    /// Address of a list of hits, for a body to return.
    pub fn list_of_hits(&mut self, hits: &[(u32, Action)]) -> u32 {
        let hits: Vec<Vec<u8>> =
            hits.iter().map(|(rule, action)| self.hit(*rule, action)).collect();
        let list = self.list(&hits);
        self.constant(&words(&list))
    }

    /// Body of `on-event`; it leaves the address of a list of hits.
    pub fn on_event(mut self, body: &str) -> Guest {
        self.on_event = body.into();
        self
    }

    /// Body of `configure`; it leaves the address of its result.
    pub fn configure(mut self, body: &str) -> Guest {
        self.configure = Some(body.into());
        self
    }

    /// Further items of the module: functions, globals.
    pub fn items(mut self, items: &str) -> Guest {
        self.items.push_str(items);
        self
    }

    /// Version of the contract that the guest is built for.
    pub fn version(mut self, version: &str) -> Guest {
        self.version = version.into();
        self
    }

    /// Judge batches: `on-event` is called once for each, and its hits are those of the first
    /// event.
    #[must_use]
    pub fn in_batches(mut self) -> Guest {
        self.world = World::BatchRule;
        self
    }

    /// Export `carry`, with these bodies; the second one has the parameters `$version $bytes $len`.
    /// Both leave the address of their result.
    pub fn carry(mut self, save: &str, load: &str) -> Guest {
        self.carry = Some((save.into(), load.into()));
        self
    }

    /// Import some of WASI; bodies may use `$environment $random $now $stderr $write $exit`.
    #[must_use]
    pub fn wasi(mut self) -> Guest {
        self.world = World::Wasi;
        self.imports.push_str(WASI_IMPORTS);
        self
    }

    /// Import the keyed state; bodies may use `$state_set` and `$state_add`.
    #[must_use]
    pub fn state(mut self) -> Guest {
        let state = format!("ocellus:rule/state@{}", self.version);
        self.imports.push_str(&format!(
            r#"(import "{state}" "set" (func $state_set (param i32 i32 i32 i32 i64 i32)))
               (import "{state}" "add" (func $state_add (param i32 i32 i64 i64 i32)))"#
        ));
        self
    }

    /// Put bytes into the guest's memory; their address, a multiple of 8.
    pub fn constant(&mut self, bytes: &[u8]) -> u32 {
        self.constants.resize(self.constants.len().next_multiple_of(8), 0);
        let address = CONSTANTS + self.constants.len() as u32;
        self.constants.extend_from_slice(bytes);
        assert!(CONSTANTS as usize + self.constants.len() <= HEAP as usize, "too many constants");
        address
    }

    /// Address of what `configure` answers by default.
    pub fn metadata(&mut self) -> u32 {
        let rules: Vec<Vec<u8>> =
            self.rules.clone().iter().map(|rule| self.rule_info(rule)).collect();
        let answer = [vec![0], self.list(&rules)].concat();
        self.constant(&words(&answer))
    }

    /// The component.
    pub fn build(&self) -> Vec<u8> {
        let mut guest = self.clone();
        let configure = match &guest.configure {
            Some(body) => body.clone(),
            None => format!("i32.const {}", guest.metadata()),
        };
        let text = guest.module(&configure);
        let mut module = wat::parse_str(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
        let mut resolve = Resolve::default();
        let package = resolve
            .push_source("rule.wit", &contract(&guest.version, guest.world))
            .unwrap_or_else(|error| panic!("the contract does not parse: {error:#}"));
        let name = match (guest.world, &guest.carry) {
            (World::Rule, None) => "rule",
            (World::Rule, Some(_)) => "rule-with-state",
            (World::BatchRule, None) => "batch-rule",
            (World::BatchRule, Some(_)) => "batch-rule-with-state",
            (World::Wasi, _) => "wasi-rule",
        };
        let world = resolve.select_world(&[package], Some(name)).expect("the world is there");
        embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8, false)
            .expect("a module takes a custom section");
        ComponentEncoder::default()
            .module(&module)
            .and_then(|encoder| encoder.validate(true).encode())
            .unwrap_or_else(|error| panic!("{error:#}\n{text}"))
    }

    fn module(&self, configure: &str) -> String {
        let Guest { on_event, items, version, constants, imports, .. } = self;
        let (judge, batches) = match self.world {
            World::Rule | World::Wasi => (r#"(export "on-event")"#, ""),
            World::BatchRule => ("$judge", ON_BATCH),
        };
        let carry = self.carry.as_ref().map(|(save, load)| {
            format!(
                r#"(func (export "ocellus:rule/carry@{version}#save-state") (result i32) {save})
                   (func (export "ocellus:rule/carry@{version}#load-state")
                     (param $version i32) (param $bytes i32) (param $len i32) (result i32) {load})"#
            )
        });
        let carry = carry.unwrap_or_default();
        let data: String = constants.iter().map(|byte| format!("\\{byte:02x}")).collect();
        let event = format!("ocellus:rule/event@{version}");
        format!(
            r#"(module
  (import "ocellus:rule/host@{version}" "log" (func $log (param i32 i32 i32)))
  (import "{event}" "resolve" (func $resolve (param i32 i32 i32)))
  (import "{event}" "text" (func $text (param i32 i32)))
  (import "{event}" "number" (func $number (param i32 i32)))
  (import "{event}" "texts" (func $texts (param i32 i32)))
  (import "{event}" "many" (func $many (param i32 i32 i32)))
  (import "{event}" "make-set" (func $make_set (param i32 i32 i32)))
  (import "{event}" "test" (func $test (param i32 i32 i32) (result i32)))
  {imports}
  (memory (export "memory") 4)
  (data (i32.const {CONSTANTS}) "{data}")
  (global $heap (mut i32) (i32.const {HEAP}))
  (func $realloc (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
    (local $address i32)
    (local.set $address (i32.and (i32.add (global.get $heap) (i32.const 7)) (i32.const -8)))
    (global.set $heap (i32.add (local.get $address) (local.get 3)))
    (block $fits
      (br_if $fits
        (i32.le_u (global.get $heap) (i32.mul (memory.size) (i32.const 65536))))
      (br_if $fits
        (i32.ne
          (memory.grow (i32.add (i32.const 1) (i32.div_u (local.get 3) (i32.const 65536))))
          (i32.const -1)))
      unreachable)
    (local.get $address))
  {items}
  (func (export "configure") (param $config i32) (param $config_len i32) (result i32)
    {configure})
  (func {judge} (result i32)
    (local $i i32)
    (global.set $heap (i32.const {HEAP}))
    {on_event})
  {batches}
  {carry})"#
        )
    }

    fn rule_info(&mut self, rule: &Rule) -> Vec<u8> {
        let id = self.string(&rule.id);
        let name = self.string(&format!("Name of {}", rule.id));
        let description = self.string("A rule of a test.");
        let version = self.string("1.0.0");
        let attack = self.strings(&rule.attack);
        let none = self.strings(&[]);
        let permissions = vec![u32::from(rule.permissions)];
        let interests = rule.interests.iter().map(|(kinds, terms)| {
            let terms: Vec<Vec<u8>> = terms.iter().map(|term| self.term(term)).collect();
            let kinds = self.strings(kinds);
            words(&[kinds, self.list(&terms)].concat())
        });
        let interests: Vec<Vec<u8>> = interests.collect();
        let interests = self.list(&interests);
        words(&[id, name, description, version, attack, none, permissions, interests].concat())
    }

    fn term(&mut self, term: &Term) -> Vec<u8> {
        let field = self.string(&term.field);
        let texts = self.strings(&term.texts);
        words(&[field, vec![u32::from(term.how), 0], texts, vec![0, 0]].concat())
    }

    fn hit(&mut self, rule: u32, action: &Action) -> Vec<u8> {
        let mut verdict = match action {
            Action::Tag(tags) => [vec![0], self.strings(tags)].concat(),
            Action::Alert { severity, message, tags } => {
                let message = self.string(message);
                [vec![1, u32::from(*severity)], message, self.strings(tags)].concat()
            }
            Action::Drop => vec![2],
        };
        verdict.resize(6, 0);
        words(&[vec![rule], verdict].concat())
    }

    fn string(&mut self, text: &str) -> Vec<u32> {
        vec![self.constant(text.as_bytes()), text.len() as u32]
    }

    fn strings(&mut self, texts: &[String]) -> Vec<u32> {
        let texts: Vec<Vec<u8>> = texts.iter().map(|text| words(&self.string(text))).collect();
        self.list(&texts)
    }

    /// Address and length of a list.
    fn list(&mut self, items: &[Vec<u8>]) -> Vec<u32> {
        vec![self.constant(&items.concat()), items.len() as u32]
    }
}

/// WebAssembly text that leaves the number of a field.
pub fn resolved(guest: &mut Guest, name: &str) -> String {
    let address = guest.constant(name.as_bytes());
    let (length, value) = (name.len(), RESULT + 4);
    format!(
        "(block (result i32) \
           (call $resolve (i32.const {address}) (i32.const {length}) (i32.const {RESULT})) \
           (i32.load (i32.const {value})))"
    )
}

/// Words as they lie in a guest's memory.
pub fn words(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

/// Calls `$judge` and puts the event 0 before each of its hits. What it answers beyond all bounds
/// is passed on as it is.
const ON_BATCH: &str = r#"
  (func (export "on-batch") (param i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)
    (local $at i32) (local $from i32) (local $len i32) (local $to i32) (local $i i32)
    (local.set $at (call $judge))
    (if (i32.or (i32.and (local.get $at) (i32.const 3))
          (i32.gt_u (local.get $at) (i32.const 262136)))
      (then (return (local.get $at))))
    (local.set $from (i32.load (local.get $at)))
    (local.set $len (i32.load offset=4 (local.get $at)))
    (if (i32.or (i32.gt_u (local.get $len) (i32.const 1000))
          (i32.gt_u (i32.add (local.get $from) (i32.mul (local.get $len) (i32.const 28)))
            (i32.mul (memory.size) (i32.const 65536))))
      (then (return (local.get $at))))
    (local.set $to (call $realloc (i32.const 0) (i32.const 0) (i32.const 4)
      (i32.add (i32.const 8) (i32.mul (local.get $len) (i32.const 32)))))
    (i32.store (local.get $to) (i32.add (local.get $to) (i32.const 8)))
    (i32.store offset=4 (local.get $to) (local.get $len))
    (block $done (loop $next
      (br_if $done (i32.ge_u (local.get $i) (local.get $len)))
      (i32.store
        (i32.add (local.get $to) (i32.add (i32.const 8) (i32.mul (local.get $i) (i32.const 32))))
        (i32.const 0))
      (memory.copy
        (i32.add (local.get $to) (i32.add (i32.const 12) (i32.mul (local.get $i) (i32.const 32))))
        (i32.add (local.get $from) (i32.mul (local.get $i) (i32.const 28)))
        (i32.const 28))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br $next)))
    (local.get $to))"#;

/// What a guest with WASI imports.
const WASI_IMPORTS: &str = r#"
  (import "wasi:cli/environment@0.2.0" "get-environment" (func $environment (param i32)))
  (import "wasi:cli/exit@0.2.0" "exit" (func $exit (param i32)))
  (import "wasi:cli/stderr@0.2.0" "get-stderr" (func $stderr (result i32)))
  (import "wasi:clocks/monotonic-clock@0.2.0" "now" (func $now (result i64)))
  (import "wasi:io/streams@0.2.0" "[method]output-stream.blocking-write-and-flush"
    (func $write (param i32 i32 i32 i32)))
  (import "wasi:random/random@0.2.0" "get-random-u64" (func $random (result i64)))"#;

/// As much of WASI as [`WASI_IMPORTS`] needs, and a world with it.
const WASI: &str = "
world wasi-rule {
  include rule;
  import wasi:cli/environment@0.2.0;
  import wasi:cli/exit@0.2.0;
  import wasi:cli/stderr@0.2.0;
  import wasi:clocks/monotonic-clock@0.2.0;
  import wasi:random/random@0.2.0;
}
package wasi:io@0.2.0 {
  interface error { resource error; }
  interface streams {
    use error.{error};
    variant stream-error { last-operation-failed(error), closed }
    resource output-stream {
      blocking-write-and-flush: func(contents: list<u8>) -> result<_, stream-error>;
    }
  }
}
package wasi:cli@0.2.0 {
  interface environment { get-environment: func() -> list<tuple<string, string>>; }
  interface exit { exit: func(status: result); }
  interface stderr {
    use wasi:io/streams@0.2.0.{output-stream};
    get-stderr: func() -> output-stream;
  }
}
package wasi:clocks@0.2.0 {
  interface monotonic-clock { type instant = u64; now: func() -> instant; }
}
package wasi:random@0.2.0 {
  interface random { get-random-u64: func() -> u64; }
}
";

/// The contract as one file, with a version of our choice.
fn contract(version: &str, world: World) -> String {
    const HEADER: &str = "package ocellus:rule@1.0.0;";
    let files = [
        include_str!("../../wit/types.wit"),
        include_str!("../../wit/host.wit"),
        include_str!("../../wit/event.wit"),
        include_str!("../../wit/packed.wit"),
        include_str!("../../wit/processes.wit"),
        include_str!("../../wit/state.wit"),
        include_str!("../../wit/carry.wit"),
        include_str!("../../wit/rule.wit"),
    ];
    let parts = files.map(|file| file.strip_prefix(HEADER).expect("each file has the header"));
    let wasi = if world == World::Wasi { WASI } else { "" };
    format!("package ocellus:rule@{version};\n{}{wasi}", parts.concat())
}
