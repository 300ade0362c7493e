// What `<rados/librados.h>` declares, as far as this crate uses it. `tests/header.rs` compares every
// line with the installed header, so keep to plain types, constants and prototypes here.

use core::ffi::{c_char, c_int, c_long, c_uchar, c_void};

pub(crate) type rados_t = *mut c_void;
pub(crate) type rados_ioctx_t = *mut c_void;
pub(crate) type rados_write_op_t = *mut c_void;
pub(crate) type rados_read_op_t = *mut c_void;
pub(crate) type rados_omap_iter_t = *mut c_void;
pub(crate) type rados_xattrs_iter_t = *mut c_void;

#[repr(C)]
pub(crate) struct timeval {
    pub(crate) tv_sec: c_long,
    pub(crate) tv_usec: c_long,
}

pub(crate) const LIBRADOS_CREATE_EXCLUSIVE: c_int = 1;
pub(crate) const LIBRADOS_CREATE_IDEMPOTENT: c_int = 0;
pub(crate) const LIBRADOS_CMPXATTR_OP_EQ: u8 = 1;
pub(crate) const LIBRADOS_OPERATION_NOFLAG: c_int = 0;
pub(crate) const LIBRADOS_OPERATION_FULL_TRY: c_int = 64;

crate::library::api! {
    fn rados_create2(cluster: *mut rados_t, clustername: *const c_char, name: *const c_char, flags: u64) -> c_int;
    fn rados_conf_read_file(cluster: rados_t, path: *const c_char) -> c_int;
    fn rados_conf_set(cluster: rados_t, option: *const c_char, value: *const c_char) -> c_int;
    fn rados_conf_get(cluster: rados_t, option: *const c_char, buf: *mut c_char, len: usize) -> c_int;
    fn rados_connect(cluster: rados_t) -> c_int;
    fn rados_shutdown(cluster: rados_t);
    fn rados_cluster_fsid(cluster: rados_t, buf: *mut c_char, len: usize) -> c_int;
    fn rados_buffer_free(buf: *mut c_char);

    fn rados_mon_command(
        cluster: rados_t,
        cmd: *mut *const c_char,
        cmdlen: usize,
        inbuf: *const c_char,
        inbuflen: usize,
        outbuf: *mut *mut c_char,
        outbuflen: *mut usize,
        outs: *mut *mut c_char,
        outslen: *mut usize,
    ) -> c_int;
    fn rados_mgr_command(
        cluster: rados_t,
        cmd: *mut *const c_char,
        cmdlen: usize,
        inbuf: *const c_char,
        inbuflen: usize,
        outbuf: *mut *mut c_char,
        outbuflen: *mut usize,
        outs: *mut *mut c_char,
        outslen: *mut usize,
    ) -> c_int;

    fn rados_ioctx_create2(cluster: rados_t, pool_id: i64, ioctx: *mut rados_ioctx_t) -> c_int;
    fn rados_ioctx_destroy(io: rados_ioctx_t);
    fn rados_ioctx_set_namespace(io: rados_ioctx_t, nspace: *const c_char);
    fn rados_get_last_version(io: rados_ioctx_t) -> u64;

    fn rados_lock_exclusive(
        io: rados_ioctx_t,
        oid: *const c_char,
        name: *const c_char,
        cookie: *const c_char,
        desc: *const c_char,
        duration: *mut timeval,
        flags: u8,
    ) -> c_int;
    fn rados_unlock(io: rados_ioctx_t, o: *const c_char, name: *const c_char, cookie: *const c_char) -> c_int;

    fn rados_create_write_op() -> rados_write_op_t;
    fn rados_release_write_op(write_op: rados_write_op_t);
    fn rados_write_op_assert_exists(write_op: rados_write_op_t);
    fn rados_write_op_assert_version(write_op: rados_write_op_t, ver: u64);
    fn rados_write_op_create(write_op: rados_write_op_t, exclusive: c_int, category: *const c_char);
    fn rados_write_op_omap_cmp2(
        write_op: rados_write_op_t,
        key: *const c_char,
        comparison_operator: u8,
        val: *const c_char,
        key_len: usize,
        val_len: usize,
        prval: *mut c_int,
    );
    fn rados_write_op_omap_set2(
        write_op: rados_write_op_t,
        keys: *const *const c_char,
        vals: *const *const c_char,
        key_lens: *const usize,
        val_lens: *const usize,
        num: usize,
    );
    fn rados_write_op_omap_rm_keys2(
        write_op: rados_write_op_t,
        keys: *const *const c_char,
        key_lens: *const usize,
        keys_len: usize,
    );
    fn rados_write_op_setxattr(write_op: rados_write_op_t, name: *const c_char, value: *const c_char, value_len: usize);
    fn rados_write_op_write_full(write_op: rados_write_op_t, buffer: *const c_char, len: usize);
    fn rados_write_op_remove(write_op: rados_write_op_t);
    fn rados_write_op_operate(
        write_op: rados_write_op_t,
        io: rados_ioctx_t,
        oid: *const c_char,
        mtime: *mut c_long,
        flags: c_int,
    ) -> c_int;

    fn rados_create_read_op() -> rados_read_op_t;
    fn rados_release_read_op(read_op: rados_read_op_t);
    fn rados_read_op_assert_exists(read_op: rados_read_op_t);
    fn rados_read_op_assert_version(read_op: rados_read_op_t, ver: u64);
    fn rados_read_op_getxattrs(read_op: rados_read_op_t, iter: *mut rados_xattrs_iter_t, prval: *mut c_int);
    fn rados_read_op_omap_get_vals2(
        read_op: rados_read_op_t,
        start_after: *const c_char,
        filter_prefix: *const c_char,
        max_return: u64,
        iter: *mut rados_omap_iter_t,
        pmore: *mut c_uchar,
        prval: *mut c_int,
    );
    fn rados_read_op_omap_get_vals_by_keys2(
        read_op: rados_read_op_t,
        keys: *const *const c_char,
        num_keys: usize,
        key_lens: *const usize,
        iter: *mut rados_omap_iter_t,
        prval: *mut c_int,
    );
    fn rados_read_op_read(
        read_op: rados_read_op_t,
        offset: u64,
        len: usize,
        buffer: *mut c_char,
        bytes_read: *mut usize,
        prval: *mut c_int,
    );
    fn rados_read_op_operate(read_op: rados_read_op_t, io: rados_ioctx_t, oid: *const c_char, flags: c_int) -> c_int;
    fn rados_omap_get_next2(
        iter: rados_omap_iter_t,
        key: *mut *mut c_char,
        val: *mut *mut c_char,
        key_len: *mut usize,
        val_len: *mut usize,
    ) -> c_int;
    fn rados_omap_get_end(iter: rados_omap_iter_t);
    fn rados_getxattrs_next(
        iter: rados_xattrs_iter_t,
        name: *mut *const c_char,
        val: *mut *const c_char,
        len: *mut usize,
    ) -> c_int;
    fn rados_getxattrs_end(iter: rados_xattrs_iter_t);
}
