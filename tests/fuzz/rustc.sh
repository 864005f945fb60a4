#!/bin/sh
# cargo's RUSTC_WRAPPER: adds libFuzzer's coverage to the crates that are fuzzed and to no others.
# Dependencies without it build once and run at full speed, and none of this needs a nightly
# compiler.
case " $* " in
*" --crate-name ocellus "* | *" --crate-name ocellus_ebpf "* | *" --crate-name rmp_serde "*)
	exec "$@" -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
		-Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
		-Cllvm-args=-sanitizer-coverage-pc-table \
		-Cllvm-args=-sanitizer-coverage-trace-compares -Ccodegen-units=1
	;;
*) exec "$@" ;;
esac
