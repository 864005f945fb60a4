package ocellus

import (
	"encoding/binary"
	"errors"
	"fmt"
	"unsafe"
)

// The exports, by the canonical ABI. What they give back is kept in variables, so that it lives until
// the sensor has read it.

type loweredTerm struct {
	field span
	test  uint64
	// A list of texts in the first, or the bounds of a range.
	first, second uint64
}

type loweredInterest struct{ kinds, terms span }

type loweredRule struct {
	id, name, description, version, attack, falsePositives span
	permissions                                            uint32
	interests                                              span
}

type loweredHit struct {
	rule, verdict, severity uint32
	first, second           span
}

var (
	configured answer
	hits       span
	saved      struct {
		which, version uint32
		bytes          span
	}
	loaded answer
	// What the answers point to.
	kept, keptOfEvent []any
)

// Memory for what the sensor hands over. What an event takes is given back before the next one.
var arena struct {
	// Chunks are never moved; full ones wait for the next event.
	chunks [][]byte
	chunk  int
	used   int
}

// Bytes of a chunk of the arena; a value that is longer gets a chunk of its own.
const chunkBytes = 64 << 10

func take(size, align int) unsafe.Pointer {
	for {
		if arena.chunk == len(arena.chunks) {
			// Eight bytes' alignment is the most that the contract's types need, and what Go gives
			// to an allocation of this size.
			arena.chunks = append(arena.chunks, make([]byte, max(chunkBytes, size)))
		}
		chunk := arena.chunks[arena.chunk]
		start := (arena.used + align - 1) &^ (align - 1)
		if start+size <= len(chunk) {
			arena.used = start + size
			return unsafe.Pointer(&chunk[start])
		}
		arena.chunk, arena.used = arena.chunk+1, 0
	}
}

func resetArena() {
	// A chunk that one huge value needed is not kept.
	if len(arena.chunks) > 0 && len(arena.chunks[0]) == chunkBytes {
		arena.chunks = arena.chunks[:1]
	} else {
		arena.chunks = nil
	}
	arena.chunk, arena.used = 0, 0
}

//go:wasmexport cabi_realloc
func cabiRealloc(old unsafe.Pointer, oldSize, align, size uint32) unsafe.Pointer {
	if size == 0 {
		return unsafe.Add(unsafe.Pointer(nil), align)
	}
	memory := take(int(size), int(align))
	if oldSize > 0 {
		count := min(oldSize, size)
		copy(unsafe.Slice((*byte)(memory), count), unsafe.Slice((*byte)(old), count))
	}
	return memory
}

func keep[T any](list *[]any, items []T) span {
	*list = append(*list, items)
	return span{address(unsafe.Pointer(unsafe.SliceData(items))), uint32(len(items))}
}

func keepText(list *[]any, text string) span {
	*list = append(*list, text)
	return spanOf(text)
}

func keepTexts(list *[]any, texts []string) span {
	*list = append(*list, texts)
	return keep(list, spans(texts))
}

//go:wasmexport configure
func configure(at unsafe.Pointer, size uint32) unsafe.Pointer {
	config := string(unsafe.Slice((*byte)(at), size))
	kept = nil
	if err := configureAll(config); err != nil {
		configured = answer{1, keepText(&kept, err.Error())}
		return unsafe.Pointer(&configured)
	}
	lowered := make([]loweredRule, len(rules))
	for i, rule := range rules {
		lowered[i] = lowerRule(rule)
	}
	configured = answer{0, keep(&kept, lowered)}
	return unsafe.Pointer(&configured)
}

func configureAll(config string) error {
	if len(rules) == 0 {
		return errors.New("the component has no rules: call ocellus.Register in an init function")
	}
	for _, rule := range rules {
		if rule.Configure == nil {
			continue
		}
		if err := rule.Configure(config); err != nil {
			return err
		}
	}
	return nil
}

func lowerRule(rule Rule) loweredRule {
	permissions := uint32(1 | 2)
	if rule.Drops {
		permissions |= 4
	}
	if rule.Environment {
		permissions |= 8
	}
	version := rule.Version
	if version == "" {
		version = "0.1.0"
	}
	interests := make([]loweredInterest, len(rule.Interests))
	for i, interest := range rule.Interests {
		terms := make([]loweredTerm, len(interest.Terms))
		for j, term := range interest.Terms {
			terms[j] = lowerTerm(term)
		}
		interests[i] = loweredInterest{keepTexts(&kept, interest.Kinds), keep(&kept, terms)}
	}
	return loweredRule{
		id:             keepText(&kept, rule.ID),
		name:           keepText(&kept, rule.Name),
		description:    keepText(&kept, rule.Description),
		version:        keepText(&kept, version),
		attack:         keepTexts(&kept, rule.Attack),
		falsePositives: keepTexts(&kept, rule.FalsePositives),
		permissions:    permissions,
		interests:      keep(&kept, interests),
	}
}

