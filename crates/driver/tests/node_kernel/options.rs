//! Mount options, and the forms in which monitors are listed.

use super::lab::{Lab, mount_line, runtime, setting};

#[test]
#[ignore = "needs a Ceph cluster and a kernel with CephFS: dev/test vm"]
fn flags_and_ceph_s_own_options_take_effect() {
    runtime().block_on(async {
        let lab = Lab::new("options");
        let options = "noatime,nosuid,_netdev,x-test=1,read_from_replica=localize,\
                       crush_location=host:a|rack:b,recover_session=clean,rasize=4096,defaults";
        let mut request = lab.stage_request();
        let name = "kernelMountOptions".to_owned();
        request.volume_context.insert(name, options.to_owned());
        for _ in 0..2 {
            lab.stage_with(request.clone()).await.unwrap();
        }
        let line = mount_line(&lab.staging);
        for shown in [
            "nosuid",
            "noatime",
            "read_from_replica=localize",
            "crush_location=host:a|rack:b",
            "recover_session=clean",
            "rasize=4096",
        ] {
            assert!(line.contains(shown), "{shown}: {line}");
        }
        assert!(!line.contains("_netdev"), "{line}");
        lab.unstage().await.unwrap();
        lab.assert_clean().await;
    });
}

#[test]
#[ignore = "needs a Ceph cluster and a kernel with CephFS: dev/test vm"]
fn monitors_are_reached_in_every_form_of_the_list() {
    let (v1, v2) = (
        setting("SPIRULA_TEST_MONITORS"),
        setting("SPIRULA_TEST_MONITORS_V2"),
    );
    let port = v1.rsplit(':').next().unwrap();
    let lists = [
        (format!("v2:{v2}/0"), "", "ms_mode=prefer-crc"),
        (format!("[v2:{v2}/0,v1:{v1}/0]"), "", "mds_namespace"),
        (
            format!("[v2:{v2}/0,v1:{v1}/0]"),
            "ms_mode=secure",
            "ms_mode=secure",
        ),
        (format!("localhost:{port}"), "", "mds_namespace"),
        (format!("127.0.0.1:1,{v1}"), "", "mds_namespace"),
    ];
    runtime().block_on(async {
        let lab = Lab::new("monitors");
        for (monitors, options, shown) in lists {
            let mut request = lab.stage_request();
            let context = &mut request.volume_context;
            context.remove("staticVolume");
            context.insert("monitors".to_owned(), monitors.clone());
            context.insert("provisionVolume".to_owned(), "false".to_owned());
            if !options.is_empty() {
                context.insert("kernelMountOptions".to_owned(), options.to_owned());
            }
            let staged = lab.stage_with(request).await;
            staged.unwrap_or_else(|status| panic!("{monitors} {options}: {status}"));
            let line = mount_line(&lab.staging);
            assert!(line.contains(shown), "{monitors} {options}: {line}");
            lab.unstage().await.unwrap();
            lab.assert_clean().await;
        }
    });
}
