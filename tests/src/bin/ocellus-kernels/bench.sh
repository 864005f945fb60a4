# The task of the guest in which costs are measured. Time is counted in instructions: a nanosecond
# each. What was found goes to /out/NAME.KEY.

# CPU time of a process so far, all threads, in ns.
cpu_ns() {
    sum=0
    for file in /proc/"$1"/task/*/schedstat; do
        read -r ns rest < "$file"
        sum=$((sum + ns))
    done
    echo $sum
}

# NAME: both loads.
loads() {
    "$workload" load $execs "$workload" exit 0 > /out/"$1".exec
    "$workload" load $forks > /out/"$1".fork
}

# NAME PID: what a sensor that has started costs under the loads.
under_load() {
    sleep 3
    cpu_ns "$2" > /out/"$1".startup
    "$workload" load $execs "$workload" exit 0 > /out/"$1".exec
    sleep 3
    cpu_ns "$2" > /out/"$1".after-exec
    "$workload" load $forks > /out/"$1".fork
    sleep 3
    cpu_ns "$2" > /out/"$1".after-fork
    grep VmHWM /proc/"$2"/status > /out/"$1".peak
}

# NAME RULES ARGUMENT…: Ocellus with so many of the shipped rules.
ocellus_run() {
    name=$1
    rules=/tmp/rules-$2
    mkdir -p "$rules"
    for file in $(ls "$shipped" | grep '\.wasm$' | head -n "$2"); do
        cp "$shipped/$file" "$rules"
    done
    shift 2
    echo "guest: $name"
    "$ocellus" run --rules "$rules" --output /dev/null "$@" 2> /out/"$name".log &
    pid=$!
    until grep -q ' started: ' /out/"$name".log; do
        kill -0 $pid || return 1
        sleep 0.1
    done
    under_load "$name" $pid
    kill -INT $pid
    wait $pid
}

# NAME COMMAND…: another sensor.
other_run() {
    name=$1
    shift
    echo "guest: $name"
    "$@" > /dev/null 2> /out/"$name".log &
    pid=$!
    # Nobody knows what it says when it has started.
    sleep 10
    under_load "$name" $pid
    kill -INT $pid
    wait $pid
}

"$workload" load 100 "$workload" exit 0 > /dev/null
echo "guest: without"
loads without
printf '[hash]\nalgorithms = []\n' > /tmp/no-hash.toml
