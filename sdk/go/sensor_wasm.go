package ocellus

import (
	"errors"
	"unsafe"
)

// The sensor's functions, by the canonical ABI of the component model: what does not fit one number
// is written through a pointer.

//go:wasmimport ocellus:rule/event@1.0.0 resolve
func eventResolve(name string, out unsafe.Pointer)

//go:wasmimport ocellus:rule/event@1.0.0 text
func eventText(field uint32, out unsafe.Pointer)

//go:wasmimport ocellus:rule/event@1.0.0 number
func eventNumber(field uint32, out unsafe.Pointer)

//go:wasmimport ocellus:rule/event@1.0.0 texts
func eventTexts(field uint32, out unsafe.Pointer)

//go:wasmimport ocellus:rule/event@1.0.0 many
func eventMany(fields unsafe.Pointer, count uint32, out unsafe.Pointer)

//go:wasmimport ocellus:rule/event@1.0.0 make-set
func eventMakeSet(texts unsafe.Pointer, count uint32, out unsafe.Pointer)

//go:wasmimport ocellus:rule/event@1.0.0 test
func eventTest(field, how, set uint32) uint32

//go:wasmimport ocellus:rule/event@1.0.0 candidates
func eventCandidates(out unsafe.Pointer)

//go:wasmimport ocellus:rule/host@1.0.0 log
func hostLog(level uint32, message string)

//go:wasmimport ocellus:rule/processes@1.0.0 ancestors
func processesAncestors(id string, out unsafe.Pointer)

//go:wasmimport ocellus:rule/processes@1.0.0 text
func processesText(id string, field uint32, out unsafe.Pointer)

//go:wasmimport ocellus:rule/processes@1.0.0 number
func processesNumber(id string, field uint32, out unsafe.Pointer)

//go:wasmimport ocellus:rule/processes@1.0.0 texts
func processesTexts(id string, field uint32, out unsafe.Pointer)

//go:wasmimport ocellus:rule/state@1.0.0 get
func stateGet(key string, out unsafe.Pointer)

//go:wasmimport ocellus:rule/state@1.0.0 set
func stateSet(key string, value unsafe.Pointer, size uint32, ttlMS uint64, out unsafe.Pointer)

//go:wasmimport ocellus:rule/state@1.0.0 remove
func stateRemove(key string)

//go:wasmimport ocellus:rule/state@1.0.0 add
func stateAdd(key string, amount, ttlMS uint64, out unsafe.Pointer)

// A span is a string or a list in memory.
type span struct{ at, count uint32 }

// What comes back: a byte that says which, then a value of four bytes' alignment.
type answer struct {
	which uint32
	span  span
}

// The same with a value of eight bytes' alignment.
type wideAnswer struct {
	which uint64
	value uint64
}

func (s span) bytes() []byte {
	if s.count == 0 {
		return nil
	}
	return unsafe.Slice((*byte)(pointer(s.at)), s.count)
}

// A string of its own: the memory of the answer is given back after the event.
func (s span) text() string { return string(s.bytes()) }

func (s span) texts() []string {
	texts := make([]string, s.count)
	for i, text := range unsafe.Slice((*span)(pointer(s.at)), s.count) {
		texts[i] = text.text()
	}
	return texts
}

// pointer makes a pointer of an address that the sensor gave, in memory of realloc.
func pointer(at uint32) unsafe.Pointer {
	return unsafe.Add(unsafe.Pointer(nil), at)
}

func address(pointer unsafe.Pointer) uint32 { return uint32(uintptr(pointer)) }

// The byte that says which is the lowest of the word.
func (a answer) is() bool     { return byte(a.which) != 0 }
func (a wideAnswer) is() bool { return byte(a.which) != 0 }

func (a answer) option() (string, bool) {
	if !a.is() {
		return "", false
	}
	return a.span.text(), true
}

func (a answer) result() error {
	if a.is() {
		return errors.New(a.span.text())
	}
	return nil
}

// The texts of a list, as the sensor reads them. Keep texts alive until it has.
func spans(texts []string) []span {
	list := make([]span, len(texts))
	for i, text := range texts {
		list[i] = spanOf(text)
	}
	return list
}

func spanOf(text string) span {
	return span{address(unsafe.Pointer(unsafe.StringData(text))), uint32(len(text))}
}

type sensor struct{}

var host hostFunctions = sensor{}

func (sensor) resolve(name string) (uint32, error) {
	var out answer
	eventResolve(name, unsafe.Pointer(&out))
	return out.span.at, out.result()
}

func (sensor) text(field uint32) (string, bool) {
	var out answer
	eventText(field, unsafe.Pointer(&out))
	return out.option()
}

func (sensor) number(field uint32) (uint64, bool) {
	var out wideAnswer
	eventNumber(field, unsafe.Pointer(&out))
	return out.value, out.is()
}

func (sensor) texts(field uint32) []string {
	var out span
	eventTexts(field, unsafe.Pointer(&out))
	return out.texts()
}

func (sensor) many(fields []uint32) []*string {
	var out span
	eventMany(unsafe.Pointer(unsafe.SliceData(fields)), uint32(len(fields)), unsafe.Pointer(&out))
	texts := make([]*string, out.count)
	for i, option := range unsafe.Slice((*answer)(pointer(out.at)), out.count) {
		if text, ok := option.option(); ok {
			texts[i] = &text
		}
	}
	return texts
}

func (sensor) makeSet(texts []string) (uint32, error) {
	var out answer
	list := spans(texts)
	eventMakeSet(unsafe.Pointer(unsafe.SliceData(list)), uint32(len(list)), unsafe.Pointer(&out))
	return out.span.at, out.result()
}

func (sensor) test(field uint32, how Match, set uint32) bool {
	return eventTest(field, uint32(how), set) != 0
}

func (sensor) candidates() []uint32 {
	var out span
	eventCandidates(unsafe.Pointer(&out))
	return unsafe.Slice((*uint32)(pointer(out.at)), out.count)
}

func (sensor) log(level Level, message string) { hostLog(uint32(level), message) }

func (sensor) ancestors(id string) []string {
	var out span
	processesAncestors(id, unsafe.Pointer(&out))
	return out.texts()
}

func (sensor) textOf(id string, field uint32) (string, bool) {
	var out answer
	processesText(id, field, unsafe.Pointer(&out))
	return out.option()
}

func (sensor) numberOf(id string, field uint32) (uint64, bool) {
	var out wideAnswer
	processesNumber(id, field, unsafe.Pointer(&out))
	return out.value, out.is()
}

func (sensor) textsOf(id string, field uint32) []string {
	var out span
	processesTexts(id, field, unsafe.Pointer(&out))
	return out.texts()
}

func (sensor) get(key string) ([]byte, bool) {
	var out answer
	stateGet(key, unsafe.Pointer(&out))
	return append([]byte(nil), out.span.bytes()...), out.is()
}

func (sensor) set(key string, value []byte, ttlMS uint64) error {
	var out answer
	data := unsafe.Pointer(unsafe.SliceData(value))
	stateSet(key, data, uint32(len(value)), ttlMS, unsafe.Pointer(&out))
	return out.result()
}

func (sensor) remove(key string) { stateRemove(key) }

func (sensor) add(key string, amount, ttlMS uint64) (uint64, error) {
	var out wideAnswer
	stateAdd(key, amount, ttlMS, unsafe.Pointer(&out))
	if out.is() {
		// An error is a text, of four bytes' alignment, where the value would be.
		return 0, errors.New(span{uint32(out.value), uint32(out.value >> 32)}.text())
	}
	return out.value, nil
}
