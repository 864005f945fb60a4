//! Who vouches for a component: a signature in minisign's format beside it, by a key that the
//! operator trusts, or its digest, if the operator allows it.
//!
//! minisign is named in this module and nowhere else.

mod keys;

pub use keys::{KeyError, Keys, Protection, SecretKey, signature_path};

use std::collections::BTreeSet;
use std::fmt::{self, Write as _};
use std::io::Cursor;
use std::str::FromStr;

use minisign::{PublicKey, SignatureBox};

use crate::digest::hasher::sha256;
use crate::digest::hex;

/// A signature has four lines, with two comments among them; minisign itself reads no longer ones.
pub(crate) const SIGNATURE_BYTES_MAX: u64 = 16 << 10;
/// Each signature is compared with the ids of all of them. A team has one or two, and the next one.
pub const TRUSTED_KEYS_MAX: usize = 64;
/// More, and signatures are what is wanted.
pub const ALLOWED_DIGESTS_MAX: usize = 4_096;
/// 64 bytes in base64.
const COMMENT_SIGNATURE_CHARS: usize = 88;

/// A public key, as the second line of minisign's `.pub` files has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustedKey(PublicKey);

impl FromStr for TrustedKey {
    type Err = String;

    fn from_str(text: &str) -> Result<TrustedKey, String> {
        PublicKey::from_base64(text.trim()).map(TrustedKey).map_err(|_| {
            format!("{text:?} is not the second line of a .pub file of minisign's, as RWQ…")
        })
    }
}

impl TrustedKey {
    /// Its id, as minisign shows it.
    pub fn id(&self) -> String {
        key_id(self.0.keynum())
    }

    /// The text that it is read from.
    pub fn text(&self) -> String {
        self.0.to_base64()
    }

    /// Check a signature of these bytes by this key. Gives its trusted comment.
    pub fn verify(&self, bytes: &[u8], signature: &[u8]) -> Result<String, NotVouched> {
        let signature = Signature::read(signature)?;
        if signature.0.keynum() != self.0.keynum() {
            return Err(NotVouched::UnknownKey { key: signature.key_id() });
        }
        signature.verify(bytes, self)
    }
}

/// Lower-case hex of a SHA-256, with or without `sha256:` before it.
pub fn read_digest(text: &str) -> Result<[u8; 32], String> {
    let hex = text.strip_prefix("sha256:").unwrap_or(text);
    let is_hex = hex.len() == 64 && hex.bytes().all(|byte| byte.is_ascii_hexdigit());
    let byte = |at: usize| u8::from_str_radix(hex.get(at * 2..at * 2 + 2)?, 16).ok();
    let bytes: Option<Vec<u8>> = is_hex.then(|| (0..32).map_while(byte).collect());
    bytes
        .and_then(|bytes| bytes.try_into().ok())
        .ok_or_else(|| format!("{text:?} is not a SHA-256 in hex, as `sha256sum` prints it"))
}

/// The id of the key by which a signature says that it is. Whether it is, only the key can tell.
pub fn signer(signature: &[u8]) -> Result<String, NotVouched> {
    Signature::read(signature).map(|signature| signature.key_id())
}

/// What the operator says of who may vouch.
#[derive(Clone, Debug, Default)]
pub struct SignaturePolicy {
    pub keys: Vec<TrustedKey>,
    /// SHA-256 of components that need no signature.
    pub digests: BTreeSet<[u8; 32]>,
    /// Nothing is loaded that nobody vouches for.
    pub required: bool,
}

/// Who vouches for a component.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Voucher {
    /// The owner of the key of this id.
    Key(String),
    /// The operator, who allows its digest.
    Digest,
}

impl fmt::Display for Voucher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Voucher::Key(id) => write!(f, "signed by key {id}"),
            Voucher::Digest => f.write_str("allowed by its digest"),
        }
    }
}

/// Why a component is refused although it may be whole.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotVouched {
    #[error(
        "it is not signed, as `rules.require_signature` demands; sign it with `ocellus rules \
         sign`, or allow its digest {digest} in `rules.allowed_digests`"
    )]
    Unsigned { digest: String },
    #[error("it is signed by key {key}, which is not one of the keys that are trusted")]
    UnknownKey { key: String },
    #[error(
        "it was altered, or its signature was: that of key {key} does not fit; get both anew from \
         who signed it"
    )]
    Altered { key: String },
    #[error("its signature is not one of minisign's: {0}")]
    Malformed(String),
}

impl SignaturePolicy {
    /// Whether these bytes may be loaded, and who vouches for them. Nobody need, unless a signature
    /// is required; but one that is there and does not fit is refused all the same.
    pub(crate) fn vouch(
        &self,
        wasm: &[u8],
        signature: Option<&[u8]>,
    ) -> Result<Option<Voucher>, NotVouched> {
        if !self.required && self.keys.is_empty() {
            return Ok(None);
        }
        let digest = sha256(wasm);
        if self.digests.contains(&digest) {
            return Ok(Some(Voucher::Digest));
        }
        let unsigned = || match self.required {
            true => Err(NotVouched::Unsigned { digest: hex(&digest) }),
            false => Ok(None),
        };
        let Some(signature) = signature else { return unsigned() };
        let signature = Signature::read(signature)?;
        let id = signature.key_id();
        match self.keys.iter().find(|key| key.0.keynum() == signature.0.keynum()) {
            Some(key) => signature.verify(wasm, key).map(|_| Some(Voucher::Key(id))),
            None if self.required => Err(NotVouched::UnknownKey { key: id }),
            None => Ok(None),
        }
    }
}

/// What a `.minisig` file says.
struct Signature(SignatureBox);

