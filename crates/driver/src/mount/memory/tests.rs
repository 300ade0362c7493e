use std::time::Duration;

use secrecy::SecretString;

use super::*;
use crate::mount::{CephFs, MountOptions, MounterKind, Mounts as _, Unmounted, Users};

fn fs() -> CephFs {
    CephFs {
        monitors: "192.0.2.1:6789".to_owned(),
        name: None,
        root: "/v".to_owned(),
        snapshot: None,
        user: "u".to_owned(),
        key: SecretString::from("k"),
        fuse_options: MountOptions::default(),
        kernel_options: MountOptions::default(),
        net_namespace: None,
        mounter: MounterKind::Any,
    }
}

#[tokio::test]
async fn mounts_behave_as_the_kernel_s() {
    let cx = Context::with_timeout(Duration::from_secs(5));
    let memory = Memory::new(Faults::new());
    let (stage, target) = (Path::new("/stage"), Path::new("/target"));
    memory.add_dir("/stage");
    memory.mount(&cx, &fs(), stage).await.unwrap();
    memory.bind(&cx, stage, target, None).await.unwrap_err();
    memory.create_dir(&cx, target).await.unwrap();
    memory
        .bind(&cx, &stage.join("absent"), target, None)
        .await
        .unwrap_err();
    memory.bind(&cx, stage, target, None).await.unwrap();
    let table = memory.table(&cx).await.unwrap();
    assert_eq!(
        table.at(stage).unwrap().device,
        table.at(target).unwrap().device
    );

    memory.set_health("/target", Health::Dead);
    let error = memory
        .usage(&cx, table.at(stage).unwrap())
        .await
        .unwrap_err();
    assert!(matches!(error, Error::Dead { .. }), "{error:?}");

    memory.remove_dir(&cx, target).await.unwrap_err();
    let unmount = |at| memory.unmount(&cx, at, Users::Others);
    assert_eq!(unmount(target).await.unwrap(), Unmounted::Cleanly);
    assert_eq!(unmount(target).await.unwrap(), Unmounted::Nothing);
    memory.remove_dir(&cx, target).await.unwrap();
    assert_eq!(memory.remains().2, 1);
    unmount(stage).await.unwrap();
    let directories = vec![PathBuf::from("/"), PathBuf::from("/stage")];
    assert_eq!(memory.remains(), (directories, vec![], 0));
}
