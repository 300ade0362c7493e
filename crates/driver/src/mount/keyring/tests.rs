use super::*;

/// A keyring that no other test has; `None` where the kernel or a container's profile refuses keys.
fn keyring(name: &str) -> Option<Keyring> {
    let keyring = Keyring::new(format!("spirula-test-{}-{name}", std::process::id()));
    match keyring.store("probe", &SecretString::from("x")) {
        Ok(()) => {
            keyring.revoke("probe").unwrap();
            Some(keyring)
        }
        Err(error) => {
            let refused = [io::ErrorKind::PermissionDenied, io::ErrorKind::Unsupported];
            assert!(refused.contains(&error.source.kind()), "{error}");
            None
        }
    }
}

fn on_another_thread<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| scope.spawn(work).join().unwrap())
}

#[test]
fn a_secret_is_read_by_another_thread_until_it_is_revoked() {
    let Some(keyring) = keyring("kept") else {
        return;
    };
    let read = || on_another_thread(|| keyring.read("volume").unwrap());
    assert!(read().is_none());
    for secret in ["first", "second"] {
        keyring
            .store("volume", &SecretString::from(secret))
            .unwrap();
        assert_eq!(read().unwrap().expose_secret(), secret);
        assert_eq!(keyring.names().unwrap(), ["volume"]);
    }
    for _ in 0..2 {
        keyring.revoke("volume").unwrap();
        assert!(read().is_none());
    }
    assert!(keyring.names().unwrap().is_empty());
}

#[test]
fn a_process_in_a_session_of_its_own_reads_what_another_one_kept() {
    let Some(keyring) = keyring("session") else {
        return;
    };
    keyring
        .store("volume", &SecretString::from("kept"))
        .unwrap();
    on_another_thread(|| {
        // As a container runtime does.
        keyutils::Keyring::join_anonymous_session().unwrap();
        let secret = keyring.read("volume").unwrap().unwrap();
        assert_eq!(secret.expose_secret(), "kept");
        keyring.revoke("volume").unwrap();
    });
    assert!(keyring.read("volume").unwrap().is_none());
}

#[test]
fn a_secret_that_was_never_stored_is_no_error() {
    let Some(keyring) = keyring("empty") else {
        return;
    };
    let other = Keyring::new("spirula-test-that-nobody-made");
    for keyring in [keyring, other] {
        assert!(keyring.read("absent").unwrap().is_none());
        keyring.revoke("absent").unwrap();
        assert!(keyring.names().unwrap().is_empty());
    }
}

#[test]
fn a_name_that_the_kernel_s_list_cannot_show_is_refused() {
    let keyring = Keyring::new("spirula-test-names");
    for name in ["a;b", "a\0b"] {
        let refused = keyring
            .store(name, &SecretString::from("secret"))
            .unwrap_err();
        assert_eq!(refused.source.kind(), io::ErrorKind::InvalidInput);
        assert!(!format!("{refused} {refused:?}").contains("secret\""));
    }
}
