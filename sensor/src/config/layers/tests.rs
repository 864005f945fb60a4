use std::os::unix::fs::PermissionsExt as _;

use super::*;
use crate::config::Level;

fn no_variables() -> [(String, String); 0] {
    []
}

fn dir_with(files: &[(&str, &str)]) -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = dir.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    let main = dir.path().join("ocellus.toml");
    (dir, main)
}

fn variables(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

#[test]
fn later_layers_win_key_by_key_and_it_is_known_which_one_won() {
    let (dir, main) = dir_with(&[
        ("ocellus.toml", "[aggregate]\nhold_ms = 1\n[process]\nmax = 2000\ngrace_ms = 5\n"),
        ("conf.d/20-late.toml", "[process]\n\nmax = 4000\n"),
        ("conf.d/10-early.toml", "[process]\nmax = 3000\n[log]\nlevel = \"debug\"\n"),
        ("conf.d/.hidden.toml", "rubbish"),
        ("conf.d/README", "rubbish"),
    ]);
    let environment = variables(&[
        ("OCELLUS_PROCESS_GRACE_MS", "7"),
        ("OCELLUS_HOST_NAME", "12"),
        ("OCELLUS_CAPTURE_ENV", "false"),
        ("OCELLUS_RULES_MEMORY", "32 MiB"),
        ("OCELLUS_LOG", "trace"),
        ("OCELLUS_SERVICE_PORT", "tcp://192.0.2.1"),
        ("OTHER", "x"),
    ]);
    let layered = Layered::load_with(Some(&main), environment).unwrap();
    let config = &layered.config;
    assert_eq!((config.aggregate.hold_ms, config.process.max), (1, 4000));
    assert_eq!((config.process.grace_ms, config.log.level), (7, Level::Debug));
    assert_eq!(config.host.name.as_deref(), Some("12"));
    assert_eq!(config.rules.memory.0, 32 << 20);
    let origin = |key: &str| layered.origin(key).to_string();
    let path = |name: &str| dir.path().join(name).display().to_string();
    assert_eq!(origin("aggregate.hold_ms"), format!("{}:2", path("ocellus.toml")));
    assert_eq!(origin("process.max"), format!("{}:3", path("conf.d/20-late.toml")));
    assert_eq!(origin("log.level"), format!("{}:4", path("conf.d/10-early.toml")));
    assert_eq!(origin("process.grace_ms"), "$OCELLUS_PROCESS_GRACE_MS");
    assert_eq!(origin("process.ancestors"), "default");
    let shown = layered.show();
    let line = shown.lines().find(|line| line.starts_with("process.grace_ms = 7 ")).unwrap();
    assert!(line.ends_with("# $OCELLUS_PROCESS_GRACE_MS"), "{shown}");
}

#[test]
fn a_mistake_is_found_where_it_stands() {
    let (_dir, main) = dir_with(&[
        ("ocellus.toml", "[process]\nmax = 2000\n"),
        ("conf.d/a.toml", "# a comment\n[proces]\nmax = 4000\n"),
    ]);
    let error = Layered::load_with(Some(&main), no_variables()).unwrap_err().to_string();
    assert!(error.contains("conf.d/a.toml:2: "), "{error}");
    assert!(error.contains("did you mean `process`?"), "{error}");

    let (_dir, main) = dir_with(&[
        ("ocellus.toml", "[process]\nmax = 2000\n"),
        ("conf.d/a.toml", "[process]\n\n\nmax = 1\n"),
    ]);
    let error = Layered::load_with(Some(&main), no_variables()).unwrap_err().to_string();
    assert!(error.contains("conf.d/a.toml:4: process.max: 1 is not between"), "{error}");

    let (_dir, main) = dir_with(&[("ocellus.toml", "")]);
    for (name, value, wanted) in [
        ("OCELLUS_PROCESS_MAX", "1", "process.max: 1 is not between"),
        ("OCELLUS_PROCESS_MAX", "many", "process.max: "),
        ("OCELLUS_PROCESS_MAXX", "1", "did you mean `OCELLUS_PROCESS_MAX`?"),
    ] {
        let environment = variables(&[(name, value)]);
        let error = Layered::load_with(Some(&main), environment).unwrap_err().to_string();
        assert!(error.contains(name) && error.contains(wanted), "{error}");
    }
}

#[test]
fn files_that_others_can_write_to_are_refused() {
    let (dir, main) = dir_with(&[("ocellus.toml", ""), ("conf.d/a.toml", "")]);
    Layered::load_with(Some(&main), no_variables()).unwrap();
    for path in ["ocellus.toml", "conf.d/a.toml", "conf.d", "."] {
        let path = dir.path().join(path);
        let before = fs::metadata(&path).unwrap().permissions();
        fs::set_permissions(&path, fs::Permissions::from_mode(before.mode() | 0o002)).unwrap();
        let error = Layered::load_with(Some(&main), no_variables()).unwrap_err().to_string();
        assert!(error.contains("can be written by others"), "{error}");
        fs::set_permissions(&path, before).unwrap();
    }
    Layered::load_with(Some(&main), no_variables()).unwrap();
}
