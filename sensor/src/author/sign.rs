//! `ocellus rules keys`, `sign` and `verify`: the files of signatures.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::error_chain::ErrorChain;
use crate::rules::budget::COMPONENT_BYTES_MAX;
use crate::rules::signature::{
    self, KeyError, Keys, NotVouched, Protection, SecretKey, TrustedKey, signature_path,
};

/// Why keys or signatures could not be made or read.
#[derive(Debug, thiserror::Error)]
pub enum SignError {
    #[error("cannot read {}", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("cannot write {}", path.display())]
    Write { path: PathBuf, source: io::Error },
    #[error("{} is there already; a key is never written over", path.display())]
    Exists { path: PathBuf },
    #[error("{}", path.display())]
    Key { path: PathBuf, source: KeyError },
    #[error("cannot make keys")]
    Make(#[source] KeyError),
    #[error("{0}, and there is no such file")]
    PublicKey(String),
    #[error("{} has more than {} MiB, the most that a component may have", path.display(),
        COMPONENT_BYTES_MAX >> 20)]
    TooLarge { path: PathBuf },
    #[error("it is not signed: there is no {}", path.display())]
    Unsigned { path: PathBuf },
    #[error(transparent)]
    NotVouched(#[from] NotVouched),
}

/// How a new key is protected.
pub fn protection(password_file: Option<&Path>, none: bool) -> Result<Protection, SignError> {
    Ok(match password_file {
        Some(path) => Protection::Password(password(path)?),
        None if none => Protection::None,
        None => Protection::Asked,
    })
}

/// The first line of a file.
fn password(path: &Path) -> Result<String, SignError> {
    let text = read_text(path)?;
    Ok(text.lines().next().unwrap_or_default().to_owned())
}

/// Makes `NAME.key` and `NAME.pub`, and tells what to do with them.
pub fn keys(name: &Path, protection: Protection) -> Result<String, SignError> {
    let (secret, public) = (ending(name, "key"), ending(name, "pub"));
    for path in [&secret, &public] {
        if path.exists() {
            return Err(SignError::Exists { path: path.clone() });
        }
    }
    let keys = Keys::new(protection).map_err(SignError::Make)?;
    write_new(&secret, 0o600, &keys.secret_file().map_err(SignError::Make)?)?;
    write_new(&public, 0o644, &keys.public_file().map_err(SignError::Make)?)?;
    Ok(format!(
        "{}: keep it secret\n{}: for hosts that are to trust it:\n\n[rules]\ntrusted_keys = \
         [\"{}\"]\nrequire_signature = true\n",
        secret.display(),
        public.display(),
        keys.public()
    ))
}

fn ending(name: &Path, ending: &str) -> PathBuf {
    let mut path = name.as_os_str().to_owned();
    path.push(".");
    path.push(ending);
    path.into()
}

fn write_new(path: &Path, mode: u32, text: &str) -> Result<(), SignError> {
    let open = OpenOptions::new().write(true).create_new(true).mode(mode).open(path);
    open.and_then(|mut file| file.write_all(text.as_bytes())).map_err(|source| {
        match source.kind() {
            io::ErrorKind::AlreadyExists => SignError::Exists { path: path.to_owned() },
            _ => SignError::Write { path: path.to_owned(), source },
        }
    })
}

/// Signs components; gives the signatures' files.
pub fn sign(
    files: &[PathBuf],
    key: &Path,
    password_file: Option<&Path>,
) -> Result<Vec<PathBuf>, SignError> {
    let text = read_text(key)?;
    let password = password_file.map(password).transpose()?;
    let key_error = |source| SignError::Key { path: key.to_owned(), source };
    let secret = SecretKey::read(&text, password).map_err(key_error)?;
    let time_s = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let sign = |file: &PathBuf| {
        let bytes = read_component(file)?;
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        let signature = secret.sign(&bytes, &name, time_s).map_err(key_error)?;
        let path = signature_path(file);
        // A sensor that watches the directory must not see half of it.
        let half = path.with_extension("minisig.new");
        let write_error = |source| SignError::Write { path: path.clone(), source };
        fs::write(&half, signature).map_err(write_error)?;
        fs::rename(&half, &path).map_err(write_error)?;
        Ok(path)
    };
    files.iter().map(sign).collect()
}

/// A public key, from its text or from a `.pub` file.
pub fn public_key(key: &str) -> Result<TrustedKey, SignError> {
    let path = Path::new(key);
    if !path.exists() {
        return key.parse().map_err(SignError::PublicKey);
    }
    let text = read_text(path)?;
    let line = text.lines().nth(1).unwrap_or_default();
    line.parse().map_err(|why| SignError::PublicKey(format!("{}: {why}", path.display())))
}

/// Tells by which of these keys a file was signed, and what its signer says with it.
pub fn verify(file: &Path, keys: &[TrustedKey]) -> Result<String, SignError> {
    let bytes = read_component(file)?;
    let path = signature_path(file);
    let signature = match fs::read(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(SignError::Unsigned { path });
        }
        read => read.map_err(|source| SignError::Read { path, source })?,
    };
    let signer = signature::signer(&signature)?;
    let Some(key) = keys.iter().find(|key| key.id() == signer) else {
        return Err(NotVouched::UnknownKey { key: signer }.into());
    };
    // Anybody's text, on a terminal.
    let comment = key.verify(&bytes, &signature)?;
    Ok(format!("signed by key {signer} ({})", comment.escape_debug()))
}

/// The same as a remark on a component that may well be unsigned.
pub fn remark(file: &Path, keys: &[TrustedKey]) -> String {
    match verify(file, keys) {
        Ok(words) => words,
        Err(SignError::Unsigned { .. }) => "not signed".to_owned(),
        Err(error) => ErrorChain(&error).to_string(),
    }
}

fn read_text(path: &Path) -> Result<String, SignError> {
    fs::read_to_string(path).map_err(|source| SignError::Read { path: path.to_owned(), source })
}

fn read_component(path: &Path) -> Result<Vec<u8>, SignError> {
    let bytes =
        fs::read(path).map_err(|source| SignError::Read { path: path.to_owned(), source })?;
    if bytes.len() as u64 > COMPONENT_BYTES_MAX {
        return Err(SignError::TooLarge { path: path.to_owned() });
    }
    Ok(bytes)
}
