// Package ocellus is for detection rules of the Ocellus sensor in Go.
//
//	package main
//
//	import (
//		"github.com/ocellus/ocellus/sdk/go"
//		"github.com/ocellus/ocellus/sdk/go/field"
//	)
//
//	var netcat = ocellus.Rule{
//		ID:     "netcat",
//		Name:   "Netcat was started",
//		Attack: []string{"T1095"},
//		Interests: []ocellus.Interest{
//			ocellus.Exec(ocellus.OneOf(field.ProcessName, "nc", "ncat")),
//		},
//		OnEvent: func(event ocellus.Event) *ocellus.Verdict {
//			command, _ := event.Text(field.ProcessCommandLine)
//			return ocellus.Alert(ocellus.Medium, "netcat: "+command)
//		},
//	}
//
//	func init() { ocellus.Register(netcat) }
//
//	func main() {}
//
// `ocellus rules build` makes a component of it; package ocellustest tests it without a sensor.
package ocellus

import (
	"strings"
	"unicode/utf8"

	"github.com/ocellus/ocellus/sdk/go/field"
)

// The usual steps of severity.
const (
	// Low is worth knowing, on its own not worth a look.
	Low = 21
	// Medium is for someone to look at when there is time.
	Medium = 47
	// High is for someone to look at today.
	High = 73
	// Critical is for someone to look at now.
	Critical = 99
)

// A Rule detects something. Events come in order, and never two at a time: a rule may keep state.
type Rule struct {
	// ID is stable and unique on a host: lower-case letters, digits and "-", at most 64 bytes.
	ID string
	// Name is a short title for people.
	Name string
	// Description says what the rule detects, in a sentence or two.
	Description string
	// Version of the rule; 0.1.0 when empty.
	Version string
	// Attack lists MITRE ATT&CK techniques, for example T1059.004.
	Attack []string
	// FalsePositives lists what is known to set it off without harm.
	FalsePositives []string
	// Drops asks for leave to drop events.
	Drops bool
	// Environment asks for leave to see the environment of processes.
	Environment bool
	// Interests say which events the rule sees: those that one of them lets through; every event
	// when there is none.
	Interests []Interest
	// Configure takes the configuration (TOML), once, before the first event. After an error the
	// version before stays in force.
	Configure func(config string) error
	// OnEvent judges the event. Nil lets it pass.
	OnEvent func(Event) *Verdict
	// SaveState gives what the rule keeps in variables, for its next version; nil: nothing. What it
	// keeps by package state needs none of this.
	SaveState func() []byte
	// LoadState takes over what a version before saved, after Configure.
	LoadState func([]byte) error
}

// An Interest is which events a rule wants to see: those of one of the kinds for which all terms
// pass. The sensor evaluates interests natively, much faster than it can call a rule.
type Interest struct {
	// Kinds of events, for example process.exec; every kind when there is none.
	Kinds []string
	Terms []Term
}

// Exec is an interest in executions.
func Exec(terms ...Term) Interest {
	return Interest{Kinds: []string{"process.exec"}, Terms: terms}
}

// A Term is a test of one field that the sensor runs natively. A field of several texts passes when
// one of them does; a field that the event does not have never passes.
type Term struct {
	Field field.Field
	// How is a Match, or Range or Present.
	How Match
	// Texts of a Match.
	Texts []string
	// Least and Most of Range, both included.
	Least, Most uint64
}

// A Match is how a field is compared.
type Match uint8

// The ways to compare.
const (
	IsOneOf Match = iota
	HasPrefix
	HasSuffix
	DoesContain
	Range
	Present
)

// OneOf passes when the field is one of these.
func OneOf[F field.Textual](f F, texts ...string) Term {
	return Term{Field: f, How: IsOneOf, Texts: texts}
}

// StartsWith passes when the field starts with one of these.
func StartsWith[F field.Textual](f F, texts ...string) Term {
	return Term{Field: f, How: HasPrefix, Texts: texts}
}

// EndsWith passes when the field ends with one of these.
func EndsWith[F field.Textual](f F, texts ...string) Term {
	return Term{Field: f, How: HasSuffix, Texts: texts}
}

// Contains passes when the field contains one of these.
func Contains[F field.Textual](f F, texts ...string) Term {
	return Term{Field: f, How: DoesContain, Texts: texts}
}

// Between passes when the number lies between these two, both included.
func Between[F field.Numeric](f F, least, most uint64) Term {
	return Term{Field: f, How: Range, Least: least, Most: most}
}

// Has passes when the event has the field.
func Has(f field.Field) Term { return Term{Field: f, How: Present} }

// Passes tells whether a text passes a Match with some texts.
func (m Match) Passes(text string, texts []string) bool {
	for _, other := range texts {
		switch {
		case m == IsOneOf && text == other,
			m == HasPrefix && strings.HasPrefix(text, other),
			m == HasSuffix && strings.HasSuffix(text, other),
			m == DoesContain && strings.Contains(text, other):
			return true
		}
	}
	return false
}

