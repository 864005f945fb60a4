package ocellus

import (
	"encoding/binary"
	"time"

	"github.com/ocellus/ocellus/sdk/go/field"
)

// State is what a component remembers beyond one event, kept by the sensor: it outlives faults and
// new versions of the component.
//
// It is bounded: what was not used for the longest time makes room. Time is that of the events.
// Rules of one component share the keys, so begin them with the rule's id.
var State state

type state struct{}

// Forever keeps a value as long as there is room.
const Forever time.Duration = 0

// Get gives the value of a key; false when there is none, or when its time is over.
func (state) Get(key string) ([]byte, bool) { return host.get(key) }

// Count gives a counter's value; 0 when there is none, or when its time is over.
func (state) Count(key string) uint64 {
	value, _ := host.get(key)
	if len(value) != 8 {
		return 0
	}
	return binary.LittleEndian.Uint64(value)
}

// Set keeps a value for some time from the current event on. A key of more than 256 bytes, or a
// value of more than 64 KiB, is not kept, and the log says so.
func (state) Set(key string, value []byte, ttl time.Duration) {
	if err := host.set(key, value, milliseconds(ttl)); err != nil {
		Log(Error, "cannot keep the value of "+key+": "+err.Error())
	}
}

// Remove forgets a key.
func (state) Remove(key string) { host.remove(key) }

// Add adds to a counter and gives its value. A counter ends some time after its first addition.
func (state) Add(key string, amount uint64, ttl time.Duration) uint64 {
	value, err := host.add(key, amount, milliseconds(ttl))
	if err != nil {
		Log(Error, "cannot count "+key+": "+err.Error())
		return amount
	}
	return value
}

// Whole milliseconds, and at least one unless it is for ever.
func milliseconds(ttl time.Duration) uint64 {
	if ttl <= 0 {
		return 0
	}
	return max(uint64(ttl.Milliseconds()), 1)
}

// Processes are others than the one that the event is about, by their entity id. The sensor knows
// those that run, and those that ended up to some seconds ago. wit/processes.wit lists the fields
// that it gives.
var Processes processes

type processes struct{}

// Ancestors gives the entity ids of a process's ancestors, the parent first; at most 64. None when
// the process or its parent is not known.
func (processes) Ancestors(entityID string) []string { return host.ancestors(entityID) }

// Text gives a text field of a process; false when the process or the value is not known.
func (processes) Text(entityID string, f field.Text) (string, bool) {
	return host.textOf(entityID, number(f))
}

// Number gives a number of a process; false when the process or the value is not known.
func (processes) Number(entityID string, f field.Number) (uint64, bool) {
	return host.numberOf(entityID, number(f))
}

// Time gives a time of a process, in nanoseconds since the epoch.
func (processes) Time(entityID string, f field.Time) (uint64, bool) {
	return host.numberOf(entityID, number(f))
}

// Texts gives a field of several texts of a process.
func (processes) Texts(entityID string, f field.Texts) []string {
	return host.textsOf(entityID, number(f))
}