impl Signature {
    fn read(bytes: &[u8]) -> Result<Signature, NotVouched> {
        let malformed = |why: &str| NotVouched::Malformed(why.to_owned());
        if bytes.len() as u64 > SIGNATURE_BYTES_MAX {
            return Err(malformed("it is too long"));
        }
        let text = str::from_utf8(bytes).map_err(|_| malformed("it is not UTF-8 text"))?;
        let read = SignatureBox::from_string(text);
        let read = read.map_err(|error| NotVouched::Malformed(error.to_string()))?;
        // minisign panics on one that is shorter.
        let of_comment = text.lines().nth(3).unwrap_or_default().trim();
        if of_comment.len() != COMMENT_SIGNATURE_CHARS {
            return Err(malformed("the signature of its comment is cut"));
        }
        Ok(Signature(read))
    }

    fn key_id(&self) -> String {
        key_id(self.0.keynum())
    }

    fn verify(&self, bytes: &[u8], key: &TrustedKey) -> Result<String, NotVouched> {
        let altered = |_| NotVouched::Altered { key: self.key_id() };
        // Quietly, without a copy, and not by what minisign did before it hashed first.
        minisign::verify(&key.0, &self.0, Cursor::new(bytes), true, false, false)
            .map_err(altered)?;
        self.0.trusted_comment().map_err(altered)
    }
}

/// A key's id as minisign shows it: its bytes as a number, the lowest first.
fn key_id(number: &[u8]) -> String {
    number.iter().rev().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02X}").expect("a String takes it");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const WASM: &[u8] = b"\0asm and what follows";

    fn signed(keys: &Keys) -> Vec<u8> {
        let secret = SecretKey::read(&keys.secret_file().unwrap(), None).unwrap();
        secret.sign(WASM, "a.wasm", 1).unwrap().into_bytes()
    }

    fn policy(keys: &[&Keys], required: bool) -> SignaturePolicy {
        let keys = keys.iter().map(|keys| keys.public().parse().unwrap()).collect();
        SignaturePolicy { keys, required, ..SignaturePolicy::default() }
    }

    #[test]
    fn a_trusted_key_vouches_for_what_it_signed_and_nothing_else() {
        let (keys, others) =
            (Keys::new(Protection::None).unwrap(), Keys::new(Protection::None).unwrap());
        let signature = signed(&keys);
        for required in [false, true] {
            let policy = policy(&[&others, &keys], required);
            let voucher = policy.vouch(WASM, Some(&signature)).unwrap();
            assert_eq!(voucher, Some(Voucher::Key(policy.keys[1].id())));
            let altered = policy.vouch(b"\0asm and what followS", Some(&signature));
            assert!(matches!(altered, Err(NotVouched::Altered { .. })), "{altered:?}");
        }
    }

    #[test]
    fn without_a_trusted_signature_it_depends_on_whether_one_is_required() {
        let (keys, others) =
            (Keys::new(Protection::None).unwrap(), Keys::new(Protection::None).unwrap());
        let signature = signed(&keys);
        assert_eq!(policy(&[&others], false).vouch(WASM, Some(&signature)), Ok(None));
        assert_eq!(policy(&[&others], false).vouch(WASM, None), Ok(None));
        assert_eq!(policy(&[], false).vouch(WASM, Some(b"rubbish")), Ok(None));
        let strict = policy(&[&others], true);
        let unknown = strict.vouch(WASM, Some(&signature));
        assert!(matches!(unknown, Err(NotVouched::UnknownKey { .. })), "{unknown:?}");
        let unsigned = strict.vouch(WASM, None).unwrap_err();
        let NotVouched::Unsigned { digest } = &unsigned else { panic!("{unsigned:?}") };
        // What the message names is what can be allowed.
        let digests = [read_digest(digest).unwrap()].into();
        let allowing = SignaturePolicy { digests, ..strict };
        assert_eq!(allowing.vouch(WASM, None), Ok(Some(Voucher::Digest)));
        assert!(allowing.vouch(b"\0asm, another", None).is_err());
    }

    #[test]
    fn a_signature_of_any_bytes_is_refused_and_does_no_harm() {
        let keys = Keys::new(Protection::None).unwrap();
        let policy = policy(&[&keys], true);
        let whole = signed(&keys);
        // Spaces around its comment and the last line break are nobody's business.
        for length in 0..whole.len() - 1 {
            assert!(policy.vouch(WASM, Some(&whole[..length])).is_err(), "cut to {length}");
        }
        for at in whole.iter().position(|byte| *byte == b'\n').unwrap() + 1..whole.len() - 1 {
            for change in [0x01, 0x80] {
                let mut other = whole.clone();
                other[at] ^= change;
                let judged = policy.vouch(WASM, Some(&other));
                assert!(judged.is_err(), "byte {at}: {:?}", String::from_utf8_lossy(&other));
            }
        }
        let long = [whole.as_slice(), &vec![b'x'; SIGNATURE_BYTES_MAX as usize]].concat();
        assert!(matches!(policy.vouch(WASM, Some(&long)), Err(NotVouched::Malformed(_))));
    }

    #[test]
    fn digests_are_read_as_tools_print_them() {
        let digest = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";
        let read = read_digest(digest).unwrap();
        assert_eq!((read[0], read[31]), (0x2c, 0x24));
        assert_eq!(read_digest(&format!("sha256:{digest}")), Ok(read));
        for wrong in ["", "2cf2", "sha512:00", &format!("{digest}0"), &digest.replace('2', "é")] {
            assert!(read_digest(wrong).is_err(), "{wrong}");
        }
    }
}