func lowerTerm(term Term) loweredTerm {
	lowered := loweredTerm{field: keepText(&kept, term.Field.Name()), test: uint64(term.How)}
	switch term.How {
	case Range:
		lowered.first, lowered.second = term.Least, term.Most
	case Present:
	default:
		texts := keepTexts(&kept, term.Texts)
		lowered.first = uint64(texts.at) | uint64(texts.count)<<32
	}
	return lowered
}

//go:wasmexport on-event
func onEvent() unsafe.Pointer {
	resetArena()
	clear(keptOfEvent)
	keptOfEvent = keptOfEvent[:0]
	// A component of one rule is called for what that wants.
	wanted := only
	if len(rules) != 1 {
		wanted = host.candidates()
	}
	var lowered []loweredHit
	for _, position := range wanted {
		if int(position) >= len(rules) {
			continue
		}
		if verdict := judge(rules[position]); verdict != nil {
			lowered = append(lowered, lowerHit(position, verdict))
		}
	}
	hits = keep(&keptOfEvent, lowered)
	return unsafe.Pointer(&hits)
}

var only = []uint32{0}

// Without the line in the log, a trap says nothing about what failed.
func judge(rule Rule) *Verdict {
	defer func() {
		if why := recover(); why != nil {
			Log(Error, fmt.Sprintf("panic in %s: %v", rule.ID, why))
			panic(why)
		}
	}()
	return rule.OnEvent(Event{})
}

func lowerHit(position uint32, verdict *Verdict) loweredHit {
	hit := loweredHit{rule: position, verdict: uint32(verdict.Kind)}
	switch verdict.Kind {
	case IsTag:
		// The list stands where an alert has its severity and its message.
		tags := keepTexts(&keptOfEvent, verdict.Tags)
		hit.severity, hit.first.at = tags.at, tags.count
	case IsAlert:
		hit.severity = uint32(verdict.Severity)
		hit.first = keepText(&keptOfEvent, verdict.Message)
		hit.second = keepTexts(&keptOfEvent, verdict.Tags)
	}
	return hit
}

// What SaveState of each rule gives, one after the other: position, length, bytes.
const stateVersion = 1

//go:wasmexport ocellus:rule/carry@1.0.0#save-state
func saveState() unsafe.Pointer {
	var bytes []byte
	for i, rule := range rules {
		if rule.SaveState == nil {
			continue
		}
		if state := rule.SaveState(); state != nil {
			bytes = binary.LittleEndian.AppendUint32(bytes, uint32(i))
			bytes = binary.LittleEndian.AppendUint32(bytes, uint32(len(state)))
			bytes = append(bytes, state...)
		}
	}
	saved.which, saved.version = 0, stateVersion
	if bytes != nil {
		saved.which, saved.bytes = 1, keep(&keptOfEvent, bytes)
	}
	return unsafe.Pointer(&saved)
}

//go:wasmexport ocellus:rule/carry@1.0.0#load-state
func loadState(version uint32, at unsafe.Pointer, size uint32) unsafe.Pointer {
	loaded = answer{}
	if err := load(version, unsafe.Slice((*byte)(at), size)); err != nil {
		loaded = answer{1, keepText(&keptOfEvent, err.Error())}
	}
	return unsafe.Pointer(&loaded)
}

func load(version uint32, bytes []byte) error {
	if version != stateVersion {
		return fmt.Errorf("the state is of version %d, not %d", version, stateVersion)
	}
	for len(bytes) >= 8 {
		position := binary.LittleEndian.Uint32(bytes)
		size := binary.LittleEndian.Uint32(bytes[4:])
		bytes = bytes[8:]
		if uint64(size) > uint64(len(bytes)) || uint64(position) >= uint64(len(rules)) {
			return errors.New("the state is damaged")
		}
		state := append([]byte(nil), bytes[:size]...)
		bytes = bytes[size:]
		if take := rules[position].LoadState; take != nil {
			if err := take(state); err != nil {
				return err
			}
		}
	}
	return nil
}
