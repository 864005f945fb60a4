;; WASI preview 1 without a world behind it: no files, no network, no arguments, no environment, a
;; clock that stands still and a generator with a fixed seed. Go's runtime imports WASI whether a
;; rule uses it or not; linked with this, its component imports nothing but the contract.
;;
;; `inert.wasm` is this file, assembled; a test compares them.
(module
  (import "env" "memory" (memory 0))

  ;; State of the generator (SplitMix64).
  (global $seed (mut i64) (i64.const 0x6f63656c6c7573))

  ;; Nothing was passed to the program: no texts, of no bytes in all.
  (func $none (param $count i32) (param $bytes i32) (result i32)
    (i32.store (local.get $count) (i32.const 0))
    (i32.store (local.get $bytes) (i32.const 0))
    (i32.const 0))
  (export "args_sizes_get" (func $none))
  (export "environ_sizes_get" (func $none))
  (func $nothing (param i32 i32) (result i32)
    (i32.const 0))
  (export "args_get" (func $nothing))
  (export "environ_get" (func $nothing))

  ;; It is always one second after the epoch: some runtimes take 0 for an error.
  (func (export "clock_time_get") (param $clock i32) (param $precision i64) (param $time i32)
    (result i32)
    (i64.store (local.get $time) (i64.const 1000000000))
    (i32.const 0))
  (func (export "clock_res_get") (param $clock i32) (param $resolution i32) (result i32)
    (i64.store (local.get $resolution) (i64.const 1000000000))
    (i32.const 0))

  ;; The same bytes in every instance.
  (func (export "random_get") (param $at i32) (param $bytes i32) (result i32)
    (local $end i32)
    (local $z i64)
    (local.set $end (i32.add (local.get $at) (local.get $bytes)))
    (block $done
      (loop $next
        (br_if $done (i32.ge_u (local.get $at) (local.get $end)))
        (global.set $seed (i64.add (global.get $seed) (i64.const 0x9e3779b97f4a7c15)))
        (local.set $z (global.get $seed))
        (local.set $z
          (i64.mul
            (i64.xor (local.get $z) (i64.shr_u (local.get $z) (i64.const 30)))
            (i64.const 0xbf58476d1ce4e5b9)))
        (local.set $z
          (i64.mul
            (i64.xor (local.get $z) (i64.shr_u (local.get $z) (i64.const 27)))
            (i64.const 0x94d049bb133111eb)))
        (i64.store8
          (local.get $at)
          (i64.xor (local.get $z) (i64.shr_u (local.get $z) (i64.const 31))))
        (local.set $at (i32.add (local.get $at) (i32.const 1)))
        (br $next)))
    (i32.const 0))

  ;; What is written is gone, and said to be written: a runtime that cannot print a message tries
  ;; for ever.
  (func (export "fd_write") (param $fd i32) (param $parts i32) (param $count i32)
    (param $written i32) (result i32)
    (local $bytes i32)
    (block $done
      (loop $next
        (br_if $done (i32.eqz (local.get $count)))
        (local.set $bytes
          (i32.add (local.get $bytes) (i32.load offset=4 (local.get $parts))))
        (local.set $parts (i32.add (local.get $parts) (i32.const 8)))
        (local.set $count (i32.sub (local.get $count) (i32.const 1)))
        (br $next)))
    (i32.store (local.get $written) (local.get $bytes))
    (i32.const 0))

  ;; A program that ends is a fault of the rule.
  (func (export "proc_exit") (param $code i32)
    unreachable)
  (func (export "sched_yield") (result i32)
    (i32.const 0))

  ;; There is no file of any number: EBADF.
  (func (export "fd_advise") (param i32 i64 i64 i32) (result i32)
    (i32.const 8))
  (func (export "fd_allocate") (param i32 i64 i64) (result i32)
    (i32.const 8))
  (func (export "fd_close") (param i32) (result i32)
    (i32.const 8))
  (func (export "fd_datasync") (param i32) (result i32)
    (i32.const 8))
  (func (export "fd_fdstat_get") (param i32 i32) (result i32)
    (i32.const 8))
  (func (export "fd_fdstat_set_flags") (param i32 i32) (result i32)
    (i32.const 8))
  (func (export "fd_fdstat_set_rights") (param i32 i64 i64) (result i32)
    (i32.const 8))
  (func (export "fd_filestat_get") (param i32 i32) (result i32)
    (i32.const 8))
  (func (export "fd_filestat_set_size") (param i32 i64) (result i32)
    (i32.const 8))
  (func (export "fd_filestat_set_times") (param i32 i64 i64 i32) (result i32)
    (i32.const 8))
  (func (export "fd_pread") (param i32 i32 i32 i64 i32) (result i32)
    (i32.const 8))
  (func (export "fd_prestat_get") (param i32 i32) (result i32)
    (i32.const 8))
  (func (export "fd_prestat_dir_name") (param i32 i32 i32) (result i32)
    (i32.const 8))
  (func (export "fd_pwrite") (param i32 i32 i32 i64 i32) (result i32)
    (i32.const 8))
  (func (export "fd_read") (param i32 i32 i32 i32) (result i32)
    (i32.const 8))
  (func (export "fd_readdir") (param i32 i32 i32 i64 i32) (result i32)
    (i32.const 8))
  (func (export "fd_renumber") (param i32 i32) (result i32)
    (i32.const 8))
  (func (export "fd_seek") (param i32 i64 i32 i32) (result i32)
    (i32.const 8))
  (func (export "fd_sync") (param i32) (result i32)
    (i32.const 8))
  (func (export "fd_tell") (param i32 i32) (result i32)
    (i32.const 8))

  ;; Nor any path, socket, signal or thing to wait for: ENOSYS.
  (func (export "path_create_directory") (param i32 i32 i32) (result i32)
    (i32.const 52))
  (func (export "path_filestat_get") (param i32 i32 i32 i32 i32) (result i32)
    (i32.const 52))
  (func (export "path_filestat_set_times") (param i32 i32 i32 i32 i64 i64 i32) (result i32)
    (i32.const 52))
  (func (export "path_link") (param i32 i32 i32 i32 i32 i32 i32) (result i32)
    (i32.const 52))
  (func (export "path_open") (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)
    (i32.const 52))
  (func (export "path_readlink") (param i32 i32 i32 i32 i32 i32) (result i32)
    (i32.const 52))
  (func (export "path_remove_directory") (param i32 i32 i32) (result i32)
    (i32.const 52))
  (func (export "path_rename") (param i32 i32 i32 i32 i32 i32) (result i32)
    (i32.const 52))
  (func (export "path_symlink") (param i32 i32 i32 i32 i32) (result i32)
    (i32.const 52))
  (func (export "path_unlink_file") (param i32 i32 i32) (result i32)
    (i32.const 52))
  (func (export "poll_oneoff") (param i32 i32 i32 i32) (result i32)
    (i32.const 52))
  (func (export "sock_accept") (param i32 i32 i32) (result i32)
    (i32.const 52))
  (func (export "sock_recv") (param i32 i32 i32 i32 i32 i32) (result i32)
    (i32.const 52))
  (func (export "sock_send") (param i32 i32 i32 i32 i32) (result i32)
    (i32.const 52))
  (func (export "sock_shutdown") (param i32 i32) (result i32)
    (i32.const 52))
  (func (export "proc_raise") (param i32) (result i32)
    (i32.const 52)))
