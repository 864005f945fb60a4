//go:build !wasm

package ocellus

import (
	"encoding/binary"
	"errors"

	"github.com/ocellus/ocellus/sdk/go/field"
)

// A StandIn takes the place of the sensor in native tests; package ocellustest uses it. A field's
// number is its index in the table.
type StandIn struct {
	// Values of the current event, by the index of the field: a string, a []string, a uint64 or a
	// bool. Nil outside of OnEvent.
	Values map[int]any
	// Known are other processes, by entity id.
	Known map[string]map[int]any
	// Lines of the log.
	Lines []string
	sets  [][]string
	kept  map[string]keptValue
	index map[string]uint32
}

type keptValue struct {
	value []byte
	// Ends in nanoseconds since the epoch; 0: never.
	ends uint64
}

var host hostFunctions

func init() { NewStandIn() }

// NewStandIn takes the sensor's place, without state, processes and log lines.
func NewStandIn() *StandIn {
	standIn := &StandIn{
		Known: map[string]map[int]any{},
		kept:  map[string]keptValue{},
		index: map[string]uint32{},
	}
	for i := range field.Count {
		standIn.index[field.Text(i).Name()] = uint32(i)
	}
	host = standIn
	return standIn
}

func asText(value any) (string, bool) {
	text, ok := value.(string)
	return text, ok
}

func asNumber(value any) (uint64, bool) {
	switch value := value.(type) {
	case uint64:
		return value, true
	case bool:
		if value {
			return 1, true
		}
		return 0, true
	}
	return 0, false
}

func asTexts(value any) []string {
	switch value := value.(type) {
	case string:
		return []string{value}
	case []string:
		return append([]string(nil), value...)
	}
	return nil
}

func (s *StandIn) resolve(name string) (uint32, error) {
	if index, ok := s.index[name]; ok {
		return index, nil
	}
	return 0, errors.New("there is no field " + name)
}

func (s *StandIn) text(field uint32) (string, bool)   { return asText(s.Values[int(field)]) }
func (s *StandIn) number(field uint32) (uint64, bool) { return asNumber(s.Values[int(field)]) }
func (s *StandIn) texts(field uint32) []string        { return asTexts(s.Values[int(field)]) }

func (s *StandIn) many(fields []uint32) []*string {
	texts := make([]*string, len(fields))
	for i, field := range fields {
		if text, ok := s.text(field); ok {
			texts[i] = &text
		}
	}
	return texts
}

func (s *StandIn) makeSet(texts []string) (uint32, error) {
	s.sets = append(s.sets, texts)
	return uint32(len(s.sets) - 1), nil
}

func (s *StandIn) test(field uint32, how Match, set uint32) bool {
	for _, text := range s.texts(field) {
		if how.Passes(text, s.sets[set]) {
			return true
		}
	}
	return false
}

func (s *StandIn) candidates() []uint32     { return nil }
func (s *StandIn) log(_ Level, line string) { s.Lines = append(s.Lines, line) }
func (s *StandIn) remove(key string)        { delete(s.kept, key) }

func (s *StandIn) ends(ttlMS uint64) uint64 {
	if ttlMS == 0 {
		return 0
	}
	return s.now() + ttlMS*1_000_000
}

func (s *StandIn) now() uint64 {
	now, _ := s.number(uint32(field.Timestamp))
	return now
}

func (s *StandIn) ancestors(id string) []string {
	all := asTexts(s.Known[id][int(field.OcellusAncestorsEntityID)])
	return all[:min(len(all), 64)]
}

func (s *StandIn) textOf(id string, field uint32) (string, bool) {
	return asText(s.Known[id][int(field)])
}

func (s *StandIn) numberOf(id string, field uint32) (uint64, bool) {
	return asNumber(s.Known[id][int(field)])
}

func (s *StandIn) textsOf(id string, field uint32) []string {
	return asTexts(s.Known[id][int(field)])
}

func (s *StandIn) get(key string) ([]byte, bool) {
	kept, ok := s.kept[key]
	if !ok || kept.ends != 0 && kept.ends <= s.now() {
		return nil, false
	}
	return kept.value, true
}

func (s *StandIn) set(key string, value []byte, ttlMS uint64) error {
	if len(key) > 256 || len(value) > 64<<10 {
		return errors.New("the key or the value is too long")
	}
	s.kept[key] = keptValue{append([]byte(nil), value...), s.ends(ttlMS)}
	return nil
}

func (s *StandIn) add(key string, amount, ttlMS uint64) (uint64, error) {
	before, _ := s.get(key)
	sum, ends := amount, s.ends(ttlMS)
	if len(before) == 8 {
		sum, ends = binary.LittleEndian.Uint64(before)+amount, s.kept[key].ends
	}
	s.kept[key] = keptValue{binary.LittleEndian.AppendUint64(nil, sum), ends}
	return sum, nil
}
