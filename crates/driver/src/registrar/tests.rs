use csi_proto::registration::registration_client::RegistrationClient;
use csi_proto::registration::{InfoRequest, RegistrationStatus};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;
use tokio::task::JoinHandle;

use super::*;
use crate::cli::Endpoint;
use crate::dial::dial;

/// Longer than anything here takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

fn registrar(directory: &Path) -> Registrar {
    let settings = RegistrationSettings {
        kubelet_path: "/var/lib/kubelet/plugins/a.example/csi.sock".to_owned(),
        directory: directory.to_owned(),
    };
    Registrar {
        look: Duration::from_millis(5),
        ..Registrar::new("a.example", &settings)
    }
}

fn serve(directory: &Path) -> (JoinHandle<Result<(), Error>>, CancellationToken) {
    let (registrar, shutdown) = (registrar(directory), CancellationToken::new());
    let stop = shutdown.clone();
    let served = tokio::spawn(async move { registrar.serve(stop).await });
    (served, shutdown)
}

async fn ended(served: JoinHandle<Result<(), Error>>) -> Result<(), Error> {
    let ended = tokio::time::timeout(PATIENCE, served).await;
    ended.unwrap().unwrap()
}

/// Asks on the socket as the kubelet does, once it is there.
async fn name_on(socket: &Path) -> String {
    let asked = async {
        loop {
            if let Ok(channel) = dial(&Endpoint::Unix(socket.to_owned())).await {
                let mut client = RegistrationClient::new(channel);
                if let Ok(info) = client.get_info(InfoRequest {}).await {
                    return info.into_inner().name;
                }
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, asked).await.unwrap()
}

#[tokio::test]
async fn a_socket_that_somebody_removes_comes_back() {
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("a.example-reg.sock");
    let (served, shutdown) = serve(directory.path());
    assert_eq!(name_on(&socket).await, "a.example");
    std::fs::remove_file(&socket).unwrap();
    assert_eq!(name_on(&socket).await, "a.example");
    shutdown.cancel();
    ended(served).await.unwrap();
    assert!(identity(&socket).is_none(), "the socket is left behind");
}

#[tokio::test]
async fn what_is_in_the_place_of_the_socket_at_the_end_stays() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("socket");
    std::fs::write(&path, "ours").unwrap();
    let socket = Socket::at(&path);
    std::fs::write(directory.path().join("other"), "another's").unwrap();
    std::fs::rename(directory.path().join("other"), &path).unwrap();
    drop(socket);
    assert_eq!(std::fs::read(&path).unwrap(), b"another's");
    drop(Socket::at(&path));
    assert!(identity(&path).is_none());
}

#[tokio::test]
async fn a_directory_that_is_not_mounted_is_an_error_and_is_not_made() {
    let directory = tempfile::tempdir().unwrap();
    let absent = directory.path().join("registration");
    let (served, _shutdown) = serve(&absent);
    let error = ended(served).await.unwrap_err().to_string();
    assert!(error.contains("plugins_registry"), "{error}");
    assert!(identity(&absent).is_none());
}

#[tokio::test]
async fn the_marker_says_what_the_kubelet_said_last() {
    let directory = tempfile::tempdir().unwrap();
    let marker = directory.path().join("plugins/a.example/registration");
    let registrar = registrar(directory.path());
    let following = tokio::spawn({
        let (state, marker) = (registrar.state.subscribe(), marker.clone());
        async move { mark(state, &marker).await }
    });
    registrar.state.send_replace(State::Registered);
    let seen = async {
        while identity(&marker).is_none() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, seen).await.unwrap();
    let settings = RegistrationSettings {
        kubelet_path: marker.with_file_name("csi.sock").display().to_string(),
        directory: directory.path().to_owned(),
    };
    probe(&settings).unwrap();
    registrar
        .state
        .send_replace(State::Refused("too old".to_owned()));
    let why = tokio::time::timeout(PATIENCE, following).await;
    assert_eq!(why.unwrap().unwrap(), "too old");
    // A restart begins without one.
    let waiting = tokio::time::timeout(
        Duration::from_millis(50),
        mark(watch::Sender::new(State::Waiting).subscribe(), &marker),
    );
    assert!(waiting.await.is_err(), "nothing has been refused");
    assert!(matches!(probe(&settings), Err(Error::NotRegistered(_))));
}

#[tokio::test]
async fn the_kubelets_word_becomes_the_state() {
    let directory = tempfile::tempdir().unwrap();
    let registrar = registrar(directory.path());
    let mut state = registrar.state.subscribe();
    let shutdown = CancellationToken::new();
    let stop = shutdown.clone();
    let socket = registrar.socket.clone();
    let served = tokio::spawn(async move { registrar.serve(stop).await });
    name_on(&socket).await;
    let channel = dial(&Endpoint::Unix(socket)).await.unwrap();
    let mut kubelet = RegistrationClient::new(channel);
    assert_eq!(*state.borrow_and_update(), State::Waiting);
    for (plugin_registered, error, expected) in [
        (true, "", State::Registered),
        (false, "no answer", State::Refused("no answer".to_owned())),
    ] {
        let status = RegistrationStatus {
            plugin_registered,
            error: error.to_owned(),
        };
        kubelet.notify_registration_status(status).await.unwrap();
        assert_eq!(*state.borrow_and_update(), expected);
    }
    shutdown.cancel();
    ended(served).await.unwrap();
}

/// GetInfo as the kubelet sends it: HTTP/2 with the path of the socket for its authority.
fn request_of_a_kubelet(socket: &Path) -> Vec<u8> {
    let literal = |text: &str| [&[u8::try_from(text.len()).unwrap()], text.as_bytes()].concat();
    let headers = [
        b"\x83\x86\x44".to_vec(), // POST, http, :path
        literal("/pluginregistration.Registration/GetInfo"),
        b"\x41".to_vec(), // :authority
        literal(socket.to_str().unwrap()),
        b"\x5f".to_vec(), // content-type
        literal("application/grpc"),
    ]
    .concat();
    let length = u8::try_from(headers.len()).unwrap();
    [
        &b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"[..],
        &[0, 0, 0, 4, 0, 0, 0, 0, 0], // SETTINGS
        &[0, 0, length, 1, 4, 0, 0, 0, 1],
        &headers,
        &[0, 0, 5, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0], // DATA: an empty message
    ]
    .concat()
}

#[tokio::test]
async fn the_kubelet_is_answered_though_it_gives_a_path_for_the_authority() {
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("a.example-reg.sock");
    let (served, shutdown) = serve(directory.path());
    assert_eq!(name_on(&socket).await, "a.example");
    let answer = async {
        let mut kubelet = UnixStream::connect(&socket).await.unwrap();
        kubelet
            .write_all(&request_of_a_kubelet(&socket))
            .await
            .unwrap();
        loop {
            let mut header = [0; 9];
            kubelet.read_exact(&mut header).await.unwrap();
            let [a, b, c, kind, _, _, _, _, stream] = header;
            let mut payload = vec![0; usize::try_from(u32::from_be_bytes([0, a, b, c])).unwrap()];
            kubelet.read_exact(&mut payload).await.unwrap();
            // HEADERS is an answer, RST_STREAM a refusal.
            if stream == 1 && (kind == 1 || kind == 3) {
                return kind;
            }
        }
    };
    assert_eq!(tokio::time::timeout(PATIENCE, answer).await.unwrap(), 1);
    shutdown.cancel();
    ended(served).await.unwrap();
}