// A Verdict is what a rule wants done with an event.
type Verdict struct {
	// Kind says which of the others count.
	Kind VerdictKind
	// Tags to add to the event.
	Tags []string
	// Severity of an alert, 0 to 100.
	Severity uint8
	// Message of an alert.
	Message string
}

// A VerdictKind is one of what a verdict may be.
type VerdictKind uint8

// The kinds of verdicts.
const (
	IsTag VerdictKind = iota
	IsAlert
	IsDrop
)

// Longest message, in bytes. Longer ones are cut: a command line may have megabytes.
const messageBytes = 1024

// Alert marks the event as an alert. Severity is 0 to 100; the message is one line that says what
// happened, and is cut at 1,024 bytes.
func Alert(severity uint8, message string, tags ...string) *Verdict {
	if len(message) > messageBytes {
		end := messageBytes - len("…")
		for end > 0 && !utf8.RuneStart(message[end]) {
			end--
		}
		message = message[:end] + "…"
	}
	return &Verdict{Kind: IsAlert, Severity: min(severity, 100), Message: message, Tags: tags}
}

// Tag adds tags to the event.
func Tag(tags ...string) *Verdict { return &Verdict{Kind: IsTag, Tags: tags} }

// Drop does not deliver the event. The rule must ask for this with Drops.
func Drop() *Verdict { return &Verdict{Kind: IsDrop} }

var rules []Rule

// Register adds rules to the component. Call it in an init function.
func Register(more ...Rule) { rules = append(rules, more...) }

// An Event is the event that is being judged. Nothing is copied until it is asked for; ask once and
// keep the answer when you need it twice.
type Event struct{}

// Text gives a text field; false when the event does not have it.
func (Event) Text(f field.Text) (string, bool) { return host.text(number(f)) }

// TextOr gives a text field, or another text when the event does not have it.
func (event Event) TextOr(f field.Text, otherwise string) string {
	if text, ok := event.Text(f); ok {
		return text
	}
	return otherwise
}

// Number gives a number; false when the event does not have it.
func (Event) Number(f field.Number) (uint64, bool) { return host.number(number(f)) }

// Time gives a time, in nanoseconds since the epoch; false when the event does not have it.
func (Event) Time(f field.Time) (uint64, bool) { return host.number(number(f)) }

// Flag tells whether the event has the flag and it is set.
func (Event) Flag(f field.Flag) bool {
	value, _ := host.number(number(f))
	return value == 1
}

// Texts gives all values of a field that holds several texts. None when the event lacks it.
func (Event) Texts(f field.Texts) []string { return host.texts(number(f)) }

// Many gives several text fields in one call, which is cheaper than one by one. Nil stands for one
// that the event does not have.
func (Event) Many(fields ...field.Text) []*string {
	numbers := make([]uint32, len(fields))
	for i, f := range fields {
		numbers[i] = number(f)
	}
	return host.many(numbers)
}

// Test compares inside the sensor: nothing is copied. A field of several texts passes when one of
// them does; a field that the event does not have never passes.
func (Event) Test(f field.Field, how Match, set *Set) bool {
	return how <= DoesContain && host.test(number(f), how, set.number())
}

// A Set is a set of texts that the sensor keeps, for Event.Test. Make it a variable of the package:
// an instance may have 64.
type Set struct {
	texts []string
	made  bool
	known uint32
}

// NewSet makes a set.
func NewSet(texts ...string) *Set { return &Set{texts: texts} }

// A set that the sensor refuses is empty, and the log says so.
func (s *Set) number() uint32 {
	if !s.made {
		known, err := host.makeSet(s.texts)
		if err != nil {
			known = unknown
			Log(Error, "this sensor refuses a set: "+err.Error())
		}
		s.made, s.known = true, known
	}
	return s.known
}

// A number that the sensor gives to no field and to no set.
const unknown = 1<<32 - 1

// The sensor's numbers of the fields plus one; 0: not asked yet.
var numbers [field.Count]uint32

// The sensor's number for a field, asked for once. No event has one that the sensor does not know.
func number(f field.Field) uint32 {
	slot := &numbers[f.Index()]
	if *slot == 0 {
		known, err := host.resolve(f.Name())
		if err != nil {
			known = unknown - 1
			Log(Warn, "this sensor has no field "+f.Name()+": "+err.Error())
		}
		*slot = known + 1
	}
	return *slot - 1
}

// A Level is how loud a line in the log is.
type Level uint8

// The levels.
const (
	Debug Level = iota
	Info
	Warn
	Error
)

// Log writes a line to the sensor's log, under the name of the rule. Lines are cut at 1,024 bytes,
// and limited in rate.
func Log(level Level, message string) { host.log(level, message) }
